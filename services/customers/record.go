package customers

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
	ErrReference = errors.New("the reference of a customer or an account is 1 to 64 letters, digits, dots, dashes or underscores")
	ErrTaken     = errors.New("this reference was used for other content")
	ErrMoved     = errors.New("the record has another version by now")
	ErrCustomer  = errors.New("the institution declares no customer of this reference")
	ErrAccount   = errors.New("the institution declares no account of this reference")
)

// Service keeps the customers and accounts of a plant's institutions.
type Service struct{ Plant *batch.Plant }

// By is who declares something, and of which institution.
type By struct {
	Institution store.Institution
	Actor       string
}

// maxReference is how many characters a reference has at most.
const maxReference = 64

func checkReference(text string) error {
	if text == "" || len(text) > maxReference || batch.HoldsCardNumber(text) {
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

// create stores the first version of a record. The same reference with the same content finds what it made, and repeated is true; with other content it fails with ErrTaken.
func (s *Service) create(ctx context.Context, by By, k store.RecordKind, reference string, content any, owner func(*store.Tx) (int64, error)) (r store.Record, repeated bool, err error) {
	if err := checkReference(reference); err != nil {
		return r, false, err
	}
	body, err := json.Marshal(content)
	if err != nil {
		return r, false, fmt.Errorf("keep %s %s: %w", k, reference, err)
	}
	id, err := s.Plant.NewID(string(k), by.Institution.Code, reference)
	if err != nil {
		return r, false, err
	}
	now := s.Plant.Now()
	err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		r = store.Record{ID: id, Institution: by.Institution.ID, Reference: reference, Body: string(body), RecordedBy: by.Actor, RecordedAt: now}
		if r.Owner, err = owner(tx); err != nil {
			return err
		}
		if r, err = tx.InsertRecord(ctx, k, r); err != nil {
			return err
		}
		return tx.Record(ctx, by.Institution.ID, string(k), r.Number, "created", map[string]any{"by": by.Actor}, now)
	})
	if !errors.Is(err, store.ErrConflict) {
		return r, false, err
	}
	known, err := s.Plant.Store.RecordNamed(ctx, k, by.Institution.ID, reference)
	if err != nil {
		return known, true, err
	}
	first, err := s.Plant.Store.RecordVersion(ctx, k, known.Number, 1)
	if err == nil && first != string(body) {
		err = ErrTaken
	}
	return known, true, err
}

// change stores the next version of a record. Content that is the current one makes none. version is the one that is changed, and 0 whichever is current: ErrMoved when
// another is.
func (s *Service) change(ctx context.Context, by By, k store.RecordKind, reference string, version int, next func(*store.Tx, store.Record) (any, error)) (store.Record, error) {
	if checkReference(reference) != nil {
		return store.Record{}, store.ErrNotFound
	}
	var r store.Record
	err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		if r, err = tx.LockRecord(ctx, k, by.Institution.ID, reference); err != nil {
			return err
		}
		content, err := next(tx, r)
		if err != nil {
			return err
		}
		body, err := json.Marshal(content)
		if err != nil {
			return fmt.Errorf("keep %s %s: %w", k, reference, err)
		}
		if r.Body == string(body) {
			return nil
		}
		if version != 0 && version != r.Version {
			return ErrMoved
		}
		now := s.Plant.Now()
		r.Version, r.Body, r.RecordedBy, r.RecordedAt = r.Version+1, string(body), by.Actor, now
		if err := tx.PutVersion(ctx, k, r); err != nil {
			return err
		}
		return tx.Record(ctx, by.Institution.ID, string(k), r.Number, "changed", map[string]any{"by": by.Actor, "version": r.Version}, now)
	})
	return r, err
}

// find reads a record; what cannot be a reference names none.
func (s *Service) find(ctx context.Context, k store.RecordKind, i store.Institution, reference string) (store.Record, error) {
	if checkReference(reference) != nil {
		return store.Record{}, store.ErrNotFound
	}
	return s.Plant.Store.RecordNamed(ctx, k, i.ID, reference)
}

// content reads what a record holds.
func content[T any](r store.Record) (T, error) {
	var v T
	if err := json.Unmarshal([]byte(r.Body), &v); err != nil {
		return v, fmt.Errorf("content of %s: %w", r.Reference, err)
	}
	return v, nil
}
