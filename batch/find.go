package batch

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"platen/card"
	"platen/hsm"
	"platen/sql/store"
)

// FindCard reads a card's public name: its token, or ORDER-REFERENCE#UNIT, the card that unit of that order became. Another institution's card
// is not found.
func (p *Plant) FindCard(ctx context.Context, i store.Institution, name string) (card.ID, error) {
	all, err := p.Store.Ranges(ctx)
	if err != nil {
		return 0, err
	}
	ranges := make(map[int32]store.PANRange)
	for _, r := range all {
		if r.Institution == i.ID {
			ranges[r.Number] = r
		}
	}
	return p.findCard(ctx, i, ranges, name)
}

func (p *Plant) findCard(ctx context.Context, i store.Institution, ranges map[int32]store.PANRange, name string) (card.ID, error) {
	if reference, unit, ok := strings.Cut(name, "#"); ok {
		return p.cardOfUnit(ctx, i, reference, unit)
	}
	id, err := p.Vault.OpenToken(name, p.TokenKey)
	if err != nil {
		return 0, fmt.Errorf("card token: %w", store.ErrNotFound)
	}
	r, ok := ranges[id.Range()]
	if !ok || id.Sequence() >= r.Next {
		return 0, fmt.Errorf("card token: %w", store.ErrNotFound)
	}
	return id, nil
}

// cardOfUnit follows an order's unit through the slices that planned it.
func (p *Plant) cardOfUnit(ctx context.Context, i store.Institution, reference, text string) (card.ID, error) {
	missing := fmt.Errorf("card of an order: %w", store.ErrNotFound)
	unit, err := strconv.ParseInt(text, 10, 64)
	if err != nil || unit < 1 {
		return 0, missing
	}
	o, err := p.Store.OrderByReference(ctx, i.ID, reference)
	if err != nil {
		return 0, err
	}
	s, err := p.Store.SliceOf(ctx, o.Number, unit)
	switch {
	case errors.Is(err, store.ErrNotFound):
		l, err := p.Store.LineOf(ctx, o.Number, unit)
		if err == nil && l.Instant() {
			return *l.Card, nil
		}
		return 0, missing
	case err != nil:
		return 0, err
	case s.Kind == store.NewSlice:
		return card.NewID(s.Range, s.FirstSequence+unit-s.FirstUnit)
	}
	l, err := p.Store.LineOf(ctx, o.Number, unit)
	if err != nil {
		return 0, err
	}
	return *l.Card, nil
}

// Token is a card's public name.
func (p *Plant) Token(ctx context.Context, id card.ID) (string, error) {
	all, err := p.Store.Ranges(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range all {
		if r.Number == id.Range() {
			return p.Vault.Token(id, r.TokenKey)
		}
	}
	return "", fmt.Errorf("range of a card: %w", store.ErrNotFound)
}

// FindNumber finds the card of a number that is printed on it. Another institution's card is not found, nor is a number that was never given.
func (p *Plant) FindNumber(ctx context.Context, i store.Institution, number card.PAN) (card.ID, error) {
	all, err := p.Store.Ranges(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range all {
		if r.Institution != i.ID {
			continue
		}
		sequence, err := p.Vault.Sequence(r.Range, r.PermutationKey, number)
		if errors.Is(err, hsm.ErrNotInRange) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("card of a number: %w", err)
		}
		if sequence >= r.Next {
			break
		}
		return card.NewID(r.Number, sequence)
	}
	return 0, fmt.Errorf("card of a number: %w", store.ErrNotFound)
}
