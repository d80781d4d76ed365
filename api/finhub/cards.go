package finhub

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"platen/api"
	"platen/card"
	"platen/services/cards"
	"platen/services/ledger"
	"platen/services/prepaid"
	"platen/sql/store"
)

// Order is an operation as the service shows it. Amounts are decimal text.
type Order struct {
	OrderNo          string `json:"orderNo"`
	MerchantOrderNo  string `json:"merchantOrderNo"`
	CardNo           string `json:"cardNo,omitempty"`
	Type             string `json:"type"`
	Status           string `json:"status"`
	Currency         string `json:"currency,omitempty"`
	Amount           string `json:"amount,omitempty"`
	Fee              string `json:"fee,omitempty"`
	ReceivedAmount   string `json:"receivedAmount,omitempty"`
	ReceivedCurrency string `json:"receivedCurrency,omitempty"`
	Remark           string `json:"remark,omitempty"`
	Failure          string `json:"failReason,omitempty"` // stable code
	TransactionTime  int64  `json:"transactionTime"`      // milliseconds since 1970
}

// orderTypes are the service's names for operations.
var orderTypes = map[card.OperationKind]string{
	card.OpenCard: "create", card.Deposit: "deposit", card.Withdraw: "withdraw", card.CancelCard: "cancel", card.FreezeCard: "Freeze", card.UnfreezeCard: "UnFreeze",
	card.ActivateCard: "activate", card.ChangePIN: "update_pin", card.ChangeAttributes: "card_update", card.Transfer: "transfer", card.OpenAccount: "create_account", card.Fund: "fund", card.PayOut: "payout",
}

// orderStates are the service's names for the states of operations.
var orderStates = map[card.OperationState]string{
	card.OperationWaiting: "wait_process", card.OperationProcessing: "processing", card.OperationSuccess: "success", card.OperationFail: "fail",
}

// orderOf shows an operation. What opens a card takes its price besides what the card is loaded with; anything else takes its fee out of the amount.
func orderOf(o store.Operation, token string) Order {
	v := Order{OrderNo: o.ID.String(), MerchantOrderNo: o.Reference, CardNo: token, Type: orderTypes[o.Kind], Status: orderStates[o.State], Remark: o.Remark, Failure: o.Failure,
		TransactionTime: millis(o.CreatedAt)}
	if o.Currency == "" || o.From == nil {
		return v
	}
	money := func(minor int64) string { return card.FormatMinor(minor, o.Exponent) }
	v.Currency, v.Amount, v.Fee = o.Currency, money(o.Amount), money(o.Fee)
	if o.Kind == card.OpenCard {
		v.Amount = money(o.Amount - o.Fee)
	}
	if o.State == card.OperationSuccess {
		v.ReceivedAmount, v.ReceivedCurrency = money(o.Amount-o.Fee), o.Currency
	}
	return v
}

func millis(t time.Time) int64 { return t.UnixMilli() }

// failures are why operations are on record as failed.
var failures = map[string]string{
	ledger.FailureFunds:    "the account does not hold as much",
	ledger.FailureRetained: "a withdrawal leaves the retained amount on the card",
	ledger.FailureBalance:  "the other account cannot hold as much more",
	prepaid.FailureCode:    "the activation code is wrong",
}

// ordered answers with an operation that was carried out.
func ordered(d ledger.Done, token string) api.Reply {
	o := orderOf(d.Operation, token)
	if d.State != card.OperationFail {
		return done(o)
	}
	return api.Reply{Status: http.StatusOK, Body: Envelope{Code: codeBusiness, Msg: failures[d.Failure], Data: Failure{ErrorCode: d.Failure, Order: &o}}}
}

// tokenOf is the token of the card that an operation was about; empty where it was about none.
func (s *service) tokenOf(ctx context.Context, c *api.Call, o store.Operation) (string, error) {
	if o.CardAccount == nil {
		return "", nil
	}
	return tokenOf(ctx, s.plant, c.Institution, *o.CardAccount)
}

type newCard struct {
	Asked
	CardTypeID int     `json:"cardTypeId" minimum:"1"`
	Amount     Amount  `json:"amount"`
	HolderID   string  `json:"holderId,omitempty" maxLength:"36"`
	CardNumber Printed `json:"cardNumber,omitzero"`
	AccountID  string  `json:"accountId,omitempty" maxLength:"36"`
	DesignID   string  `json:"designId,omitempty" maxLength:"0"` // a card type has one design here
}

func (s *service) openCard(ctx context.Context, c *api.Call, body newCard) (api.Reply, error) {
	product, err := productOf(c, body.CardTypeID)
	if err != nil {
		return api.Reply{}, err
	}
	n := prepaid.NewCard{CardType: product, Amount: string(body.Amount)}
	if n.Number, err = body.CardNumber.pan(); err != nil {
		return api.Reply{}, prepaid.ErrNotOurs
	}
	body.CardNumber.Wipe()
	if n.Holder, err = idOf(body.HolderID); err != nil {
		return api.Reply{}, ledger.ErrHolder
	}
	if n.Account, err = idOf(body.AccountID); err != nil {
		return api.Reply{}, err
	}
	d, err := s.prepaid.Open(ctx, act(c, body.MerchantOrderNo), n)
	if err != nil {
		return api.Reply{}, err
	}
	token, err := s.tokenOf(ctx, c, d.Operation)
	return ordered(d, token), err
}

