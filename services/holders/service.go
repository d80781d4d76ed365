package holders

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"platen/batch"
	"platen/card"
	"platen/services/ledger"
	"platen/sql/store"
)

// Errors that a client decides on.
var (
	ErrNoHolder  = errors.New("the card type needs no holder")
	ErrModel     = errors.New("the card type has holders of another model")
	ErrDuplicate = errors.New("the card type has a holder of this address or document")
	ErrHandedIn  = errors.New("what was handed in changes only when it was rejected")
	ErrState     = errors.New("the state of the holder does not allow it")
)

// Service takes in and audits the holders of a plant's card types.
type Service struct{ Plant *batch.Plant }

// Holder is who was handed in, and how the audit stands.
type Holder struct {
	store.Holder
	Person
	CardType string // code of the product
}

// Submit hands in a holder of a card type. It is safe to repeat: see the second result.
func (s *Service) Submit(ctx context.Context, a ledger.Act, cardType string, model card.HolderModel, p Person) (Holder, bool, error) {
	if err := a.Check(); err != nil {
		return Holder{}, false, err
	}
	product, number, err := s.Plant.CardType(ctx, a.Institution, cardType)
	if err != nil {
		return Holder{}, false, err
	}
	body, err := json.Marshal(p)
	if err != nil {
		return Holder{}, false, fmt.Errorf("keep a holder: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", number, model, body))
	id, err := uuid.NewV7()
	if err != nil {
		return Holder{}, false, fmt.Errorf("make an id: %w", err)
	}
	now := s.Plant.Now()
	h := store.Holder{ID: id, Institution: a.Institution.ID, Reference: a.Reference, Fingerprint: sum[:], Product: number, Model: model, State: card.HolderWaiting,
		Email: strings.ToLower(p.Email), Document: p.document(model), Body: string(body), CreatedAt: now, ChangedAt: now}
	repeat := false
	err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		known, err := tx.HolderByReference(ctx, a.Institution.ID, a.Reference)
		if err == nil {
			h, repeat = known, true
			return sameAs(h, sum[:])
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := s.accepts(product, model, p); err != nil {
			return err
		}
		fresh, err := tx.InsertHolder(ctx, &h)
		if err != nil {
			return err
		}
		if !fresh { // somebody else has handed it in a moment ago
			repeat = true
			if h, err = tx.HolderByReference(ctx, a.Institution.ID, a.Reference); err != nil {
				return err
			}
			return sameAs(h, sum[:])
		}
		return s.record(ctx, tx, a, &h, nil)
	})
	if errors.Is(err, store.ErrConflict) {
		// The same request may have been carried out while this one waited for it.
		if known, again := s.Plant.Store.HolderByReference(ctx, a.Institution.ID, a.Reference); again == nil && sameAs(known, sum[:]) == nil {
			h, repeat, err = known, true, nil
		} else {
			err = ErrDuplicate
		}
	}
	if err != nil {
		return Holder{}, false, err
	}
	shown, err := s.show(ctx, a.Institution, h)
	return shown, repeat, err
}

func sameAs(h store.Holder, fingerprint []byte) error {
	if string(h.Fingerprint) != string(fingerprint) {
		return ledger.ErrReference
	}
	return nil
}

// accepts holds a person against a card type.
func (s *Service) accepts(product *card.Product, model card.HolderModel, p Person) error {
	switch product.Prepaid.Holder {
	case 0:
		return ErrNoHolder
	case model:
		return p.check(model, &product.Prepaid, s.Plant.Now())
	}
	return ErrModel
}

// Resubmit hands in again what was rejected. What is handed in already stays as it is.
func (s *Service) Resubmit(ctx context.Context, a ledger.Act, id uuid.UUID, p Person) (Holder, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return Holder{}, fmt.Errorf("keep a holder: %w", err)
	}
	h, err := s.change(ctx, a, id, card.HolderWaiting, nil, func(h *store.Holder, product *card.Product) error {
		if h.State != card.HolderRejected {
			if h.Body == string(body) {
				return errUnchanged
			}
			return ErrHandedIn
		}
		if err := p.check(h.Model, &product.Prepaid, s.Plant.Now()); err != nil {
			return err
		}
		h.Email, h.Document, h.Body, h.Reason = strings.ToLower(p.Email), p.document(h.Model), string(body), ""
		return nil
	})
	if errors.Is(err, store.ErrConflict) {
		err = ErrDuplicate
	}
	return h, err
}

