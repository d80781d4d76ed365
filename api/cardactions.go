package api

import (
	"cmp"
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"platen/services/actions"
)

// CardActionInput asks for a card action.
type CardActionInput struct {
	CardInput
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"64" doc:"Stands in for a missing reference"`
	Body           struct {
		Action     int    `json:"action" minimum:"0" maximum:"9" doc:"0 take back what waits, 1 first plastic, 2 additional card, 3 replacement, 4 plastics given back, 5 PIN mailer, 6 emergency replacement, 7 reissue at expiry; 8 and 9 are the system's own"`
		Requested  int    `json:"requested,omitempty" minimum:"0" maximum:"99" doc:"Plastics that are asked for"`
		Returned   int    `json:"returned,omitempty" minimum:"0" maximum:"99" doc:"Plastics that were given back"`
		NewPIN     bool   `json:"new_pin,omitempty" doc:"Of action 5: a new PIN, not the one that the card has"`
		SameDay    bool   `json:"same_day,omitempty" doc:"Of actions 1, 3 and 6: by the same-day cycle"`
		ReasonCode string `json:"reason_code,omitempty" maxLength:"1" doc:"A letter of the institution's action_reasons"`
		EmbossName string `json:"emboss_name,omitempty" maxLength:"200" doc:"What the next issue shows"`
		Reference  string `json:"reference,omitempty" maxLength:"64" doc:"Of the order that it becomes, unique for ever"`
	}
}

// CardAction is what came of a card action.
type CardAction struct {
	Action      int               `json:"action"`
	Reason      string            `json:"reason,omitempty" doc:"Why what it asks for is made"`
	Order       string            `json:"order,omitempty" doc:"Reference of the order that the next cycle makes it by"`
	Outstanding int               `json:"outstanding" doc:"Plastics of the card that are out, and were not given back"`
	Links       map[string]string `json:"links,omitempty"`
}

func (s *service) routeCardActions(api huma.API) {
	op := change("act-on-card", http.MethodPost, cardPath+"/{token}/actions", "cards", "Carry out a card action by its code", http.StatusOK)
	op.Description = "The codes and rules of card systems about plastics that are asked for, given back and outstanding. What makes a plastic becomes an order; the same reference with the same content answers the first result."
	read(s, api, op, s.actOnCard)
}

func (s *service) actOnCard(ctx context.Context, c caller, in *CardActionInput) (CardAction, error) {
	b := &in.Body
	reference := cmp.Or(b.Reference, in.IdempotencyKey)
	if reference == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return CardAction{}, &internalError{err}
		}
		reference = "ACTION-" + id.String()
	}
	done, err := s.actions.Do(ctx, act(c, in.Token), actions.Request{Action: actions.Action(b.Action), Requested: b.Requested, Returned: b.Returned, NewPIN: b.NewPIN, SameDay: b.SameDay,
		Letter: b.ReasonCode, EmbossName: b.EmbossName, Reference: reference})
	if err != nil {
		return CardAction{}, err
	}
	v := CardAction{Action: b.Action, Outstanding: done.Outstanding}
	if done.Reason != 0 {
		v.Reason = done.Reason.String()
	}
	if done.Order != nil {
		v.Order, v.Links = done.Order.Reference, map[string]string{"order": submitPath + "/" + done.Order.ID.String()}
	}
	return v, nil
}
