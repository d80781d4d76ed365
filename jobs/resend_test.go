package jobs_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/delivery"
	"platen/formats"
	"platen/sql/store"
)

func TestAFileIsSentAgainUnderADuplicatesNameAndNeverByItself(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		ctx := t.Context()
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		b, _, err := s.plant.RunNow(ctx, s.inst, "nightly", "one", "test")
		s.must(err)
		s.must(s.plant.Plan(ctx, b.Number))
		if _, _, err := s.plant.Resend(ctx, s.cardFile("south").Number, "too early", "test"); !errors.Is(err, batch.ErrNotSent) {
			t.Errorf("before it left: %v", err)
		}
		s.settle()
		before := s.cardFile("south")
		if _, _, err := s.plant.Resend(ctx, before.Number, "", "test"); err == nil {
			t.Error("sent again without a reason")
		}
		for n, spooled := range []bool{true, true, false} {
			f := s.cardFile("south")
			if !spooled {
				s.must(os.Remove(filepath.Join(s.dir, "spool", f.Spool)))
			}
			name, _, err := s.plant.Resend(ctx, f.Number, "the bureau lost it", "test")
			s.must(err)
			if want := batch.DuplicateName(f.Name, n+1); name != want {
				t.Errorf("it went as %s, not %s", name, want)
			}
			got := s.atBureau("south", name)
			if sum := sha256.Sum256(got); bytes.Equal(sum[:], before.CiphertextSHA) != spooled {
				t.Errorf("duplicate %d: the same ciphertext is %v", n+1, !spooled)
			}
			opener, err := delivery.NewOpener(s.bureauKeys["south"], s.ourPublic)
			s.must(err)
			plain, err := opener.Open(bytes.NewReader(got))
			s.must(err)
			var content bytes.Buffer
			_, err = content.ReadFrom(plain)
			s.must(err)
			if sum := sha256.Sum256(content.Bytes()); !bytes.Equal(sum[:], before.PlaintextSHA) {
				t.Errorf("duplicate %d has another plaintext", n+1)
			}
		}
		after := s.cardFile("south")
		if after.State != before.State || after.Produced != before.Produced || !s.books().Balanced {
			t.Errorf("the file itself moved: %s, %d produced", after.State, after.Produced)
		}
	})
}

func TestADuplicateWhoseConnectionBrokeIsLookedForFirst(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		ctx := t.Context()
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		f := s.cardFile("south")
		// A process died while the duplicate got its name.
		open := func(copy int) store.Attempt {
			a := store.Attempt{File: f.Number, Epoch: f.Epoch, Copy: copy, FinalName: batch.DuplicateName(f.Name, copy), TempName: ".lost.part", CiphertextSHA: f.CiphertextSHA,
				CiphertextBytes: *f.CiphertextBytes, StartedAt: s.now()}
			s.must(s.store.InTx(ctx, func(tx *store.Tx) (err error) {
				if a, err = tx.InsertAttempt(ctx, a); err != nil {
					return err
				}
				return tx.MoveAttempt(ctx, &a, store.AttemptRenaming, "", "", s.now())
			}))
			return a
		}
		a := open(1)
		content, err := os.ReadFile(filepath.Join(s.dir, "spool", f.Spool))
		s.must(err)
		s.must(os.WriteFile(filepath.Join(s.dir, "south", "in", a.FinalName), content, 0o600))
		name, _, err := s.plant.Resend(ctx, f.Number, "it broke", "test")
		if err != nil || name != a.FinalName {
			t.Errorf("one that had arrived: %s, %v", name, err)
		}
		f = s.cardFile("south")
		open(2)
		if name, _, err = s.plant.Resend(ctx, f.Number, "it broke again", "test"); err != nil || name != batch.DuplicateName(f.Name, 3) {
			t.Errorf("one in doubt: %s, %v", name, err)
		}
		states := map[int]string{}
		attempts, err := s.store.Attempts(ctx, f.Number)
		s.must(err)
		for _, a := range attempts {
			states[a.Copy] = a.State
		}
		if states[1] != store.AttemptDelivered || states[2] != store.AttemptInDoubt || states[3] != store.AttemptDelivered {
			t.Errorf("the duplicates are %v", states)
		}
	})
}

func TestAFileIsReplayedAsItWasSealedUntilItIsPurged(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		ctx := t.Context()
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		f := s.cardFile("south")
		var clear, sealed bytes.Buffer
		s.must(s.plant.ReplayTo(ctx, f.Number, &clear, batch.ReplayInClear, "a dispute", "test"))
		if sum := sha256.Sum256(clear.Bytes()); !bytes.Equal(sum[:], f.PlaintextSHA) {
			t.Error("the replay has other bytes")
		}
		s.must(s.plant.ReplayTo(ctx, f.Number, &sealed, batch.ReplaySealed, "a dispute", "test"))
		if bytes.Contains(sealed.Bytes(), clear.Bytes()[:40]) {
			t.Error("the sealed replay is in clear")
		}
		if err := s.plant.ReplayTo(ctx, f.Number, &clear, batch.ReplayInClear, "", "test"); err == nil {
			t.Error("replayed without a reason")
		}
		s.must(s.store.InTx(ctx, func(tx *store.Tx) error {
			locked, err := tx.LockFile(ctx, f.Number)
			if err != nil {
				return err
			}
			for _, next := range []card.FileState{card.FileClosed, card.FilePurged} {
				if err := tx.MoveFile(ctx, &locked, next, ""); err != nil {
					return err
				}
			}
			return nil
		}))
		if err := s.plant.ReplayTo(ctx, f.Number, &clear, batch.ReplayInClear, "too late", "test"); !errors.Is(err, batch.ErrPurged) {
			t.Errorf("replayed after purge: %v", err)
		}
		if _, _, err := s.plant.Replay(ctx, f.Number, nil); !errors.Is(err, batch.ErrPurged) {
			t.Errorf("compared after purge: %v", err)
		}
		if _, _, err := s.plant.Resend(ctx, f.Number, "too late", "test"); !errors.Is(err, batch.ErrPurged) {
			t.Errorf("sent again after purge: %v", err)
		}
	})
}