// Card is a card as the service shows it.
type Card struct {
	CardNo          string      `json:"cardNo"`
	CardTypeID      json.Number `json:"cardTypeId"`
	Mode            string      `json:"mode"`
	Type            string      `json:"type"`
	Category        string      `json:"category"`
	Status          string      `json:"status"`
	Blocked         bool        `json:"blocked"` // by somebody else than freeze
	HolderID        string      `json:"holderId,omitempty"`
	AccountID       string      `json:"accountId,omitempty"` // the pool that it shares
	Balance         *Balance    `json:"balanceInfo,omitempty"`
	Note            string      `json:"note,omitempty"`
	NoPINPayment    *int        `json:"noPinPaymentAmount,omitempty"`
	SpendingControl []Control   `json:"spendingControls,omitempty"`
	AllowedMCC      []string    `json:"allowedMcc,omitempty"`
	BlockedMCC      []string    `json:"blockedMcc,omitempty"`
	CreateTime      int64       `json:"createTime"` // milliseconds since 1970
}

// Balance is what a card holds.
type Balance struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

// statusOf is a card's state as the service has it. Nothing is on its way here: freezing, unfreezing, cancelling and pending are states that no card is seen in.
func statusOf(c *prepaid.Card) string {
	switch c.Card.Status {
	case card.CardInactive:
		return "un_activated"
	case card.CardActive:
		return "Normal"
	case card.CardBlocked:
		return "Freeze"
	case card.CardClosed, card.CardExpired:
		return "cancel"
	}
	return "fail"
}

func (s *service) show(ctx context.Context, c *api.Call, v *prepaid.Card, simple bool) (Card, error) {
	t := &v.Product.Prepaid
	shown := Card{CardNo: v.Token, CardTypeID: typeIDOf(c, v.Product.Code), Mode: t.Mode.String(), Type: typeOf(v.Product), Category: t.Category.String(), Status: statusOf(v),
		Blocked: v.Card.Status == card.CardBlocked && !v.Frozen, CreateTime: millis(v.Account.CreatedAt)}
	if simple || t.Category == card.Gift {
		return shown, nil
	}
	shown.Note, shown.NoPINPayment, shown.AllowedMCC, shown.BlockedMCC = v.Note, v.Attributes.NoPINPayment, v.Attributes.AllowedMCC, v.Attributes.BlockedMCC
	for _, l := range v.Attributes.Spending {
		shown.SpendingControl = append(shown.SpendingControl, Control{Interval: l.Interval, Amount: Amount(l.Amount)})
	}
	shown.Balance = &Balance{Amount: card.FormatMinor(v.Account.Balance, v.Account.Exponent), Currency: v.Account.Currency}
	if v.Account.Holder != nil {
		shown.HolderID = v.Holder.String()
	}
	if t.Mode == card.SharedMoney {
		source, err := s.plant.Store.LedgerAccountByNumber(ctx, c.Institution.ID, *v.Account.Source)
		if err != nil {
			return shown, err
		}
		shown.AccountID = source.ID.String()
	}
	return shown, nil
}

type info struct {
	OnCard
	Simple bool `json:"onlySimpleInfo,omitempty"`
}

func (s *service) cardInfo(ctx context.Context, c *api.Call, body info) (api.Reply, error) {
	v, err := s.find(ctx, c, body.OnCard)
	if err != nil {
		return api.Reply{}, err
	}
	shown, err := s.show(ctx, c, &v, body.Simple)
	return done(shown), err
}

func (s *service) find(ctx context.Context, c *api.Call, on OnCard) (prepaid.Card, error) {
	token, err := on.token()
	if err != nil {
		return prepaid.Card{}, err
	}
	return s.prepaid.Find(ctx, c.Institution, token)
}

func (s *service) listCards(ctx context.Context, c *api.Call, body Paged) (api.Reply, error) {
	page, err := pageOf(body, func(before int64, limit int) ([]prepaid.Card, error) {
		return s.prepaid.Cards(ctx, c.Institution, before, limit)
	},
		func(v prepaid.Card) int64 { return v.Account.Number }, func(v prepaid.Card) (Card, error) { return s.show(ctx, c, &v, false) })
	return done(page), err
}

type history struct {
	Paged
	OnCard
}

// listOperations lists what was done to a card, or with everything where no card is named.
func (s *service) listOperations(ctx context.Context, c *api.Call, body history) (api.Reply, error) {
	list := func(before int64, limit int) ([]store.Operation, error) {
		return s.plant.Store.Operations(ctx, c.Institution.ID, before, limit)
	}
	if body.OnCard != (OnCard{}) {
		v, err := s.find(ctx, c, body.OnCard)
		if err != nil {
			return api.Reply{}, err
		}
		list = func(before int64, limit int) ([]store.Operation, error) {
			return s.prepaid.Operations(ctx, c.Institution, v, before, limit)
		}
	}
	page, err := pageOf(body.Paged, list, func(o store.Operation) int64 { return o.Number }, func(o store.Operation) (Order, error) {
		token, err := s.tokenOf(ctx, c, o)
		return orderOf(o, token), err
	})
	return done(page), err
}

// Sensitive is what a client may know of a card: each value encrypted to its key, or nothing but where a gift card is redeemed, or nothing but a masked number before activation.
type Sensitive struct {
	CardNumber  string `json:"cardNumber,omitempty"`
	CVV         string `json:"cvv,omitempty"`
	ExpireDate  string `json:"expireDate,omitempty"` // MM/YYYY
	ActivateURL string `json:"activateUrl,omitempty"`
	Masked      string `json:"maskedCardNumber,omitempty"`
}

func (s *service) sensitive(ctx context.Context, c *api.Call, body OnCard) (api.Reply, error) {
	token, err := body.token()
	if err != nil {
		return api.Reply{}, err
	}
	v, err := s.prepaid.Reveal(ctx, cards.Act{Institution: c.Institution, Card: token, Actor: c.Actor}, Zone)
	return done(Sensitive{CardNumber: v.Number, CVV: v.CVV2, ExpireDate: v.Expiry, ActivateURL: v.RedeemAt, Masked: v.Masked}), err
}
