package cards

import (
	"context"

	"platen/batch"
	"platen/card"
)

// deactivated is why a card is stopped that is only out of use: Reactivate lets it go on, and no card that was blocked for anything else.
const deactivated = "deactivated"

// Deactivate takes a card out of use until it is put into use again. A blocked card stays as it is.
func (s *Service) Deactivate(ctx context.Context, a Act) error { return s.Block(ctx, a, deactivated) }

// IsDeactivated tells whether a card is out of use by Deactivate.
func IsDeactivated(story *batch.Story) bool {
	return story.Card.Status == card.CardBlocked && story.Said("blocked")["reason"] == deactivated
}

// Reactivate is Activate, also of a card that was deactivated.
func (s *Service) Reactivate(ctx context.Context, a Act) error {
	story, err := s.Plant.ExplainCard(ctx, a.Institution, a.Card)
	if err != nil {
		return err
	}
	if IsDeactivated(&story) {
		if err := s.Unblock(ctx, a, "activated"); err != nil {
			return err
		}
	}
	return s.Activate(ctx, a)
}

// DeactivatePrior takes the card whose place a card took out of use; one that has ended, or was stopped, stays as it is. It tells whether there is one.
func (s *Service) DeactivatePrior(ctx context.Context, a Act) (bool, error) {
	story, err := s.Plant.ExplainCard(ctx, a.Institution, a.Card)
	if err != nil || story.Replaces == "" {
		return false, err
	}
	prior, err := s.Plant.ExplainCard(ctx, a.Institution, story.Replaces)
	if err != nil || prior.Card.Status == card.CardClosed || prior.Card.Status == card.CardExpired {
		return true, err
	}
	a.Card = prior.Token
	return true, s.Deactivate(ctx, a)
}
