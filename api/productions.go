package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/batch"
)

func (s *service) routeProductions(api huma.API) {
	const all = cardPath + "/{token}/productions"
	read(s, api, operation("list-productions", all, "cards", "What was made of a card and is to be made, oldest first"), s.listProductions)
	op := change("cancel-production", http.MethodPost, all+"/{production}/cancel", "cards", "Take back what stands in no file for good", http.StatusOK)
	op.Description = "The card stays as it is. What a file holds is made: the answer names the file. A card action that was ordered together with others is cancelled by its order."
	read(s, api, op, s.cancelProduction)
}

// Productions is what was made of a card and is to be made.
type Productions struct {
	Items []Production `json:"items" nullable:"false"`
}

// Production is one plastic or PIN mailer of a card, made or to be made.
type Production struct {
	ID             string     `json:"id" doc:"Number of the issue; of a PIN mailer, with the attempt behind a point; next for what an open card action asks for"`
	Kind           string     `json:"kind" enum:"CARD,PIN_MAILER"`
	Issue          int        `json:"issue,omitempty" doc:"Missing as long as it is not made"`
	Reason         string     `json:"reason"`
	Order          string     `json:"order" doc:"The client's reference"`
	Status         string     `json:"status" doc:"AWAITING_PIN, AWAITING_FILE, IN_FILE, SENT_TO_BUREAU, REFUSED, NO_PLASTIC or CANCELLED; once its bureau has said something of it, ACCEPTED, IN_PRODUCTION, PRODUCED and so on"`
	OrderedAt      time.Time  `json:"ordered_at"`
	File           *FileLine  `json:"file,omitempty"`
	SealedAt       *time.Time `json:"sealed_at,omitempty" doc:"When its file was ready"`
	SentAt         *time.Time `json:"sent_at,omitempty" doc:"When its bureau got the file"`
	AcknowledgedAt *time.Time `json:"acknowledged_at,omitempty" doc:"When its bureau said so"`
	Evidence       []Evidence `json:"evidence" nullable:"false"`
}

// ProductionInput names a production of a card and says why it is taken back.
type ProductionInput struct {
	CardInput
	Production string `path:"production" maxLength:"16" doc:"The production's id"`
	Body       Because
}

func (s *service) listProductions(ctx context.Context, c caller, in *CardInput) (Productions, error) {
	all, err := s.Plant.Productions(ctx, c.institution, in.Token)
	if err != nil {
		return Productions{}, err
	}
	v := Productions{Items: make([]Production, 0, len(all))}
	for i := range all {
		v.Items = append(v.Items, showProduction(&all[i]))
	}
	return v, nil
}

func showProduction(p *batch.Production) Production {
	v := Production{ID: p.ID, Kind: p.Kind, Issue: p.Issue, Reason: p.Reason.String(), Order: p.Order, Status: p.Status, OrderedAt: p.OrderedAt.UTC(),
		File: showFileLine(p.File, p.Line), Evidence: showEvidence(p.Said)}
	if p.File != nil {
		v.SealedAt, v.SentAt, v.AcknowledgedAt = inUTC(p.File.SealedAt), inUTC(p.File.SentAt), inUTC(p.File.AcknowledgedAt)
	}
	return v
}

func (s *service) cancelProduction(ctx context.Context, c caller, in *ProductionInput) (Productions, error) {
	err := s.Plant.CancelProduction(ctx, c.institution, in.Token, in.Production, in.Body.Reason, c.actor())
	if held := new(batch.InFileError); errors.As(err, &held) {
		return Productions{}, problem(http.StatusConflict, "in_file", fmt.Sprintf("it is in file %d and is made", held.File))
	}
	if err != nil {
		return Productions{}, err
	}
	return s.listProductions(ctx, c, &in.CardInput)
}
