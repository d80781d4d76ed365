package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"platen/card"
	"platen/services/ledger"
	"platen/sql/store"
)

const ledgerPath = "/v1/ledger"

// LedgerAccount is an account of the ledger. Amounts are decimal text in its currency.
type LedgerAccount struct {
	ID        string    `json:"id" format:"uuid"`
	Kind      string    `json:"kind" enum:"WALLET,MARGIN,CARD,OUTSIDE,FEES" doc:"MARGIN is a pool that cards share. OUTSIDE and FEES are the house's: the other side of what all others hold"`
	Currency  string    `json:"currency" doc:"ISO 4217"`
	Name      string    `json:"name,omitempty"`
	Card      string    `json:"card,omitempty" doc:"Token of the card whose account it is"`
	Balance   string    `json:"balance" doc:"What it holds and may give"`
	Allocated string    `json:"allocated,omitempty" doc:"What the cards hold that are filled from it"`
	Retained  string    `json:"retained,omitempty" doc:"What a withdrawal leaves on a card"`
	CreatedAt time.Time `json:"created_at"`
}

func showLedgerAccount(a ledger.Account) LedgerAccount {
	money := func(minor int64) string { return card.FormatMinor(minor, a.Exponent) }
	v := LedgerAccount{ID: a.ID.String(), Kind: a.Kind.String(), Currency: a.Currency, Name: a.Name, Card: a.Token, Balance: money(a.Balance), CreatedAt: a.CreatedAt.UTC()}
	switch a.Kind {
	case card.Wallet, card.Margin:
		v.Allocated = money(a.Allocated)
	case card.CardAccount:
		v.Retained = money(a.Retained)
	}
	return v
}

// Operation is something that was asked for with money, and what came of it.
type Operation struct {
	ID          string     `json:"id" format:"uuid"`
	Reference   string     `json:"reference" doc:"The client's own number"`
	Kind        string     `json:"kind"`
	State       string     `json:"state" enum:"WAIT_PROCESS,PROCESSING,SUCCESS,FAIL"`
	Amount      string     `json:"amount,omitempty"`
	Fee         string     `json:"fee,omitempty" doc:"The part of the amount that does not arrive"`
	Received    string     `json:"received,omitempty" doc:"What arrived"`
	Currency    string     `json:"currency,omitempty"`
	Failure     string     `json:"failure,omitempty" doc:"Stable code of why it failed"`
	Remark      string     `json:"remark,omitempty"`
	RequestedBy string     `json:"requested_by"`
	CreatedAt   time.Time  `json:"created_at"`
	EndedAt     *time.Time `json:"ended_at,omitempty"`
}

func showOperation(o store.Operation) Operation {
	v := Operation{ID: o.ID.String(), Reference: o.Reference, Kind: o.Kind.String(), State: o.State.String(), Currency: o.Currency, Failure: o.Failure, Remark: o.Remark,
		RequestedBy: o.RequestedBy, CreatedAt: o.CreatedAt.UTC(), EndedAt: inUTC(o.EndedAt)}
	if o.Amount > 0 {
		v.Amount, v.Fee = card.FormatMinor(o.Amount, o.Exponent), card.FormatMinor(o.Fee, o.Exponent)
		if o.State == card.OperationSuccess {
			v.Received = card.FormatMinor(o.Amount-o.Fee, o.Exponent)
		}
	}
	return v
}

// Entry is money that came into an account or left it.
type Entry struct {
	Operation  string    `json:"operation" format:"uuid"`
	Amount     string    `json:"amount" doc:"Negative where it left"`
	Balance    string    `json:"balance" doc:"What the account held then"`
	RecordedAt time.Time `json:"recorded_at"`
}

