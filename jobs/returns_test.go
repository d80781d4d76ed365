package jobs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/formats"
	"platen/hsm"
	"platen/sql/store"
)

// answer puts a status file into a bureau's outbox, written with the status layout as the bureau would.
func (s *site) answer(bureau, name string, file int64, lines ...[3]string) {
	s.t.Helper()
	s.leave(bureau, name, s.statusFile(name, file, lines...))
}

// leave puts a file into a bureau's outbox, sealed where the bureau seals its answers.
func (s *site) leave(bureau, name string, body []byte) {
	s.t.Helper()
	if s.bureau(bureau).PGP.SealedReturns {
		body = s.sealed(bureau, body)
	}
	s.must(os.WriteFile(filepath.Join(s.dir, bureau, "out", name), body, 0o600))
}

// leaveAsItIs puts bytes into a bureau's outbox.
func (s *site) leaveAsItIs(bureau, name string, body []byte) {
	s.t.Helper()
	s.must(os.WriteFile(filepath.Join(s.dir, bureau, "out", name), body, 0o600))
}

// statusFile writes lines of uid, status and reason.
func (s *site) statusFile(name string, file int64, lines ...[3]string) []byte {
	s.t.Helper()
	var layout *formats.Layout
	for _, l := range s.set.Layouts {
		if l.Kind() == formats.Status {
			layout = l
		}
	}
	head := new(formats.Record)
	head.SetString(formats.FileName, name)
	head.SetString(formats.FileBureau, "north")
	head.SetString(formats.FileDate, "20270105")
	head.SetString(formats.FileTime, "060000")
	head.SetInt(formats.ReturnFile, file)
	head.SetInt(formats.FileRecords, int64(len(lines)))
	var body bytes.Buffer
	w, err := layout.NewWriter(&body, head)
	s.must(err)
	for i, l := range lines {
		r := new(formats.Record)
		r.SetInt(formats.RecordNumber, int64(i+1))
		r.SetInt(formats.ReturnFile, file)
		r.SetString(formats.ReturnUID, l[0])
		r.SetString(formats.ReturnStatus, l[1])
		r.SetString(formats.ReturnReason, l[2])
		r.SetString(formats.ReturnOccurredAt, "2027-01-05T06:00:00Z")
		r.SetInt(formats.ReturnAttempt, 1)
		r.SetString(formats.ReturnLast4, "0000")
		r.SetString(formats.ProductCode, "visa-debit-chip")
		s.must(w.Write(r))
	}
	s.must(w.Close())
	return body.Bytes()
}

// returned waits until a return file is settled and archived, and gives it back.
func (s *site) returned(name string) store.ReturnFile {
	s.t.Helper()
	for range 100 {
		s.step()
		all, err := s.store.Returns(s.t.Context(), s.inst.ID, 0, 1000)
		s.must(err)
		for _, r := range all {
			if r.Name == name && r.Archived {
				return r
			}
		}
	}
	s.t.Fatalf("return file %s was never settled", name)
	return store.ReturnFile{}
}

// cardFile is the first card file for a bureau.
func (s *site) cardFile(bureau string) store.File {
	s.t.Helper()
	all, err := s.store.Files(s.t.Context(), s.inst.ID, 0, 100)
	s.must(err)
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].BureauCode == bureau && all[i].Purpose == store.CardPurpose {
			return all[i]
		}
	}
	s.t.Fatal("no card file for " + bureau)
	return store.File{}
}

func TestEveryReturnLineIsAccountedFor(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("BULK", formats.BulkOrder, people(60)...)
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		north, south := s.cardFile("north"), s.cardFile("south")
		uid := func(f store.File, line int64) string { return fmt.Sprintf("%d-%07d", f.Number, line) }
		before := s.books()
		name := "late.status"
		s.answer("north", name, north.Number,
			[3]string{uid(north, 1), "PRODUCED", ""},      // said already, or refused already
			[3]string{uid(north, 999), "PRODUCED", ""},    // beyond the file
			[3]string{uid(south, 1), "PRODUCED", ""},      // names another file
			[3]string{"rubbish", "PRODUCED", ""},          //
			[3]string{uid(north, 2), "EATEN_BY_DOG", "?"}, // a word that nobody mapped
			[3]string{uid(north, 3), "IN_PRODUCTION", ""}) // older news
		r := s.returned(name)
		if r.Lines != 6 || r.Applied+r.Duplicates+r.Rejected+r.Quarantined != 6 {
			t.Errorf("lines do not add up: %+v", r)
		}
		if r.Applied != 0 || r.Quarantined != 1 || r.Rejected < 3 || r.State != card.ReturnPartlyApplied {
			t.Errorf("outcomes: %+v", r)
		}
		if after := s.books(); after.Produced != before.Produced || after.Requested != before.Requested || len(after.Files) != len(before.Files) {
			t.Error("repeated and unknown lines moved the books")
		}
	})
}

func TestAFileOfAnotherBureauIsNotBelieved(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		south := s.cardFile("south")
		s.answer("north", "wrong.status", south.Number, [3]string{fmt.Sprintf("%d-0000001", south.Number), "SPOILED", "x"})
		if r := s.returned("wrong.status"); r.Rejected != 1 || r.Applied != 0 {
			t.Errorf("outcome: %+v", r)
		}
	})
}

func TestTheSameContentTwiceIsADuplicateUnderAnyName(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		south := s.cardFile("south")
		body := s.statusFile("x", south.Number, [3]string{fmt.Sprintf("%d-0000001", south.Number), "DISPATCHED", ""})
		s.leave("south", "a.status", body)
		s.returned("a.status")
		s.leave("south", "B.status", body)
		if r := s.returned("B.status"); r.State != card.ReturnDuplicate {
			t.Errorf("state %s", r.State)
		}
	})
}

