package bureau_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"platen/bureau"
	"platen/card"
	"platen/delivery"
	"platen/formats"
	"platen/hsm"
)

// TestEveryDialTakesAFileWithoutRecords lets a bureau answer a file that has nothing in it, whatever its character.
func TestEveryDialTakesAFileWithoutRecords(t *testing.T) {
	h := newHouse(t)
	for _, dial := range []string{"reject: 1000", "spoil: 1000", "late: 1h", "duplicate: 1000", "truncate: 1000", "wrong_counts: 1000", "unknown: 1000", "out_of_order: true",
		"eat: 1", "take_at_once: true", "disk_bytes: 100000", "reset_after: 100000"} {
		t.Run(dial, func(t *testing.T) {
			h.must(h.sim.Close())
			h.config.Root = t.TempDir()
			h.start()
			pass := h.behave("name: empty\ndials: {" + dial + "}")
			h.put(cardFile, h.seal(h.file(formats.CardFile, h.cards(0))))
			for range 3 {
				h.process()
				pass(2 * time.Hour)
			}
			h.wantNames("done", cardFile)
			if c := h.sim.Counts(); c.Accepted != 1 || c.Unhandled != 0 {
				t.Errorf("counts %+v", c)
			}
			status := statusName
			if strings.HasPrefix(dial, "truncate") || strings.HasPrefix(dial, "wrong_counts") {
				status = strings.Replace(statusName, ".status", "-whole.status", 1)
			}
			want := 0
			if strings.HasPrefix(dial, "unknown") {
				want = 1
			}
			if lines := h.answers(formats.Status, status); len(lines) != want {
				t.Errorf("%d status lines, want %d", len(lines), want)
			}
		})
	}
}

// TestABureauThatPanicsOverAFileTakesTheOthers breaks its checks of one file, as a defect of ours would.
func TestABureauThatPanicsOverAFileTakesTheOthers(t *testing.T) {
	h := newHouse(t)
	h.must(h.sim.Close())
	var log bytes.Buffer
	h.config.Module, h.config.Poll, h.config.Log = panicking{h.module}, -1, zerolog.New(&log)
	h.start()
	h.put("a.emb.pgp", h.seal(h.file(formats.CardFile, h.cards(1))))
	h.put("b.emb.pgp", h.seal(h.file(formats.CardFile, h.cards(0))))
	if err := h.sim.Process(t.Context()); err == nil || !strings.Contains(err.Error(), "a.emb.pgp") {
		t.Errorf("the fault is not told of: %v", err)
	}
	h.wantNames("in", "a.emb.pgp")
	h.wantNames("done", "b.emb.pgp")
	if c := h.sim.Counts(); c.Unhandled != 1 || c.Accepted != 1 {
		t.Errorf("counts %+v", c)
	}
	if strings.Contains(log.String(), "digits of a card") || !strings.Contains(log.String(), "panicked over a file") {
		t.Errorf("log: %s", log.String())
	}
}

// TestDeclaredAnswersAreSealed opens them as the issuer does: encrypted to it, signed by the bureau, cut or miscounted as the dials say, the same bytes twice.
func TestDeclaredAnswersAreSealed(t *testing.T) {
	h := newHouse(t)
	ourPublic, ourPrivate, err := delivery.NewKeyPair("Issuer", "issuer@example.test", time.Now())
	h.must(err)
	bureauPublic, bureauPrivate, err := delivery.NewKeyPair("Bureau", "bureau@example.test", time.Now())
	h.must(err)
	opener, err := delivery.NewOpener(ourPrivate, bureauPublic)
	h.must(err)
	h.config.Bureau.PGP.SealedReturns = true
	h.must(h.sim.Close())
	if _, err := bureau.Start(t.Context(), h.config); err == nil {
		t.Fatal("it starts without keys to seal with")
	}
	h.config.Sealer, err = delivery.NewSealer(ourPublic, bureauPrivate)
	h.must(err)
	h.start()
	records := func(kind formats.Kind, name string) (n int, err error) {
		plain, err := opener.Open(bytes.NewReader(h.content("out", name)))
		if err != nil {
			return 0, err
		}
		in := h.layouts[kind].NewReader(plain)
		for {
			section, _, err := in.Next()
			switch {
			case errors.Is(err, io.EOF):
				return n, nil
			case err != nil:
				return n, err
			case section == formats.Detail:
				n++
			}
		}
	}
	for _, test := range []struct {
		dial  string
		first bool // the first answer is whole
		copy  bool
	}{{"late: 0s", true, false}, {"truncate: 1000", false, false}, {"wrong_counts: 1000", false, false}, {"duplicate: 1000", true, true}} {
		t.Run(test.dial, func(t *testing.T) {
			h.must(h.sim.Close())
			h.config.Root = t.TempDir()
			h.start()
			pass := h.behave("name: sealed\ndials: {" + test.dial + "}")
			h.put(cardFile, h.seal(h.file(formats.CardFile, h.cards(20))))
			h.process()
			pass(2 * time.Hour)
			h.process()
			for name, kind := range map[string]formats.Kind{ackName: formats.Ack, statusName: formats.Status} {
				want := map[formats.Kind]int{formats.Ack: 1, formats.Status: 20}[kind]
				n, err := records(kind, name)
				if whole := err == nil && n == want; whole != test.first {
					t.Errorf("%s: %d records, %v", name, n, err)
				}
				dot := strings.LastIndexByte(name, '.')
				if !test.first {
					if n, err := records(kind, name[:dot]+"-whole"+name[dot:]); err != nil || n != want {
						t.Errorf("%s afterwards: %d records, %v", name, n, err)
					}
				}
				if test.copy && !bytes.Equal(h.content("out", name), h.content("out", name[:dot]+"-copy"+name[dot:])) {
					t.Errorf("the second %s has other bytes", name)
				}
			}
		})
	}
}

// panicking is a module that breaks over the first card, as a defect of ours would.
type panicking struct{ hsm.Module }

func (panicking) Codes(context.Context, card.KeyRef, []hsm.CodeRequest, card.Secrets) error {
	panic("digits of a card")
}
