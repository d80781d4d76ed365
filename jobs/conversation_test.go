package jobs_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/delivery"
	"platen/formats"
	"platen/programs"
	"platen/sql/store"
)

// bureau is the declaration of one bureau, to be changed before apply.
func (s *site) bureau(code string) *programs.Bureau {
	s.t.Helper()
	i := slices.IndexFunc(s.set.Bureaus, func(b programs.Bureau) bool { return b.Code == code })
	if i < 0 {
		s.t.Fatal("no bureau " + code)
	}
	return &s.set.Bureaus[i]
}

// onBothWith is onBoth with other dice.
func onBothWith(t *testing.T, dice bureau.Dice, test func(t *testing.T, s *site)) {
	t.Helper()
	onDatabases(t, func(t *testing.T, address string) { test(t, newSite(t, address, dice)) })
}

func TestABureauThatSaysPlaintextGetsItsFilesInClearAndTheSpoolNone(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.bureau("south").PGP = programs.PGP{Plaintext: true}
		s.apply()
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "40"})
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		s.must(s.plant.Plan(t.Context(), b.Number))
		for s.cardFile("south").State < card.FileSent {
			s.round(t.Context())
		}
		f := s.cardFile("south")
		got := s.atBureau("south", f.Name)
		if sum := sha256.Sum256(got); !bytes.Equal(sum[:], f.PlaintextSHA) || !f.InClear() {
			t.Errorf("%d bytes lie at the bureau, which are not the file in clear", len(got))
		}
		spooled, err := os.ReadDir(filepath.Join(s.dir, "spool"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range spooled {
			t.Errorf("the spool holds %s", e.Name())
		}
		all, err := s.plant.Bureaus(t.Context(), s.inst)
		s.must(err)
		for _, b := range all {
			if (b.Protection == batch.InClear) != (b.Code == "south") {
				t.Errorf("bureau %s is shown as %s", b.Code, b.Protection)
			}
		}
	})
}

// atBureau reads a file that was delivered, whether its bureau has taken it already or not.
func (s *site) atBureau(code, name string) []byte {
	s.t.Helper()
	got, err := os.ReadFile(filepath.Join(s.dir, code, "in", name))
	if errors.Is(err, os.ErrNotExist) {
		got, err = os.ReadFile(filepath.Join(s.dir, code, "done", name))
	}
	s.must(err)
	return got
}

// sealed is content as bureau code would send it.
func (s *site) sealed(code string, content []byte) []byte {
	s.t.Helper()
	sealer, err := delivery.NewSealer(s.ourPublic, s.bureauKeys[code])
	s.must(err)
	var out bytes.Buffer
	w, err := sealer.Seal(&out)
	s.must(err)
	_, err = w.Write(content)
	s.must(err)
	s.must(w.Close())
	return out.Bytes()
}

func TestSealedAnswersCountOnlyWhenTheBureauSignedThem(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		s.bureau("south").PGP.SealedReturns = true
		s.apply()
		south := s.cardFile("south")
		body := func(line int) []byte {
			return s.statusFile("x", south.Number, [3]string{fmt.Sprintf("%d-%07d", south.Number, line), "DISPATCHED", ""})
		}
		flipped := s.sealed("south", body(1))
		flipped[len(flipped)-40] ^= 1
		s.leaveAsItIs("south", "flipped.status", flipped)
		s.leaveAsItIs("south", "clear.status", body(2))
		s.leaveAsItIs("south", "stranger.status", s.sealed("north", body(3)))
		s.leaveAsItIs("south", "good.status", s.sealed("south", body(4)))
		for name, want := range map[string]card.ReturnState{"flipped.status": card.ReturnQuarantined, "clear.status": card.ReturnQuarantined,
			"stranger.status": card.ReturnQuarantined, "good.status": card.ReturnApplied} {
			if r := s.returned(name); r.State != want {
				t.Errorf("%s is %s: %q", name, r.State, r.Reason)
			}
		}
		// A person may put right what was declared wrongly: the file that came in clear counts then.
		r := s.returned("clear.status")
		if _, err := s.plant.RequeueReturn(t.Context(), s.inst, r.Number, "", "test"); err == nil {
			t.Error("requeued without a reason")
		}
		s.bureau("south").PGP.SealedReturns = false
		s.apply()
		if _, err := s.plant.RequeueReturn(t.Context(), s.inst, r.Number, "the bureau seals from tomorrow on", "test"); err != nil {
			t.Fatal(err)
		}
		s.round(t.Context())
		if r, err := s.store.ReturnByNumber(t.Context(), r.Number); err != nil || r.State != card.ReturnApplied || r.Applied != 1 {
			t.Errorf("requeued: %+v, %v", r, err)
		}
		r = s.returned("stranger.status")
		if r, err := s.plant.DiscardReturn(t.Context(), s.inst, r.Number, "it came from somebody else", "test"); err != nil || r.State != card.ReturnDiscarded {
			t.Errorf("discarded: %s, %v", r.State, err)
		}
		if _, err := s.plant.DiscardReturn(t.Context(), s.inst, r.Number, "again", "test"); !errors.Is(err, batch.ErrNotQuarantined) {
			t.Errorf("discarded twice: %v", err)
		}
	})
}

