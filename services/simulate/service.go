// Package simulate lets what becomes of a card happen at once, for the cards of an institution that is a sandbox: nothing waits for a bureau, and nobody has to do anything.
// Every step is taken by the functions that take it in earnest.
package simulate

import (
	"context"
	"errors"
	"fmt"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/services/cards"
	"platen/sql/store"
)

// Errors that a client decides on.
var (
	ErrNoSandbox = errors.New("the institution is no sandbox")
	ErrInFile    = errors.New("the card's plastic is in a file already")
)

// Failed is why a card was closed whose issuing failed: it stands in the card's events.
const Failed = "issuing failed"

// Service simulates on a plant.
type Service struct {
	Plant *batch.Plant
	Cards *cards.Service
}

// Issue lets the issuing of a card succeed: the card becomes active. A card that is active stays as it is. Its plastic, where it has one, is made all the same.
func (s *Service) Issue(ctx context.Context, a cards.Act) error {
	if err := s.sandbox(ctx, a.Institution); err != nil {
		return err
	}
	return s.Cards.Activate(ctx, a)
}

// Fail lets the issuing of a card fail: the card is closed, and its plastic is not made. A card whose issuing has failed stays as it is.
func (s *Service) Fail(ctx context.Context, a cards.Act) error {
	if err := s.sandbox(ctx, a.Institution); err != nil {
		return err
	}
	story, err := s.Plant.ExplainCard(ctx, a.Institution, a.Card)
	if err != nil || HasFailed(&story) {
		return err
	}
	if story.Card.Status != card.CardInactive || story.Card.NewestIssue != 1 {
		return fmt.Errorf("the card is %s: %w", story.Card.Status, cards.ErrStatus)
	}
	line, err := s.Plant.Store.LineOfCard(ctx, story.Card.ID)
	if err != nil {
		return err
	}
	if line.State == store.LineVirtual {
		return s.Cards.Close(ctx, a, card.Request, Failed)
	}
	w, err := s.Plant.CancelOrder(ctx, a.Institution, line.Order, Failed, a.Actor)
	if err == nil && w.Cancelled == 0 {
		err = ErrInFile
	}
	return err
}

// HasFailed tells whether the issuing of a card failed.
func HasFailed(story *batch.Story) bool {
	return story.Card.Status == card.CardClosed && story.Said("closed")["why"] == Failed
}

func (s *Service) sandbox(ctx context.Context, i store.Institution) error {
	declared, err := s.Plant.Settings(ctx, i)
	if err == nil && !declared.Sandbox {
		err = fmt.Errorf("simulate: %w", ErrNoSandbox)
	}
	return err
}

// Produce lets the bureau say that it made the card's newest issue. Its file must have reached the bureau.
func (s *Service) Produce(ctx context.Context, a cards.Act) error {
	return s.answer(ctx, a, formats.Status, card.IssueProduced)
}

// Ship lets the bureau say that the card's newest issue left it.
func (s *Service) Ship(ctx context.Context, a cards.Act) error {
	return s.answer(ctx, a, formats.Dispatch, card.IssueDispatched)
}

// Deliver lets the courier say that the card's newest issue arrived.
func (s *Service) Deliver(ctx context.Context, a cards.Act) error {
	return s.answer(ctx, a, formats.Delivery, card.IssueDelivered)
}

// Lose lets the courier say that the card's newest issue was lost on its way.
func (s *Service) Lose(ctx context.Context, a cards.Act) error {
	return s.answer(ctx, a, formats.Delivery, card.IssueLostInTransit)
}

// answer lets the bureau of a card's newest issue answer for its line.
func (s *Service) answer(ctx context.Context, a cards.Act, kind formats.Kind, state card.IssueState) error {
	if err := s.sandbox(ctx, a.Institution); err != nil {
		return err
	}
	story, err := s.Plant.ExplainCard(ctx, a.Institution, a.Card)
	if err != nil {
		return err
	}
	newest := story.Issues[len(story.Issues)-1]
	if newest.File == nil || newest.Line == nil || newest.File.SentAt == nil {
		return fmt.Errorf("its bureau has no file with it: %w", cards.ErrNotMade)
	}
	word, err := s.Plant.StatusWord(ctx, a.Institution, newest.File.BureauCode, state)
	if err != nil {
		return err
	}
	rec := new(formats.Record)
	rec.SetString(formats.ProductCode, story.Product)
	rec.SetString(formats.ReturnStatus, word)
	rec.SetInt(formats.ReturnAttempt, 1)
	shipment := "SIM-" + batch.RecordUID(newest.File.Number, *newest.Line)
	rec.SetString(formats.DispatchShipment, shipment)
	rec.SetString(formats.DispatchTracking, shipment)
	err = s.Plant.Pretend(ctx, a.Institution, *newest.File, *newest.Line, kind, rec)
	if errors.Is(err, batch.ErrNotAnswered) {
		err = fmt.Errorf("%w: %w", cards.ErrNotMade, err)
	}
	return err
}
