package jobs_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

func TestAnIntakeThatDiedLongAgoIsTakenAway(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		insert := func(reference string, lease int) {
			s.must(s.store.InTx(t.Context(), func(tx *store.Tx) error {
				_, err := tx.InsertOrder(t.Context(), store.Order{ID: uuid.New(), Institution: s.inst.ID, Reference: reference, Kind: 1, SubmittedBy: "x", CreatedAt: s.now()}, lease)
				return err
			}))
		}
		insert("DEAD", -16*60)
		insert("FRESH", 60)
		s.must(s.plant.AbandonDead(t.Context()))
		if _, err := s.store.OrderByReference(t.Context(), s.inst.ID, "DEAD"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the dead one: %v", err)
		}
		if _, err := s.store.OrderByReference(t.Context(), s.inst.ID, "FRESH"); err != nil {
			t.Errorf("the one in flight: %v", err)
		}
	})
}

func TestAChosenExpiryThatLapsesHoldsUpItsOwnLineOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		chosen := person(1)
		chosen.Expiry = "2027-02"
		s.submit("R", formats.BulkOrder, chosen, person(2))
		s.setNow(s.now().AddDate(0, 2, 0))
		b := s.night("one")
		if !strings.Contains(b.Exceptions, "unit 1") || b.State != card.BatchWithExceptions {
			t.Errorf("batch %s: %q", b.State, b.Exceptions)
		}
		if f := s.cardFile("north"); f.Planned != 1 || f.State != card.FileBalanced {
			t.Errorf("the file is %s with %d lines", f.State, f.Planned)
		}
	})
}