func TestQuarantinedLinesAreAppliedOnceTheirWordIsKnown(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		south := s.cardFile("south")
		uid := func(line int) string { return fmt.Sprintf("%d-%07d", south.Number, line) }
		s.answer("south", "odd.status", south.Number, [3]string{uid(1), "DISPATCHED", ""}, [3]string{uid(2), "POSTED", ""}, [3]string{uid(3), "WHATEVER", ""})
		r := s.returned("odd.status")
		if r.Applied != 1 || r.Quarantined != 2 {
			t.Fatalf("outcomes %+v", r)
		}
		s.bureau("south").StatusMap["POSTED"] = "DISPATCHED"
		s.apply()
		if _, err := s.plant.RequeueReturn(t.Context(), s.inst, r.Number, "POSTED means DISPATCHED", "test"); err != nil {
			t.Fatal(err)
		}
		s.round(t.Context())
		r, err := s.store.ReturnByNumber(t.Context(), r.Number)
		if err != nil || r.Applied != 2 || r.Quarantined != 1 || r.State != card.ReturnPartlyApplied {
			t.Fatalf("requeued: %+v, %v", r, err)
		}
		if r, err = s.plant.DiscardReturn(t.Context(), s.inst, r.Number, "nobody knows what it means", "test"); err != nil || r.Rejected != 1 || r.Quarantined != 0 || r.Applied != 2 {
			t.Errorf("discarded: %+v, %v", r, err)
		}
	})
}

func TestAnOrderReopensForACardThatWasSpoiledLate(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		r := s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		state := func() card.OrderState {
			o, err := s.store.OrderByNumber(t.Context(), s.inst.ID, r.Order.Number)
			s.must(err)
			return o.State
		}
		if state() != card.OrderFulfilled {
			t.Fatalf("the order is %s", state())
		}
		south := s.cardFile("south")
		s.answer("south", "late.status", south.Number, [3]string{fmt.Sprintf("%d-0000007", south.Number), "SPOILED", "scratched in packing"})
		s.returned("late.status")
		if books := s.books(); state() != card.OrderInProduction || books.Waiting != 1 || books.Balanced {
			t.Fatalf("the order is %s, books %+v", state(), books)
		}
		s.night("two")
		if books := s.books(); state() != card.OrderFulfilled || !books.Balanced || books.Spoiled != 1 || books.Remade != 1 {
			t.Errorf("the order is %s, books %+v", state(), books)
		}
	})
}

func TestACorrectedRejectIsTheSameCardUnderANewIssue(t *testing.T) {
	onBothWith(t, bureau.Dice{Seed: "night", RejectPermille: 200}, func(t *testing.T, s *site) {
		r := s.submit("BULK", formats.BulkOrder, people(30)...)
		s.night("one")
		waiting, err := s.store.Refused(t.Context(), r.Order.Number, 0, 100)
		s.must(err)
		before := s.books()
		if before.Rejected == 0 || int64(len(waiting)) != before.Rejected || before.Refused != 0 {
			t.Fatalf("%d rows wait, books %+v", len(waiting), before)
		}
		corrected := people(30)[waiting[0].SourceLine-2]
		corrected.Line, corrected.LastName = waiting[0].SourceLine, "Kaur"
		correct := func(list ...formats.Row) error {
			_, err := s.plant.Correct(t.Context(), s.inst, r.Order.ID, newBody(list), func(body io.Reader) (batch.Rows, error) {
				_, err := io.Copy(io.Discard, body)
				return &linedRows{list: list}, err
			}, "test")
			return err
		}
		other := corrected
		other.Product = map[bool]string{true: "visa-debit-chip", false: "mc-credit-chip"}[corrected.Product == "mc-credit-chip"]
		if err := correct(other); err == nil {
			t.Error("a correction changed the product")
		}
		s.must(correct(corrected))
		story, err := s.plant.ExplainCard(t.Context(), s.inst, fmt.Sprintf("BULK#%d", corrected.Line-1))
		s.must(err)
		was, is := story.Issues[0].Issue, story.Issues[1].Issue
		if len(story.Issues) != 2 || was.State != card.IssueRejected || is.Reason != card.Remake || is.PSN != was.PSN || is.Expiry != was.Expiry || !bytes.Equal(is.PIN, was.PIN) {
			t.Fatalf("issues %+v and %+v", was, is)
		}
		row, err := s.store.LineOf(t.Context(), r.Order.Number, is.OrderUnit)
		s.must(err)
		if !strings.Contains(row.EmbossName, "KAUR") {
			t.Errorf("the card will show %q", row.EmbossName)
		}
		s.night("two")
		after := s.books()
		if after.Requested != before.Requested || after.Open != 0 || after.Rejected > before.Rejected {
			t.Errorf("books before %+v, after %+v", before, after)
		}
		if err := correct(corrected, corrected); err == nil {
			t.Error("a row that waits for nothing was corrected")
		}
	})
}