func (s *service) routeLedger(api huma.API) {
	const tag, accounts, one, ofCard = "ledger", ledgerPath + "/accounts", ledgerPath + "/accounts/{id}", ledgerPath + "/cards/{token}"
	read(s, api, operation("list-ledger-accounts", accounts, tag, "Accounts, oldest first"), s.listLedgerAccounts)
	read(s, api, operation("get-ledger-account", one, tag, "One account"), s.getLedgerAccount)
	read(s, api, operation("list-ledger-entries", one+"/entries", tag, "What moved on an account, newest first"), s.listEntries)
	read(s, api, operation("list-ledger-operations", ledgerPath+"/operations", tag, "Operations, newest first"), s.listOperations)
	read(s, api, operation("get-ledger-operation", ledgerPath+"/operations/{reference}", tag, "One operation, by the client's own number"), s.getOperation)
	read(s, api, operation("get-card-account", ofCard, tag, "The account of a card"), s.getCardAccount)

	opening := func(id, path, summary string) huma.Operation {
		return change(id, http.MethodPost, path, tag, summary, http.StatusCreated)
	}
	once(s, api, opening("open-ledger-account", accounts, "Open a wallet or a pool"), s.openLedgerAccount)
	once(s, api, opening("open-card-account", ofCard, "Open the account of a card"), s.openCardAccount)

	moving := func(id, path, summary string) huma.Operation {
		op := opening(id, path, summary)
		op.Description = "The same reference with the same content is answered with what came of it the first time. What cannot be done for want of money is refused and stays on record as failed."
		return op
	}
	once(s, api, moving("fund-wallet", one+"/funds", "Bring money from outside into a wallet"), s.fundWallet)
	once(s, api, moving("pay-out-wallet", one+"/payouts", "Take money out of a wallet"), s.payOutWallet)
	once(s, api, moving("transfer-money", ledgerPath+"/transfers", "Move money between wallets and pools"), s.transferMoney)
	once(s, api, moving("deposit-to-card", ofCard+"/deposits", "Load a card from its wallet, or allocate to it from its pool"), s.depositToCard)
	once(s, api, moving("withdraw-from-card", ofCard+"/withdrawals", "Give money of a card back to where it came from"), s.withdrawFromCard)
}

// Numbered is the client's own number for what it asks for.
type Numbered struct {
	Reference string `json:"reference" minLength:"1" maxLength:"65" doc:"The client's own number, unique for ever: printable ASCII without blanks"`
}

// Sum is an amount.
type Sum struct {
	Amount   string `json:"amount" maxLength:"64" example:"12.50" doc:"Digits with a decimal point, no more decimals than the currency has"`
	Currency string `json:"currency,omitempty" maxLength:"3" doc:"ISO 4217, letters or number; without it, the account's"`
	Remark   string `json:"remark,omitempty" maxLength:"50" doc:"Printable ASCII, no personal data"`
}

func (m Sum) sum() ledger.Sum {
	return ledger.Sum{Amount: m.Amount, Currency: m.Currency, Remark: m.Remark}
}

// LedgerAccountInput names an account.
type LedgerAccountInput struct {
	ID string `path:"id" maxLength:"36"`
}

// EntriesInput asks for a page of what moved on an account.
type EntriesInput struct {
	LedgerAccountInput
	PageInput
}

func (s *service) listLedgerAccounts(ctx context.Context, c caller, in *PageInput) (Page[LedgerAccount], error) {
	const list = "ledger accounts"
	after, err := in.position(list)
	if err != nil {
		return Page[LedgerAccount]{}, err
	}
	rows, err := s.ledger.Accounts(ctx, c.institution, after, in.Limit+1)
	return pageOf(*in, list, rows, func(a ledger.Account) int64 { return a.Number }, showLedgerAccount), err
}

func (s *service) findLedgerAccount(ctx context.Context, c caller, in *LedgerAccountInput) (ledger.Account, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return ledger.Account{}, err
	}
	return s.ledger.Account(ctx, c.institution, id)
}

