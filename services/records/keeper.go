// Package records keeps what institutions declare over the API by names of their own: once for each name, whatever is sent again, and in versions, all of which are kept. What a
// record holds, and what it means, is told by whoever keeps it here.
package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"platen/batch"
	"platen/sql/store"
)

// Errors that a client decides on.
var (
	ErrReference = errors.New("a reference is 1 to 64 letters, digits, dots, dashes or underscores")
	ErrTaken     = errors.New("this reference was used for other content")
	ErrMoved     = errors.New("the record has another version by now")
)

// Keeper keeps the records of one kind.
type Keeper struct {
	Plant *batch.Plant
	Kind  store.RecordKind
}

// By is who declares something, and of which institution.
type By struct {
	Institution store.Institution
	Actor       string
}

// maxReference is how many characters a reference has at most.
const maxReference = 64

// CheckReference fails with ErrReference.
func CheckReference(text string) error {
	if text == "" || len(text) > maxReference || batch.ReferenceHoldsCardNumber(text) {
		return ErrReference
	}
	for _, c := range []byte(text) {
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c == '.', c == '-', c == '_':
		default:
			return ErrReference
		}
	}
	return nil
}

// Create stores the first version of a record; fill completes it in its transaction. The same reference with the same content finds what it made, and repeated is true; with other content it fails with ErrTaken.
func (k Keeper) Create(ctx context.Context, by By, reference string, content any, fill func(*store.Tx, *store.Record) error) (r store.Record, repeated bool, err error) {
	first, err := k.first(by, reference, content)
	if err != nil {
		return first, false, err
	}
	err = k.Plant.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		r, err = k.insert(ctx, tx, first, fill)
		return err
	})
	if !errors.Is(err, store.ErrConflict) {
		return r, false, err
	}
	known, err := k.Plant.Store.RecordNamed(ctx, k.Kind, by.Institution.ID, reference)
	if err != nil {
		return known, true, err
	}
	original, err := k.Plant.Store.RecordVersion(ctx, k.Kind, known.Number, 1)
	if err == nil && original != first.Body {
		err = ErrTaken
	}
	return known, true, err
}

// CreateIn is Create in a transaction of the caller's, which a reference that was used fails with ErrTaken.
func (k Keeper) CreateIn(ctx context.Context, tx *store.Tx, by By, reference string, content any, fill func(*store.Tx, *store.Record) error) error {
	first, err := k.first(by, reference, content)
	if err != nil {
		return err
	}
	_, err = k.insert(ctx, tx, first, fill)
	if errors.Is(err, store.ErrConflict) {
		err = ErrTaken
	}
	return err
}

// first is a record's first version, before it is stored.
func (k Keeper) first(by By, reference string, content any) (store.Record, error) {
	if err := CheckReference(reference); err != nil {
		return store.Record{}, err
	}
	body, err := json.Marshal(content)
	if err != nil {
		return store.Record{}, fmt.Errorf("keep %s %s: %w", k.Kind, reference, err)
	}
	id, err := k.Plant.NewID(string(k.Kind), by.Institution.Code, reference)
	return store.Record{ID: id, Institution: by.Institution.ID, Reference: reference, Body: string(body), RecordedBy: by.Actor, RecordedAt: k.Plant.Now()}, err
}

func (k Keeper) insert(ctx context.Context, tx *store.Tx, r store.Record, fill func(*store.Tx, *store.Record) error) (store.Record, error) {
	if err := fill(tx, &r); err != nil {
		return r, err
	}
	r, err := tx.InsertRecord(ctx, k.Kind, r)
	if err != nil {
		return r, err
	}
	return r, tx.Record(ctx, r.Institution, string(k.Kind), r.Number, "created", map[string]any{"by": r.RecordedBy}, r.RecordedAt)
}

// Change stores the next version of a record, whose content next makes in its transaction, with what else is done when it is stored. Content that is the current one makes none. version is the one that is changed, and 0 whichever is current: ErrMoved when
// another is.
func (k Keeper) Change(ctx context.Context, by By, reference string, version int, next func(*store.Tx, store.Record) (content any, also func(store.Record) error, err error)) (store.Record, error) {
	if CheckReference(reference) != nil {
		return store.Record{}, store.ErrNotFound
	}
	var r store.Record
	err := k.Plant.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		if r, err = tx.LockRecord(ctx, k.Kind, by.Institution.ID, reference); err != nil {
			return err
		}
		content, also, err := next(tx, r)
		if err != nil {
			return err
		}
		body, err := json.Marshal(content)
		if err != nil {
			return fmt.Errorf("keep %s %s: %w", k.Kind, reference, err)
		}
		if r.Body == string(body) {
			return nil
		}
		if version != 0 && version != r.Version {
			return ErrMoved
		}
		now := k.Plant.Now()
		r.Version, r.Body, r.RecordedBy, r.RecordedAt = r.Version+1, string(body), by.Actor, now
		if err := tx.PutVersion(ctx, k.Kind, r); err != nil {
			return err
		}
		if also != nil {
			if err := also(r); err != nil {
				return err
			}
		}
		return tx.Record(ctx, by.Institution.ID, string(k.Kind), r.Number, "changed", map[string]any{"by": by.Actor, "version": r.Version}, now)
	})
	return r, err
}

// Find reads a record; what cannot be a reference names none.
func (k Keeper) Find(ctx context.Context, i store.Institution, reference string) (store.Record, error) {
	if CheckReference(reference) != nil {
		return store.Record{}, store.ErrNotFound
	}
	return k.Plant.Store.RecordNamed(ctx, k.Kind, i.ID, reference)
}

// Content reads what a record holds.
func Content[T any](r store.Record) (T, error) {
	var v T
	if err := json.Unmarshal([]byte(r.Body), &v); err != nil {
		return v, fmt.Errorf("content of %s: %w", r.Reference, err)
	}
	return v, nil
}
