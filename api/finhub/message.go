package finhub

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"platen/batch"
	"platen/card"
	"platen/delivery/webhook"
	"platen/services/prepaid"
	"platen/services/webhooks"
	"platen/sql/store"
)

// Messages is how subscribers are told what happened: the webhooks of the service.
type Messages struct {
	plant   *batch.Plant
	prepaid *prepaid.Service
}

var _ webhooks.Form = (*Messages)(nil)

// NewMessages makes the form over a plant; label is the key that codes are sealed under.
func NewMessages(plant *batch.Plant, label card.KeyLabel) *Messages {
	return &Messages{plant: plant, prepaid: prepaid.New(plant, label)}
}

// Objects implements webhooks.Form.
func (m *Messages) Objects() []string { return []string{"operation", "holder", "card"} }

// The headers of a message.
const (
	signatureHeader = "X-Fc-Signature"
	categoryHeader  = "X-Fc-Category"
	requestHeader   = "X-Fc-Request-Id"
)

// Header implements webhooks.Form.
func (m *Messages) Header() string { return signatureHeader }

// The categories of messages.
const (
	cardTransaction    = "card_transaction"
	accountTransaction = "account_transaction"
	cardHolder         = "card_holder"
	cardChange         = "card"
	cardCode           = "card_3ds" // where the service has activation codes
)

// Head is what every message begins with. An order, a holder, or what happened to a card follows.
type Head struct {
	Category string `json:"category"`
	TenantID string `json:"tenantId"`
	Time     int64  `json:"time"` // milliseconds since 1970
}

// ToldHolder is how the audit of a holder went.
type ToldHolder struct {
	HolderID        string `json:"holderId"`
	MerchantOrderNo string `json:"merchantOrderNo"`
	Status          string `json:"status"`
	Reason          string `json:"rejectReason,omitempty"`
}

// ToldCard is what happened to a card.
type ToldCard struct {
	CardNo     string `json:"cardNo"`
	Type       string `json:"type"`                 // of the event
	ActiveCode string `json:"activeCode,omitempty"` // what the card is activated with
}

// Render implements webhooks.Form.
func (m *Messages) Render(ctx context.Context, i store.Institution, told store.Message) (webhook.Message, error) {
	head := Head{TenantID: i.Code, Time: millis(told.HappenedAt)}
	var v any
	var err error
	switch told.ObjectKind {
	case "operation":
		v, err = m.operation(ctx, i, told, &head)
	case "holder":
		v, err = m.holder(ctx, i, told, &head)
	case "card":
		v, err = m.card(ctx, i, told, &head)
	default:
		err = fmt.Errorf("messages of this form know no %s", told.ObjectKind)
	}
	if err != nil {
		return webhook.Message{}, err
	}
	body, err := json.Marshal(v)
	if err != nil {
		return webhook.Message{}, fmt.Errorf("write a message: %w", err)
	}
	id := webhooks.MessageID(told)
	return webhook.Message{ID: id, Body: body, Header: http.Header{categoryHeader: {head.Category}, requestHeader: {id}}, Confirms: confirms}, nil
}

// operation tells how an operation ended.
func (m *Messages) operation(ctx context.Context, i store.Institution, told store.Message, head *Head) (any, error) {
	o, err := m.plant.Store.OperationByNumber(ctx, i.ID, told.Object)
	if err != nil {
		return nil, err
	}
	token := ""
	head.Category = accountTransaction
	if o.CardAccount != nil {
		head.Category = cardTransaction
		if token, err = tokenOf(ctx, m.plant, i, *o.CardAccount); err != nil {
			return nil, err
		}
	}
	return struct {
		Head
		Order
	}{*head, orderOf(o, token)}, nil
}

// holder tells how the audit of a holder goes.
func (m *Messages) holder(ctx context.Context, i store.Institution, told store.Message, head *Head) (any, error) {
	h, err := m.plant.Store.HolderByNumber(ctx, i.ID, told.Object)
	if err != nil {
		return nil, err
	}
	head.Category = cardHolder
	v := ToldHolder{HolderID: h.ID.String(), MerchantOrderNo: h.Reference, Status: strings.ToLower(told.Kind)}
	if told.Kind == card.HolderRejected.String() {
		v.Reason = h.Reason
	}
	return struct {
		Head
		ToldHolder
	}{*head, v}, nil
}

// card tells what happened to a card, and with which code it is activated while it awaits that.
func (m *Messages) card(ctx context.Context, i store.Institution, told store.Message, head *Head) (any, error) {
	token, err := m.plant.Token(ctx, card.ID(told.Object))
	if err != nil {
		return nil, err
	}
	head.Category = cardChange
	v := ToldCard{CardNo: token, Type: told.Kind}
	if told.Kind == prepaid.CodeEvent {
		head.Category = cardCode
		if v.ActiveCode, err = m.code(ctx, i, token); err != nil {
			return nil, err
		}
	}
	return struct {
		Head
		ToldCard
	}{*head, v}, nil
}

// code is what a card is activated with: the one place where it is written in the clear, on its way to who subscribed to it.
func (m *Messages) code(ctx context.Context, i store.Institution, token string) (string, error) {
	c, err := m.prepaid.Find(ctx, i, token)
	if err != nil {
		return "", err
	}
	code, err := m.prepaid.Code(c)
	if err != nil {
		return "", err
	}
	defer code.Wipe()
	return string(code.Reveal()), nil
}

// confirms tells whether an answer takes a message: {"success": true}.
func confirms(answer []byte) bool {
	var said struct{ Success bool }
	return json.Unmarshal(answer, &said) == nil && said.Success
}

// tokenOf is the token of the card of an account.
func tokenOf(ctx context.Context, plant *batch.Plant, i store.Institution, number int64) (string, error) {
	account, err := plant.Store.LedgerAccountByNumber(ctx, i.ID, number)
	if err != nil {
		return "", err
	}
	return plant.Token(ctx, *account.Card)
}