func (s *service) getLedgerAccount(ctx context.Context, c caller, in *LedgerAccountInput) (LedgerAccount, error) {
	a, err := s.findLedgerAccount(ctx, c, in)
	return showLedgerAccount(a), err
}

func (s *service) getCardAccount(ctx context.Context, c caller, in *CardInput) (LedgerAccount, error) {
	a, err := s.ledger.CardAccount(ctx, c.institution, in.Token)
	return showLedgerAccount(a), err
}

func (s *service) listEntries(ctx context.Context, c caller, in *EntriesInput) (Page[Entry], error) {
	a, err := s.findLedgerAccount(ctx, c, &in.LedgerAccountInput)
	if err != nil {
		return Page[Entry]{}, err
	}
	list := "entries " + a.ID.String()[24:]
	before, err := in.position(list)
	if err != nil {
		return Page[Entry]{}, err
	}
	rows, err := s.ledger.Entries(ctx, c.institution, a, before, in.Limit+1)
	return pageOf(in.PageInput, list, rows, func(e ledger.Entry) int64 { return e.Number }, func(e ledger.Entry) Entry {
		return Entry{Operation: e.Of.String(), Amount: card.FormatMinor(e.Change, a.Exponent), Balance: card.FormatMinor(e.Balance, a.Exponent), RecordedAt: e.RecordedAt.UTC()}
	}), err
}

func (s *service) listOperations(ctx context.Context, c caller, in *PageInput) (Page[Operation], error) {
	const list = "operations"
	before, err := in.position(list)
	if err != nil {
		return Page[Operation]{}, err
	}
	rows, err := s.Plant.Store.Operations(ctx, c.institution.ID, before, in.Limit+1)
	return pageOf(*in, list, rows, func(o store.Operation) int64 { return o.Number }, showOperation), err
}

// OperationInput names an operation.
type OperationInput struct {
	Reference string `path:"reference" maxLength:"65"`
}

func (s *service) getOperation(ctx context.Context, c caller, in *OperationInput) (Operation, error) {
	o, err := s.ledger.Operation(ctx, c.institution, in.Reference)
	return showOperation(o), err
}

// money asks for an operation of a client.
func money(c caller, reference string) ledger.Act {
	return ledger.Act{Institution: c.institution, Actor: c.actor(), Reference: reference}
}

// NewLedgerAccount asks for a wallet or a pool.
type NewLedgerAccount struct {
	Body struct {
		Numbered
		Kind     string `json:"kind" enum:"WALLET,MARGIN"`
		Currency string `json:"currency" maxLength:"3" doc:"ISO 4217, letters or number"`
		Name     string `json:"name,omitempty" maxLength:"64" doc:"Printable ASCII"`
	}
}

func (s *service) openLedgerAccount(ctx context.Context, c caller, in *NewLedgerAccount) (made[LedgerAccount], error) {
	kind, err := card.ParseAccountKind(in.Body.Kind)
	if err != nil {
		return made[LedgerAccount]{}, err
	}
	a, repeat, err := s.ledger.Open(ctx, money(c, in.Body.Reference), ledger.NewAccount{Kind: kind, Currency: in.Body.Currency, Name: in.Body.Name})
	return opened(a, repeat, err)
}

// NewCardAccount asks for the account of a card.
type NewCardAccount struct {
	CardInput
	Body struct {
		Numbered
		Source string `json:"source" maxLength:"36" doc:"Id of the wallet or pool that the card is filled from, and that it gives back to"`
		Holder string `json:"holder,omitempty" maxLength:"36" doc:"Id of the holder, where the card type needs one"`
	}
}

func (s *service) openCardAccount(ctx context.Context, c caller, in *NewCardAccount) (made[LedgerAccount], error) {
	source, err := parseID(in.Body.Source)
	if err != nil {
		return made[LedgerAccount]{}, err
	}
	holder := uuid.Nil
	if in.Body.Holder != "" {
		if holder, err = parseID(in.Body.Holder); err != nil {
			return made[LedgerAccount]{}, ledger.ErrHolder
		}
	}
	a, repeat, err := s.ledger.OpenCard(ctx, money(c, in.Body.Reference), ledger.NewCardAccount{Card: in.Token, Source: source, Holder: holder})
	return opened(a, repeat, err)
}

