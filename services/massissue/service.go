package massissue

import (
	"context"
	"errors"

	"platen/batch"
	"platen/services/records"
	"platen/sql/store"
)

// Service keeps the requests of a plant's institutions, and carries them out.
type Service struct{ Plant *batch.Plant }

func (s *Service) keeper() records.Keeper {
	return records.Keeper{Plant: s.Plant, Kind: store.MassIssueRecord}
}

// MassIssue is a request as it stands.
type MassIssue struct {
	store.Record
	Request
}

// Complete tells whether nothing of its current version is left to carry out.
func (m MassIssue) Complete() bool { return m.CarriedOut == m.Version }

func massIssueOf(r store.Record, err error) (MassIssue, error) {
	if err != nil {
		return MassIssue{Record: r}, err
	}
	v, err := records.Content[Request](r)
	return MassIssue{r, v}, err
}

// Add keeps a request that stands. It is safe to repeat: see the second result.
func (s *Service) Add(ctx context.Context, by records.By, r Request) (MassIssue, bool, error) {
	r.Status = Active
	if err := r.check(ctx, s.Plant, s.Plant.Store.Q, by.Institution); err != nil {
		return MassIssue{}, false, err
	}
	rec, repeated, err := s.keeper().Create(ctx, by, r.Reference(), r, func(*store.Tx, *store.Record) error { return nil })
	m, err := massIssueOf(rec, err)
	return m, repeated, err
}

// Change makes the next version of a request, which the next cut-off carries out: all of it, but for its key. version is the one that is changed; 0 = the current one. A version that
// is purged has nothing to carry out.
func (s *Service) Change(ctx context.Context, by records.By, reference string, version int, r Request) (MassIssue, error) {
	return s.change(ctx, by, reference, version, func(tx *store.Tx, was Request) (Request, error) {
		r.Key = was.Key
		return r, r.check(ctx, s.Plant, tx.Q, by.Institution)
	})
}

// Purge ends a request. One that has ended stays as it is.
func (s *Service) Purge(ctx context.Context, by records.By, reference string) (MassIssue, error) {
	return s.change(ctx, by, reference, 0, func(_ *store.Tx, was Request) (Request, error) {
		was.Status = Purged
		return was, nil
	})
}

func (s *Service) change(ctx context.Context, by records.By, reference string, version int, next func(*store.Tx, Request) (Request, error)) (MassIssue, error) {
	return massIssueOf(s.keeper().Change(ctx, by, reference, version, func(tx *store.Tx, r store.Record) (any, func(store.Record) error, error) {
		was, err := records.Content[Request](r)
		if err != nil {
			return nil, nil, err
		}
		v, err := next(tx, was)
		return v, func(r store.Record) error {
			if v.Status != Purged {
				return nil
			}
			return tx.MassIssueDone(ctx, r)
		}, err
	}))
}

// Find reads a request of an institution with what became of it; another's is store.ErrNotFound.
func (s *Service) Find(ctx context.Context, i store.Institution, reference string) (MassIssue, []Run, error) {
	m, err := massIssueOf(s.keeper().Find(ctx, i, reference))
	if err != nil {
		return m, nil, err
	}
	rows, err := s.Plant.Store.MassRuns(ctx, m.Number)
	if err != nil {
		return m, nil, err
	}
	runs := make([]Run, len(rows))
	for n, r := range rows {
		runs[n].MassRun = r
		if r.Order == nil {
			continue
		}
		if runs[n].Order, err = s.Plant.Store.OrderByNumber(ctx, i.ID, *r.Order); err != nil {
			return m, nil, err
		}
	}
	return m, runs, nil
}

// Run is what a cut-off made of a version of a request.
type Run struct {
	store.MassRun
	Order store.Order // that it ordered the cards by; the zero order where it ordered none
}

// List pages through an institution's requests, newest first, from those below number before (0 = from the newest).
func (s *Service) List(ctx context.Context, i store.Institution, before int64, limit int) ([]MassIssue, error) {
	rows, err := s.Plant.Store.Records(ctx, store.MassIssueRecord, i.ID, before, limit)
	list := make([]MassIssue, 0, len(rows))
	for _, r := range rows {
		m, bad := massIssueOf(r, nil)
		err = errors.Join(err, bad)
		list = append(list, m)
	}
	return list, err
}
