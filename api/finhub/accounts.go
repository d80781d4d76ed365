package finhub

import (
	"context"
	"fmt"

	"platen/api"
	"platen/card"
	"platen/services/ledger"
	"platen/sql/store"
)

// Account is a wallet or a pool as the service shows it. Nothing is ever frozen here.
type Account struct {
	AccountID       string `json:"accountId"`
	AccountName     string `json:"accountName,omitempty"`
	AccountType     string `json:"accountType"`
	Currency        string `json:"currency"`
	TotalBalance    string `json:"totalBalance"`
	FrozenBalance   string `json:"frozenBalance"`
	AvailableAmount string `json:"availableBalance"`
	Allocated       string `json:"allocatedBalance"` // what the cards hold that are filled from it; no part of the total
	CreateTime      int64  `json:"createTime"`       // milliseconds since 1970
}

func showAccount(a ledger.Account) Account {
	money := func(minor int64) string { return card.FormatMinor(minor, a.Exponent) }
	return Account{AccountID: a.ID.String(), AccountName: a.Name, AccountType: a.Kind.String(), Currency: a.Currency, TotalBalance: money(a.Balance), FrozenBalance: money(0),
		AvailableAmount: money(a.Balance), Allocated: money(a.Allocated), CreateTime: millis(a.CreatedAt)}
}

type newAccount struct {
	Asked
	Type     string `json:"accountType,omitempty" enum:"MARGIN,WALLET"`
	Currency string `json:"currency" maxLength:"3"`
	Name     string `json:"accountName,omitempty" maxLength:"64"`
}

// createAccount opens a pool, or a wallet.
func (s *service) createAccount(ctx context.Context, c *api.Call, body newAccount) (api.Reply, error) {
	kind := card.Margin
	if body.Type == card.Wallet.String() {
		kind = card.Wallet
	}
	a, _, err := s.ledger.Open(ctx, act(c, body.MerchantOrderNo), ledger.NewAccount{Kind: kind, Currency: body.Currency, Name: body.Name})
	if err != nil {
		return api.Reply{}, err
	}
	return done(showAccount(a)), nil
}

type transfer struct {
	MerchantOrderNo string `json:"merchantOrderNo" minLength:"20" maxLength:"40"`
	From            string `json:"fromAccountId" minLength:"1" maxLength:"36"`
	To              string `json:"toAccountId" minLength:"1" maxLength:"36"`
	Amount          Amount `json:"amount"`
	Currency        string `json:"currency,omitempty" maxLength:"3"`
	Type            string `json:"type,omitempty" enum:"TRANSFER,COLLECTION"` // a collection is the same, as its receiver asks for it
	Remark          string `json:"remark,omitempty" maxLength:"50"`
}

func (s *service) transfer(ctx context.Context, c *api.Call, body transfer) (api.Reply, error) {
	from, err := idOf(body.From)
	if err != nil {
		return api.Reply{}, err
	}
	to, err := idOf(body.To)
	if err != nil {
		return api.Reply{}, err
	}
	d, err := s.ledger.Transfer(ctx, act(c, body.MerchantOrderNo), from, to, ledger.Sum{Amount: string(body.Amount), Currency: body.Currency, Remark: body.Remark})
	return ordered(d, ""), err
}

// Totals are what an institution's wallets and pools in one currency hold.
type Totals struct {
	Currency  string `json:"currency"`
	Total     string `json:"totalBalance"`
	Frozen    string `json:"frozenBalance"`
	Available string `json:"availableBalance"`
}

// each looks at every wallet and pool of the caller's institution, oldest first, until look says that it has seen enough.
func (s *service) each(ctx context.Context, c *api.Call, look func(ledger.Account) bool) error {
	for after := int64(0); ; {
		all, err := s.ledger.Accounts(ctx, c.Institution, after, batchOfAccounts)
		if err != nil {
			return err
		}
		for _, a := range all {
			if after = a.Number; (a.Kind == card.Wallet || a.Kind == card.Margin) && !look(a) {
				return nil
			}
		}
		if len(all) < batchOfAccounts {
			return nil
		}
	}
}

