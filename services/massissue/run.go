package massissue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"platen/batch"
	"platen/card"
	"platen/formats"
	"platen/programs"
	"platen/sql/store"
)

// RunDue orders the cards of every request whose current version waits for a cut-off of its product's bureau, before the batch of that cut-off is planned. Each version is carried out
// once, whatever dies and however many run it: that it is, is written in the transaction that makes its order stand. A batch of a same-day cycle, and one that is planned, carries out
// none.
func (s *Service) RunDue(ctx context.Context, number int64) error {
	b, err := s.Plant.Store.BatchByNumber(ctx, number)
	if err != nil || b.State != card.BatchOpen {
		return err
	}
	var cycle programs.Schedule
	if err := json.Unmarshal([]byte(b.ScheduleBody), &cycle); err != nil {
		return fmt.Errorf("schedule of batch %d: %w", number, err)
	}
	if cycle.SameDay {
		return nil
	}
	pending, err := s.Plant.Store.PendingMassIssues(ctx, b.Institution)
	if err != nil || len(pending) == 0 {
		return err
	}
	i, err := s.Plant.Store.InstitutionByID(ctx, b.Institution)
	if err != nil {
		return err
	}
	for _, r := range pending {
		m, err := massIssueOf(r, nil)
		if err != nil {
			return err
		}
		product, err := s.Plant.Product(ctx, i, m.Product)
		if err != nil {
			return err
		}
		if slices.Contains(cycle.Bureaus, product.Bureau) {
			if err := s.carryOut(ctx, i, b, m); err != nil {
				return fmt.Errorf("mass issue %s: %w", m.Reference, err)
			}
		}
	}
	return nil
}

// orderReference names the order of a version: no other order has this name.
func orderReference(m MassIssue, businessDate string) string {
	return fmt.Sprintf("MASS-ISSUE-%d.%d-%s", m.Number, m.Version, businessDate)
}

func (s *Service) carryOut(ctx context.Context, i store.Institution, b store.Batch, m MassIssue) error {
	run := store.MassRun{MassIssue: m.Number, Version: m.Version, BusinessDate: b.BusinessDate, RunAt: s.Plant.Now()}
	if run.Cards, run.WhyNot = m.Wanted(); run.Cards == 0 {
		return s.ended(ctx, m, run)
	}
	row := m.row(run.Cards)
	_, err := s.Plant.Submit(ctx, batch.Submission{
		Institution: i, Reference: orderReference(m, b.BusinessDate), Actor: m.RecordedBy, Body: strings.NewReader(m.Body), Single: true, BlockCode: m.BlockCode,
		Rows: func(io.Reader) (batch.Rows, error) { return batch.OneRow(formats.MassOrder, row), nil },
		Also: func(ctx context.Context, tx *store.Tx, o store.Order) error {
			run.Order = &o.Number
			return s.done(ctx, tx, m, run, map[string]any{"cards": run.Cards, "order": o.ID.String()})
		},
	})
	refused := new(batch.RowError)
	switch {
	case errors.As(err, &refused):
		run.Cards, run.WhyNot = 0, refused.Error()
		return s.ended(ctx, m, run)
	case errors.Is(err, batch.ErrReference):
		run.Cards, run.WhyNot = 0, "the institution used the order's name for another"
		return s.ended(ctx, m, run)
	case errors.Is(err, store.ErrStale):
		return nil // somebody else carried it out, or changed it: the next cut-off sees
	}
	return err
}

// ended keeps that a version makes no cards.
func (s *Service) ended(ctx context.Context, m MassIssue, run store.MassRun) error {
	err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) error {
		return s.done(ctx, tx, m, run, map[string]any{"cards": 0, "why_not": run.WhyNot})
	})
	if errors.Is(err, store.ErrStale) {
		return nil
	}
	return err
}

func (s *Service) done(ctx context.Context, tx *store.Tx, m MassIssue, run store.MassRun, data map[string]any) error {
	if err := tx.MassIssueDone(ctx, m.Record); err != nil {
		return err
	}
	if err := tx.InsertMassRun(ctx, run); err != nil {
		return err
	}
	data["version"] = m.Version
	return tx.Record(ctx, m.Institution, string(store.MassIssueRecord), m.Number, "carried_out", data, s.Plant.Now())
}