func opened(a ledger.Account, repeat bool, err error) (made[LedgerAccount], error) {
	return made[LedgerAccount]{value: showLedgerAccount(a), location: ledgerPath + "/accounts/" + a.ID.String(), repeat: repeat}, err
}

// WalletMoneyInput names a wallet and an amount.
type WalletMoneyInput struct {
	LedgerAccountInput
	Body struct {
		Numbered
		Sum
	}
}

// CardMoneyInput names a card and an amount.
type CardMoneyInput struct {
	CardInput
	Body struct {
		Numbered
		Sum
	}
}

// TransferInput names two accounts and an amount.
type TransferInput struct {
	Body struct {
		Numbered
		From string `json:"from" maxLength:"36" doc:"Id of a wallet or pool"`
		To   string `json:"to" maxLength:"36" doc:"Id of another"`
		Sum
	}
}

func (s *service) fundWallet(ctx context.Context, c caller, in *WalletMoneyInput) (made[Operation], error) {
	return s.withWallet(ctx, c, in, s.ledger.Fund)
}

func (s *service) payOutWallet(ctx context.Context, c caller, in *WalletMoneyInput) (made[Operation], error) {
	return s.withWallet(ctx, c, in, s.ledger.PayOut)
}

func (s *service) withWallet(ctx context.Context, c caller, in *WalletMoneyInput, do func(context.Context, ledger.Act, uuid.UUID, ledger.Sum) (ledger.Done, error)) (made[Operation], error) {
	id, err := parseID(in.ID)
	if err != nil {
		return made[Operation]{}, err
	}
	return done(do(ctx, money(c, in.Body.Reference), id, in.Body.sum()))
}

func (s *service) transferMoney(ctx context.Context, c caller, in *TransferInput) (made[Operation], error) {
	from, err := parseID(in.Body.From)
	if err != nil {
		return made[Operation]{}, err
	}
	to, err := parseID(in.Body.To)
	if err != nil {
		return made[Operation]{}, err
	}
	return done(s.ledger.Transfer(ctx, money(c, in.Body.Reference), from, to, in.Body.sum()))
}

func (s *service) depositToCard(ctx context.Context, c caller, in *CardMoneyInput) (made[Operation], error) {
	return done(s.ledger.Deposit(ctx, money(c, in.Body.Reference), in.Token, in.Body.sum()))
}

func (s *service) withdrawFromCard(ctx context.Context, c caller, in *CardMoneyInput) (made[Operation], error) {
	return done(s.ledger.Withdraw(ctx, money(c, in.Body.Reference), in.Token, in.Body.sum()))
}

// failures are what an operation that is on record as failed is answered with.
var failures = map[string]*Problem{
	ledger.FailureFunds:    problem(http.StatusConflict, "insufficient_funds", "the account does not hold as much; the operation is on record as failed"),
	ledger.FailureRetained: problem(http.StatusConflict, "balance_retained", "a withdrawal must leave more on the card; the operation is on record as failed"),
	ledger.FailureBalance:  problem(http.StatusConflict, "balance_limit", "the account cannot hold as much; the operation is on record as failed"),
}

// done answers with an operation that ended well, and with a problem for one that did not.
func done(d ledger.Done, err error) (made[Operation], error) {
	if err != nil {
		return made[Operation]{}, err
	}
	if p := failures[d.Failure]; p != nil {
		return made[Operation]{}, p
	}
	return made[Operation]{value: showOperation(d.Operation), location: ledgerPath + "/operations/" + d.Reference, repeat: d.Replay}, nil
}
