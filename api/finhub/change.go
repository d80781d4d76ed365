package finhub

import (
	"context"

	"platen/api"
	"platen/services/ledger"
	"platen/services/prepaid"
)

// OnCardAsked is something that is asked for of a card.
type OnCardAsked struct {
	OnCard
	Asked
}

// act is who does something to a card.
func (o OnCardAsked) act(c *api.Call) (prepaid.Act, error) {
	token, err := o.token()
	return prepaid.Act{Act: act(c, o.MerchantOrderNo), Card: token}, err
}

// changing is an operation that needs nothing but a card.
func (s *service) changing(do func(context.Context, prepaid.Act) (ledger.Done, error)) func(context.Context, *api.Call, OnCardAsked) (api.Reply, error) {
	return func(ctx context.Context, c *api.Call, body OnCardAsked) (api.Reply, error) {
		a, err := body.act(c)
		if err != nil {
			return api.Reply{}, err
		}
		d, err := do(ctx, a)
		return ordered(d, a.Card), err
	}
}

type move struct {
	OnCardAsked
	Amount   Amount `json:"amount"`
	Currency string `json:"currency,omitempty" maxLength:"3"`
	Remark   string `json:"remark,omitempty" maxLength:"50"`
}

// moving loads a card or takes from it; of a card that shares a pool that is its part of the pool.
func (s *service) moving(do func(context.Context, ledger.Act, string, ledger.Sum) (ledger.Done, error)) func(context.Context, *api.Call, move) (api.Reply, error) {
	return func(ctx context.Context, c *api.Call, body move) (api.Reply, error) {
		v, err := s.find(ctx, c, body.OnCard)
		if err != nil {
			return api.Reply{}, err
		}
		d, err := do(ctx, act(c, body.MerchantOrderNo), v.Token, ledger.Sum{Amount: string(body.Amount), Currency: body.Currency, Remark: body.Remark})
		return ordered(d, v.Token), err
	}
}

type activation struct {
	OnCardAsked
	PIN            PINDigits  `json:"pin"`
	ActiveCode     ActiveCode `json:"activeCode,omitzero"`
	ActivationCode ActiveCode `json:"activationCode,omitzero"` // the same, in another of the service's documents
	NoPINPayment   *int       `json:"noPinPaymentAmount,omitempty" minimum:"0" maximum:"2000"`
}

func (s *service) activate(ctx context.Context, c *api.Call, body activation) (api.Reply, error) {
	a, err := body.act(c)
	if err != nil {
		return api.Reply{}, err
	}
	defer body.PIN.Wipe()
	code := body.ActiveCode
	switch given := !body.ActiveCode.IsZero(); {
	case given && !body.ActivationCode.IsZero():
		return api.Reply{}, invalid("activeCode", "is there twice")
	case !given && body.ActivationCode.IsZero():
		return api.Reply{}, invalid("activeCode", "is needed")
	case !given:
		code = body.ActivationCode
	}
	if body.NoPINPayment == nil {
		body.NoPINPayment = new(noPINDefault)
	}
	d, err := s.prepaid.Activate(ctx, a, prepaid.Activation{Code: code.Secret, PIN: body.PIN.Secret, NoPINPayment: body.NoPINPayment})
	return ordered(d, a.Card), err
}

type pinChange struct {
	OnCardAsked
	PIN PINDigits `json:"pin"`
}

func (s *service) updatePIN(ctx context.Context, c *api.Call, body pinChange) (api.Reply, error) {
	defer body.PIN.Wipe()
	a, err := body.act(c)
	if err != nil {
		return api.Reply{}, err
	}
	d, err := s.prepaid.ChangePIN(ctx, a, body.PIN.Secret)
	return ordered(d, a.Card), err
}

// Control bounds what is spent with a card in an interval.
type Control struct {
	Interval string `json:"interval" enum:"PER_TRANSACTION,DAILY,WEEKLY,MONTHLY,YEARLY,LIFETIME"`
	Amount   Amount `json:"amount"`
}

// intervals are those of Control.
func intervals() []string {
	return []string{"PER_TRANSACTION", "DAILY", "WEEKLY", "MONTHLY", "YEARLY", "LIFETIME"}
}

type attributes struct {
	OnCardAsked
	NoPINPayment *int      `json:"noPinPaymentAmount,omitempty" minimum:"0" maximum:"2000"`
	Spending     []Control `json:"spendingControls,omitempty" maxItems:"6"`
	AllowedMCC   []string  `json:"allowedMcc,omitempty" maxItems:"100" pattern:"^[0-9]{4}$"`
	BlockedMCC   []string  `json:"blockedMcc,omitempty" maxItems:"100" pattern:"^[0-9]{4}$"`
}

func (s *service) updateAttribute(ctx context.Context, c *api.Call, body attributes) (api.Reply, error) {
	a, err := body.act(c)
	if err != nil {
		return api.Reply{}, err
	}
	n := prepaid.Attributes{NoPINPayment: body.NoPINPayment, AllowedMCC: body.AllowedMCC, BlockedMCC: body.BlockedMCC}
	for _, l := range body.Spending {
		n.Spending = append(n.Spending, prepaid.Limit{Interval: l.Interval, Amount: string(l.Amount)})
	}
	d, err := s.prepaid.ChangeAttributes(ctx, a, n)
	return ordered(d, a.Card), err
}

type note struct {
	OnCard
	Note string `json:"note" maxLength:"50"`
}

func (s *service) note(ctx context.Context, c *api.Call, body note) (api.Reply, error) {
	token, err := body.token()
	if err != nil {
		return api.Reply{}, err
	}
	return done(map[string]string{"cardNo": token, "note": body.Note}), s.prepaid.Note(ctx, c.Institution, c.Actor, token, body.Note)
}

// invalid says what is wrong with a member of the body.
func invalid(member, message string) error { return api.Invalid("body."+member, message) }