func TestABureauThatRefusesTheLoginIsLeftAloneUntilAPersonSaysSo(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		stranger, _, err := delivery.NewSSHKeyPair("stranger")
		s.must(err)
		file := s.bureau("south").SFTP.IdentityFile
		right := s.keys[file]
		s.keys[file] = card.NewSecret(stranger)
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.submit("BULK", formats.BulkOrder, people(10)...)
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		s.must(s.plant.Plan(t.Context(), b.Number))
		if err := s.plant.Poll(t.Context(), s.inst, "south"); delivery.Code(err) != delivery.CodeAuthFailed {
			t.Fatalf("a look into the outbox: %v", err)
		}
		// Nobody knocks again: neither a look nor a file, while the other bureau is served.
		if err := s.plant.Poll(t.Context(), s.inst, "south"); err != nil {
			t.Errorf("a second look: %v", err)
		}
		for range 4 {
			s.round(t.Context())
		}
		files, err := s.store.Files(t.Context(), s.inst.ID, 0, 100)
		s.must(err)
		for _, f := range files {
			attempts, err := s.store.Attempts(t.Context(), f.Number)
			s.must(err)
			if (f.BureauCode == "south") != (f.State == card.FileReleased) || (f.BureauCode == "south") != (len(attempts) == 0) {
				t.Errorf("file %d for %s is %s after %d attempts", f.Number, f.BureauCode, f.State, len(attempts))
			}
		}
		all, err := s.plant.Bureaus(t.Context(), s.inst)
		s.must(err)
		for _, b := range all {
			if b.Code == "south" && (b.Failure != delivery.CodeAuthFailed || b.NextTry < 10*time.Minute || b.FailingSince == nil) {
				t.Errorf("the bureau is shown as %+v", b)
			}
		}
		s.keys[file] = right
		s.must(s.plant.RetryBureau(t.Context(), s.inst, "south", "test"))
		s.settle()
		if !s.books().Balanced {
			t.Errorf("books %+v", s.books())
		}
	})
}

func TestABureauTakesPartInAFewConversationsOnlyAndInOrder(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		north, south := s.bureau("north"), s.bureau("south")
		north.MaxRecords, south.MaxRecords, north.SFTP.Connections = 2, 2, 3
		s.apply()
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "12"})
		s.submit("BULK", formats.BulkOrder, people(12)...)
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		s.must(s.plant.Plan(t.Context(), b.Number))
		var builds []store.Due
		s.must(s.store.InTx(t.Context(), func(tx *store.Tx) (err error) {
			builds, err = tx.ClaimStale(t.Context(), batch.Lease, card.FilePlanned)
			return err
		}))
		for _, d := range builds {
			s.must(s.plant.Build(t.Context(), d.Number, d.Epoch))
		}
		claimed := map[string][]int64{}
		for range 2 { // what is claimed already counts
			due, err := s.plant.ClaimSends(t.Context())
			s.must(err)
			for _, d := range due {
				f, err := s.store.FileByNumber(t.Context(), d.Number)
				s.must(err)
				claimed[f.BureauCode] = append(claimed[f.BureauCode], f.Sequence)
			}
		}
		if got := claimed["north"]; !slices.Equal(got, []int64{1, 2, 3}) {
			t.Errorf("north takes three files at once, and got %v", got)
		}
		if got := claimed["south"]; !slices.Equal(got, []int64{1}) {
			t.Errorf("south takes its files in strict order, and got %v", got)
		}
	})
}

func TestTwoLooksIntoAnOutboxAreAsFarApartAsIsSaid(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		south := s.cardFile("south")
		s.plant.LookDistance = time.Hour
		s.leave("south", "a.status", s.statusFile("x", south.Number, [3]string{fmt.Sprintf("%d-0000001", south.Number), "DISPATCHED", ""}))
		for range 3 {
			s.must(s.plant.Poll(t.Context(), s.inst, "south"))
		}
		all, err := s.store.Returns(t.Context(), s.inst.ID, 0, 100)
		s.must(err)
		if all[0].Name != "a.status" || all[0].State != card.ReturnDetected {
			t.Errorf("after looks that came too early %s is %s", all[0].Name, all[0].State)
		}
	})
}