const batchOfAccounts = 200

func (s *service) accountInfo(ctx context.Context, c *api.Call, _ Empty) (api.Reply, error) {
	var order []string
	sums, exponents := map[string]int64{}, map[string]int{}
	err := s.each(ctx, c, func(a ledger.Account) bool {
		if _, known := exponents[a.Currency]; !known {
			order = append(order, a.Currency)
		}
		sums[a.Currency] += a.Balance
		exponents[a.Currency] = a.Exponent
		return true
	})
	all := []Totals{}
	for _, currency := range order {
		money := func(minor int64) string { return card.FormatMinor(minor, exponents[currency]) }
		all = append(all, Totals{Currency: currency, Total: money(sums[currency]), Frozen: money(0), Available: money(sums[currency])})
	}
	return done(all), err
}

// accountPage asks for a page of accounts, of which the service shows ten at a time at most.
type accountPage struct {
	PageNum  int    `json:"pageNum,omitempty" minimum:"1" maximum:"1000"`
	PageSize int    `json:"pageSize,omitempty" minimum:"1" maximum:"10"`
	Type     string `json:"accountType,omitempty" enum:"MARGIN,WALLET"`
}

func (s *service) listAccounts(ctx context.Context, c *api.Call, body accountPage) (api.Reply, error) {
	v := Page[Account]{PageNum: max(1, body.PageNum), PageSize: body.PageSize, Records: []Account{}}
	if v.PageSize == 0 {
		v.PageSize = usualPage
	}
	skip := (v.PageNum - 1) * v.PageSize
	err := s.each(ctx, c, func(a ledger.Account) bool {
		if body.Type != "" && body.Type != a.Kind.String() {
			return true
		}
		if skip > 0 {
			skip--
			return true
		}
		if v.HasMore = len(v.Records) == v.PageSize; !v.HasMore {
			v.Records = append(v.Records, showAccount(a))
		}
		return !v.HasMore
	})
	return done(v), err
}

// OnAccount names an account.
type OnAccount struct {
	AccountID string `json:"accountId" minLength:"1" maxLength:"36"`
}

// account finds a wallet or a pool.
func (s *service) account(ctx context.Context, c *api.Call, on OnAccount) (ledger.Account, error) {
	id, err := idOf(on.AccountID)
	if err != nil {
		return ledger.Account{}, err
	}
	a, err := s.ledger.Account(ctx, c.Institution, id)
	if err == nil && a.Kind != card.Wallet && a.Kind != card.Margin {
		err = fmt.Errorf("account of another kind: %w", store.ErrNotFound)
	}
	return a, err
}

func (s *service) queryAccount(ctx context.Context, c *api.Call, body OnAccount) (api.Reply, error) {
	a, err := s.account(ctx, c, body)
	if err != nil {
		return api.Reply{}, err
	}
	return done(showAccount(a)), nil
}

// Entry is money that came into an account or left it.
type Entry struct {
	OrderNo         string `json:"orderNo"`
	Amount          string `json:"amount"` // negative where it left
	Balance         string `json:"balance"`
	Currency        string `json:"currency"`
	TransactionTime int64  `json:"transactionTime"`
}

type entries struct {
	Paged
	OnAccount
}

func (s *service) listEntries(ctx context.Context, c *api.Call, body entries) (api.Reply, error) {
	a, err := s.account(ctx, c, body.OnAccount)
	if err != nil {
		return api.Reply{}, err
	}
	page, err := pageOf(body.Paged, func(before int64, limit int) ([]ledger.Entry, error) {
		return s.ledger.Entries(ctx, c.Institution, a, before, limit)
	},
		func(e ledger.Entry) int64 { return e.Number }, func(e ledger.Entry) (Entry, error) {
			return Entry{OrderNo: e.Of.String(), Amount: card.FormatMinor(e.Change, a.Exponent), Balance: card.FormatMinor(e.Balance, a.Exponent), Currency: a.Currency,
				TransactionTime: millis(e.RecordedAt)}, nil
		})
	return done(page), err
}
