package jobs_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/delivery"
	"platen/formats"
	"platen/sql/store"
)

// withSidecars lets the files of south-delimited have every kind of sidecar, and returns the card file of an order of 30, built and not sent.
func (s *site) withSidecars() store.File {
	s.t.Helper()
	s.set.Layouts = retold(s.t, s.set.Layouts, "south-delimited", "sidecars: [manifest, packing-list, address-file, batch-card]")
	s.apply()
	s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "30"})
	b, _, err := s.plant.RunNow(s.t.Context(), s.inst, "nightly", "one", "test")
	s.must(err)
	s.must(s.plant.Plan(s.t.Context(), b.Number))
	s.buildOnly()
	return s.cardFile("south")
}

// sidecarAttempts are the states of the attempts to send a sidecar.
func (s *site) sidecarAttempts(file int64, sidecar int) (states []string) {
	s.t.Helper()
	all, err := s.store.Attempts(s.t.Context(), file)
	s.must(err)
	for _, a := range all {
		if a.Copy == -sidecar {
			states = append(states, a.State)
		}
	}
	return states
}

// opened is a file at a bureau as the bureau reads it.
func (s *site) opened(code, name string) []byte {
	s.t.Helper()
	in := io.Reader(bytes.NewReader(s.atBureau(code, name)))
	if !s.bureau(code).PGP.Plaintext {
		opener, err := delivery.NewOpener(s.bureauKeys[code], s.ourPublic)
		s.must(err)
		in, err = opener.Open(in)
		s.must(err)
	}
	plain, err := io.ReadAll(in)
	s.must(err)
	return plain
}

func TestSidecarsGoAlongWithTheirFile(t *testing.T) {
	onBothWith(t, bureau.Dice{}, func(t *testing.T, s *site) {
		f := s.withSidecars()
		s.settle()
		sidecars, err := s.store.Sidecars(t.Context(), f.Number)
		s.must(err)
		if len(sidecars) != 4 || sidecars[0].Name != f.Name+".manifest.json" || !strings.HasSuffix(sidecars[1].Name, "_packing_"+strings.ReplaceAll(f.BusinessDate, "-", "")+fmt.Sprintf("_%06d_%d.txt", f.Sequence, f.Number)) {
			t.Fatalf("sidecars %+v", sidecars)
		}
		var manifest struct {
			Files []struct {
				Name, SHA256 string
				Records      int64
				Bytes        int64
			}
		}
		s.must(json.Unmarshal(s.opened("south", sidecars[0].Name), &manifest))
		if m := manifest.Files; len(m) != 1 || m[0].Name != f.Name || m[0].SHA256 != hex.EncodeToString(f.PlaintextSHA) || m[0].Bytes != *f.PlaintextBytes || m[0].Records != 30 {
			t.Errorf("manifest %+v", manifest)
		}
		list := string(s.opened("south", sidecars[1].Name))
		if lines := regexp.MustCompile(`(?m)^0000\d\d@401288\*{6}\d{4}@`).FindAllString(list, -1); len(lines) != 30 || strings.Count(list, "\n") != 30 {
			t.Errorf("the packing list is\n%s", list)
		}
		// Cards without an address go together.
		day, err := time.Parse("2006-01-02", f.BusinessDate)
		s.must(err)
		want := fmt.Sprintf("H@%d@1@30\nD@000001@%s@30@%s@%s@@@@@@@@@@\nT@1@30\n", f.Number, strings.ToUpper(day.Format("02-Jan-2006")), batch.RecordUID(f.Number, 1), batch.RecordUID(f.Number, 30))
		if got := string(s.opened("south", sidecars[2].Name)); got != want {
			t.Errorf("the address file is\n%s\nnot\n%s", got, want)
		}
		if got := strings.Fields(string(s.opened("south", sidecars[3].Name))); len(got) < 7 || got[3] != "00000030"+batch.RecordUID(f.Number, 1) || got[len(got)-1] != "T00100000030" {
			t.Errorf("the batch card is %q", got)
		}
		for n := range sidecars {
			if got := fmt.Sprint(s.sidecarAttempts(f.Number, n+1)); got != "[DELIVERED]" {
				t.Errorf("sidecar %d: attempts %s", n+1, got)
			}
		}
		if left, err := filepath.Glob(filepath.Join(s.dir, "spool", "*sidecar*")); err != nil || len(left) > 0 {
			t.Errorf("the spool holds %q, %v", left, err)
		}
		returns, err := s.store.Returns(t.Context(), s.inst.ID, 0, 100)
		s.must(err)
		if len(returns) != 2 || !s.books().Balanced { // an ack and a status of the file, nothing of its sidecars
			t.Errorf("%d answers, books %+v", len(returns), s.books())
		}
		// What was sent is made again from what is stored, while the file itself stays the same.
		if same, _, err := s.plant.Replay(t.Context(), f.Number, nil); err != nil || !same {
			t.Errorf("the file is made again: %v, %v", same, err)
		}
	})
}

// TestASidecarIsNotSentTwiceByItself begins where a worker died: its attempt is open, and the bureau shows this or that.
func TestASidecarIsNotSentTwiceByItself(t *testing.T) {
	for name, c := range map[string]struct {
		state string
		lies  bool // at the bureau, under its final name
		want  string
	}{
		"before the rename":      {store.AttemptStarted, false, "[FAILED DELIVERED]"},
		"after the rename":       {store.AttemptRenaming, true, "[DELIVERED]"},
		"nobody knows the truth": {store.AttemptRenaming, false, "[IN_DOUBT]"},
	} {
		t.Run(name, func(t *testing.T) {
			quiet(t, func(t *testing.T, s *site) {
				f := s.withSidecars()
				sidecars, err := s.store.Sidecars(t.Context(), f.Number)
				s.must(err)
				body := []byte("the bytes of an attempt")
				s.must(s.store.InTx(t.Context(), func(tx *store.Tx) error {
					a, err := tx.InsertAttempt(t.Context(), store.Attempt{File: f.Number, Epoch: f.Epoch, Copy: -1, FinalName: sidecars[0].Name, TempName: "." + sidecars[0].Name + ".gone.part",
						CiphertextSHA: f.CiphertextSHA, CiphertextBytes: int64(len(body)), StartedAt: s.now()})
					if err != nil || c.state == store.AttemptStarted {
						return err
					}
					return tx.MoveAttempt(t.Context(), &a, c.state, "", "", s.now())
				}))
				if c.lies {
					s.must(os.WriteFile(filepath.Join(s.dir, "south", "in", sidecars[0].Name), body, 0o600))
				}
				for s.cardFile("south").State < card.FileSent {
					s.round(t.Context())
				}
				if got := fmt.Sprint(s.sidecarAttempts(f.Number, 1)); got != c.want {
					t.Errorf("attempts %s, want %s", got, c.want)
				}
				if got := s.cardFile("south").State; got != card.FileSent {
					t.Errorf("the file is %s", got)
				}
			})
		})
	}
}
