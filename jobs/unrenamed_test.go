package jobs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

// A worker dies while its temporary file lies at the bureau and before the rename, at any length of it: the bureau then has the file once, whole, and nothing
// else, and its number in the sequence is given to no other.
func TestACrashBeforeTheRenameLeavesOneFileWithOneSequenceNumber(t *testing.T) {
	for _, percent := range []int64{0, 50, 100} {
		t.Run(fmt.Sprint(percent), func(t *testing.T) {
			quiet(t, func(t *testing.T, s *site) {
				s.submit("ONE", formats.MassOrder, mass(10))
				b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
				s.must(err)
				s.must(s.plant.Plan(t.Context(), b.Number))
				for s.cardFile("south").State < card.FileReleased {
					s.buildOnly()
				}
				f := s.cardFile("south")
				body, err := os.ReadFile(filepath.Join(s.dir, "spool", f.Spool))
				s.must(err)
				s.dieBeforeTheRename(f, body[:int64(len(body))*percent/100])
				for s.round(t.Context()) {
				}
				s.must(s.sims["south"].Process(t.Context())) // it takes what it has not taken by now
				var left []string
				for _, place := range []string{"in", "done"} {
					entries, err := os.ReadDir(filepath.Join(s.dir, "south", place))
					s.must(err)
					for _, e := range entries {
						left = append(left, filepath.Join(s.dir, "south", place, e.Name()))
					}
				}
				if len(left) != 1 || filepath.Base(left[0]) != f.Name {
					t.Fatalf("the bureau has %v", left)
				}
				if got, err := os.ReadFile(left[0]); err != nil || string(got) != string(body) {
					t.Errorf("the bureau has %d bytes of %d: %v", len(got), len(body), err)
				}
				if sent := s.cardFile("south"); sent.SentAt == nil || sent.Number != f.Number || sent.Sequence != f.Sequence {
					t.Errorf("file %d is %s with the sequence number %d, and was %d with %d", sent.Number, sent.State, sent.Sequence, f.Number, f.Sequence)
				}
				s.submit("TWO", formats.MassOrder, mass(10))
				s.night("two")
				all, err := s.store.Files(t.Context(), s.inst.ID, 0, 100)
				s.must(err)
				if len(all) != 2 || all[0].Sequence != f.Sequence+1 || all[1].Sequence != f.Sequence || !s.books().Balanced {
					t.Errorf("files %+v", all)
				}
			})
		})
	}
}

// dieBeforeTheRename leaves what a worker leaves that dies between the first byte and the rename.
func (s *site) dieBeforeTheRename(f store.File, part []byte) {
	s.t.Helper()
	ctx := s.t.Context()
	temp := "." + f.Name + ".gone.part"
	s.must(s.store.InTx(ctx, func(tx *store.Tx) error {
		due, err := tx.ClaimStale(ctx, 0, card.FileReleased)
		if err != nil {
			return err
		}
		f.Epoch = due[0].Epoch
		if err := tx.MoveFile(ctx, &f, card.FileSending, ""); err != nil {
			return err
		}
		_, err = tx.InsertAttempt(ctx, store.Attempt{File: f.Number, Epoch: f.Epoch, TempName: temp, CiphertextSHA: f.CiphertextSHA, CiphertextBytes: *f.CiphertextBytes, StartedAt: s.now()})
		return err
	}))
	s.must(os.WriteFile(filepath.Join(s.dir, "south", "in", temp), part, 0o600))
}