// errUnchanged ends a change that has nothing to do.
var errUnchanged = errors.New("nothing to do")

// Review begins the audit of a holder.
func (s *Service) Review(ctx context.Context, a ledger.Act, id uuid.UUID) (Holder, error) {
	return s.decide(ctx, a, id, card.HolderReviewed, "")
}

// Pass ends the audit of a holder well.
func (s *Service) Pass(ctx context.Context, a ledger.Act, id uuid.UUID) (Holder, error) {
	return s.decide(ctx, a, id, card.HolderPassed, "")
}

// Reject ends the audit of a holder, for a reason that the client is told.
func (s *Service) Reject(ctx context.Context, a ledger.Act, id uuid.UUID, reason string) (Holder, error) {
	if err := batch.CheckReason(reason); err != nil {
		return Holder{}, err
	}
	return s.decide(ctx, a, id, card.HolderRejected, reason)
}

// decide takes a holder to a state; one that is there stays as it is.
func (s *Service) decide(ctx context.Context, a ledger.Act, id uuid.UUID, next card.HolderState, reason string) (Holder, error) {
	data := map[string]any{}
	if reason != "" {
		data["reason"] = reason
	}
	return s.change(ctx, a, id, next, data, func(h *store.Holder, _ *card.Product) error {
		if h.State == next {
			return errUnchanged
		}
		if h.State.To(next) != nil {
			return fmt.Errorf("the holder is %s: %w", h.State, ErrState)
		}
		h.Reason = reason
		return nil
	})
}

// change locks a holder and takes it to a state, in one transaction with its event.
func (s *Service) change(ctx context.Context, a ledger.Act, id uuid.UUID, next card.HolderState, data map[string]any, do func(*store.Holder, *card.Product) error) (Holder, error) {
	var h store.Holder
	err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		var err error
		if h, err = tx.LockHolder(ctx, a.Institution.ID, id); err != nil {
			return err
		}
		if h.PurgedAt != nil {
			return fmt.Errorf("the holder is purged: %w", ErrState)
		}
		product, err := s.Plant.ProductByNumber(ctx, tx.Q, a.Institution, h.Product)
		if err != nil {
			return err
		}
		if err := do(&h, product); err != nil {
			return err
		}
		h.ChangedAt = s.Plant.Now()
		if err := tx.MoveHolder(ctx, &h, next); err != nil {
			return err
		}
		return s.record(ctx, tx, a, &h, data)
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return Holder{}, err
	}
	return s.show(ctx, a.Institution, h)
}

func (s *Service) record(ctx context.Context, tx *store.Tx, a ledger.Act, h *store.Holder, data map[string]any) error {
	if data == nil {
		data = map[string]any{}
	}
	data["by"] = a.Actor
	return tx.Record(ctx, a.Institution.ID, "holder", h.Number, h.State.String(), data, h.ChangedAt)
}

// Holder shows one holder of an institution; another's is store.ErrNotFound.
func (s *Service) Holder(ctx context.Context, i store.Institution, id uuid.UUID) (Holder, error) {
	h, err := s.Plant.Store.Holder(ctx, i.ID, id)
	if err != nil {
		return Holder{}, err
	}
	return s.show(ctx, i, h)
}

// Holders shows an institution's holders, newest first, before a number when it is not 0.
func (s *Service) Holders(ctx context.Context, i store.Institution, before int64, limit int) ([]Holder, error) {
	rows, err := s.Plant.Store.Holders(ctx, i.ID, before, limit)
	if err != nil {
		return nil, err
	}
	all := make([]Holder, len(rows))
	for n, row := range rows {
		if all[n], err = s.show(ctx, i, row); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s *Service) show(ctx context.Context, i store.Institution, row store.Holder) (Holder, error) {
	h := Holder{Holder: row}
	if err := json.Unmarshal([]byte(row.Body), &h.Person); err != nil {
		return Holder{}, fmt.Errorf("holder %s cannot be read", row.ID)
	}
	product, err := s.Plant.ProductByNumber(ctx, s.Plant.Store.Q, i, row.Product)
	if err != nil {
		return Holder{}, err
	}
	h.CardType = product.Code
	return h, nil
}