func TestACutOrMadeUpReturnFileIsQuarantinedAndBlocksNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		south := s.cardFile("south")
		line := [3]string{fmt.Sprintf("%d-0000001", south.Number), "DISPATCHED", ""}
		body := s.statusFile("x", south.Number, line)
		s.leave("south", "cut.status", body[:len(body)-3])
		s.leave("south", "empty.status", nil)
		s.leave("south", "strange.bin", bytes.Repeat([]byte{0xff, 0}, 500))
		s.leave("south", "whole.status", body)
		for name, want := range map[string]card.ReturnState{"cut.status": card.ReturnQuarantined, "empty.status": card.ReturnQuarantined,
			"strange.bin": card.ReturnQuarantined, "whole.status": card.ReturnApplied} {
			if r := s.returned(name); r.State != want || (want == card.ReturnQuarantined) == (r.Reason == "") {
				t.Errorf("%s is %s: %q", name, r.State, r.Reason)
			}
		}
	})
}

func TestASpoiledCardComesAgainWithTheSameNumberAndThePINThatItHad(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("BULK", formats.BulkOrder, people(60)...)
		s.night("one")
		var checked int
		for unit := 1; unit <= 60; unit++ {
			story, err := s.plant.ExplainCard(t.Context(), s.inst, fmt.Sprintf("BULK#%d", unit))
			s.must(err)
			if story.Issues[0].State != card.IssueSpoiled {
				continue
			}
			checked++
			if len(story.Issues) != 2 {
				t.Fatalf("unit %d has %d issues", unit, len(story.Issues))
			}
			was, is := story.Issues[0], story.Issues[1]
			if is.Reason != card.Remake || is.PSN != was.PSN || is.Expiry != was.Expiry || !bytes.Equal(is.PIN, was.PIN) || is.File != nil || is.Effective != "REQUESTED" {
				t.Errorf("unit %d: the remake is %+v", unit, is)
			}
			if len(was.Said) == 0 || !strings.Contains("SPOILED", was.Said[0].Status) {
				t.Errorf("unit %d: the evidence is %+v", unit, was.Said)
			}
		}
		if checked == 0 {
			t.Error("the dice spoiled no card")
		}
	})
}

// Three words about each of six cards come in each of the six orders: every card ends where the words in their right order would leave it.
func TestNewsInAnyOrderEndsInTheSameState(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		s.night("one")
		n := s.cardFile("south").Number
		words := [3]string{"DISPATCHED", "IN_TRANSIT", "DELIVERED"}
		orders := [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
		said := func(turn int) (lines [][3]string) {
			for i, order := range orders {
				lines = append(lines, [3]string{fmt.Sprintf("%d-%07d", n, i+1), words[order[turn]], ""})
			}
			return append(lines, [3]string{fmt.Sprintf("%d-0000999", n), "DELIVERED", ""})
		}
		for turn := range words {
			name := fmt.Sprintf("%d.status", turn)
			s.answer("south", name, n, said(turn)...)
			if r := s.returned(name); r.Rejected != 1 || r.Lines != 7 {
				t.Errorf("a line that no file has: %+v", r)
			}
		}
		want := "map[DELIVERED:6 PRODUCED:14]"
		if got := fmt.Sprint(s.states("MASS", 20)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		s.answer("south", "again.status", n, said(0)...)
		if r := s.returned("again.status"); r.State != card.ReturnDuplicate {
			t.Errorf("the same file under another name is %s", r.State)
		}
		lines := said(0)
		slices.Reverse(lines)
		s.answer("south", "reversed.status", n, lines...)
		if r := s.returned("reversed.status"); r.Duplicates != 6 || r.Rejected != 1 || r.Lines != 7 {
			t.Errorf("the same lines in another file: %d duplicate and %d rejected of %d", r.Duplicates, r.Rejected, r.Lines)
		}
		if got := fmt.Sprint(s.states("MASS", 20)); got != want {
			t.Errorf("after a repetition %s, want %s", got, want)
		}
	})
}

// TestPartsOfAReturnCannotStandInAnother swaps in the database what two files of a bureau said. Neither counts, and neither is taken for the bureau's fault.
func TestPartsOfAReturnCannotStandInAnother(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		ctx := t.Context()
		for n, name := range []string{"a.status", "b.status"} {
			s.leave("south", name, s.statusFile(name, int64(n+1)))
		}
		for range 3 {
			s.must(s.plant.Poll(ctx, s.inst, "south"))
		}
		for _, statement := range []string{`UPDATE return_chunks SET position = 7 WHERE return_number = 1`, `UPDATE return_chunks SET return_number = 1 WHERE return_number = 2`,
			`UPDATE return_chunks SET return_number = 2, position = 0 WHERE position = 7`} {
			_, err := s.store.DB().ExecContext(ctx, statement)
			s.must(err)
		}
		var due []store.Due
		s.must(s.store.InTx(ctx, func(tx *store.Tx) (err error) {
			due, err = tx.ClaimReturns(ctx, batch.Lease)
			return err
		}))
		for _, d := range due {
			if err := s.plant.ApplyReturn(ctx, d.Number, d.Epoch); !errors.Is(err, hsm.ErrSealed) {
				t.Errorf("return file %d: %v", d.Number, err)
			}
			if r, err := s.store.ReturnByNumber(ctx, d.Number); err != nil || r.State != card.ReturnStored {
				t.Errorf("return file %d is %s, %v", d.Number, r.State, err)
			}
		}
		if len(due) != 2 {
			t.Errorf("%d return files were stored", len(due))
		}
	})
}
