package bureau_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"platen/bureau"
	"platen/delivery"
	"platen/formats"
	"platen/samples"
)

// behave starts the bureau again with a profile, and returns what lets time pass for it.
func (h *house) behave(profile string) (pass func(time.Duration)) {
	h.t.Helper()
	var err error
	h.config.Profile, err = bureau.LoadProfile([]byte(profile))
	h.must(err)
	begin := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	var passed atomic.Int64
	h.config.Now, h.config.Poll, h.config.Begin = func() time.Time { return begin.Add(time.Duration(passed.Load())) }, -1, begin
	h.must(h.sim.Close())
	h.start()
	return func(d time.Duration) { passed.Add(int64(d)) }
}

// bring delivers a card file as an issuer does, and returns how that ended.
func (h *house) bring(name string) error {
	h.t.Helper()
	sealed := h.seal(h.file(formats.CardFile, h.cards(20)))
	temp, err := delivery.TempName(name, "0011223344556677", "")
	h.must(err)
	_, err = delivery.Send(h.t.Context(), h.target, delivery.Upload{FinalName: name, TempName: temp, Size: int64(len(sealed)), SHA256: sha256.Sum256(sealed),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(sealed)), nil }})
	h.sim.Quiet()
	return err
}

// answers reads an answer with its layout.
func (h *house) answers(kind formats.Kind, name string) []map[formats.Field]string {
	h.t.Helper()
	f, err := os.Open(filepath.Join(h.config.Root, "out", name))
	h.must(err)
	defer func() { _ = f.Close() }()
	in := h.layouts[kind].NewReader(f)
	var all []map[formats.Field]string
	for {
		section, rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		h.must(err)
		if section != formats.Detail {
			continue
		}
		values := map[formats.Field]string{}
		for _, f := range formats.Fields() {
			if rec.Has(f) {
				values[f] = string(rec.Get(f))
			}
		}
		all = append(all, values)
	}
}

func (h *house) content(dir, name string) []byte {
	h.t.Helper()
	b, err := os.ReadFile(filepath.Join(h.config.Root, dir, name))
	h.must(err)
	return b
}

func (h *house) did() (all []string) {
	h.t.Helper()
	journal, err := h.sim.Journal()
	h.must(err)
	for _, e := range journal {
		if e.Bureau != "north" || e.At.IsZero() {
			h.t.Errorf("entry %+v", e)
		}
		all = append(all, e.Did)
	}
	return all
}

const (
	ackName    = "demo_42.emb.ack"
	statusName = "demo_42.emb.status"
)

func TestALateBureauAnswersWhenItIsTime(t *testing.T) {
	h := newHouse(t)
	pass := h.behave("name: late\ndials: {late: 2h}")
	h.must(h.bring(cardFile))
	h.process()
	h.wantNames("out")
	pass(119 * time.Minute)
	h.process()
	h.wantNames("out")
	// A bureau that is started again has forgotten nothing.
	h.must(h.sim.Close())
	h.start()
	pass(time.Minute)
	h.process()
	h.wantNames("out", ackName, statusName)
}

func TestABureauAnswersTwiceAndInTheWrongOrder(t *testing.T) {
	h := newHouse(t)
	pass := h.behave("name: twice\ndials: {duplicate: 1000, out_of_order: true, again: 10m}")
	h.must(h.bring(cardFile))
	h.process()
	h.wantNames("out", statusName)
	pass(10 * time.Minute)
	h.process()
	h.wantNames("out", "demo_42.emb-copy.status", ackName, statusName)
	pass(10 * time.Minute)
	h.process()
	h.wantNames("out", "demo_42.emb-copy.ack", "demo_42.emb-copy.status", ackName, statusName)
	if a, b := h.answers(formats.Status, statusName), h.answers(formats.Status, "demo_42.emb-copy.status"); len(a) != 20 || len(b) != 20 {
		t.Errorf("%d and %d lines", len(a), len(b))
	}
}

func TestWrongAnswersComeFirstAndWholeOnesLater(t *testing.T) {
	for dial, want := range map[string]string{"truncate: 1000": "answered cut short", "wrong_counts: 1000": "answered with a record missing"} {
		t.Run(dial, func(t *testing.T) {
			h := newHouse(t)
			pass := h.behave("name: wrong\ndials: {" + dial + "}")
			h.must(h.bring(cardFile))
			h.process()
			h.wantNames("out", ackName, statusName)
			wrong := h.content("out", statusName)
			pass(time.Hour)
			h.process()
			whole := h.content("out", "demo_42.emb-whole.status")
			if len(h.answers(formats.Status, "demo_42.emb-whole.status")) != 20 || len(wrong) >= len(whole) {
				t.Errorf("the wrong answer has %d bytes, the whole one %d", len(wrong), len(whole))
			}
			if readable(h.layouts[formats.Status], wrong) {
				t.Error("the wrong answer can be read")
			}
			if !slices.Contains(h.did(), want) {
				t.Errorf("the journal says %q", h.did())
			}
		})
	}
}

// readable tells whether a file is whole in a layout.
func readable(l *formats.Layout, body []byte) bool {
	r := l.NewReader(bytes.NewReader(body))
	for {
		if _, _, err := r.Next(); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

func TestABureauTellsOfRecordsThatNobodyOrdered(t *testing.T) {
	h := newHouse(t)
	h.behave("name: dreamer\ndials: {unknown: 1000}")
	h.must(h.bring(cardFile))
	h.process()
	lines := h.answers(formats.Status, statusName)
	if len(lines) != 21 || lines[20][formats.ReturnUID] != "999999999-0000001" || h.sim.Counts().Records != 20 {
		t.Errorf("%d lines, the last is %v", len(lines), lines[len(lines)-1])
	}
}

func TestABureauThatIsDownIsNotReached(t *testing.T) {
	h := newHouse(t)
	pass := h.behave("name: away\nscript: [{from: 0h, until: 5h, dials: {down: true}}]")
	if err := h.bring(cardFile); delivery.IsInDoubt(err) || delivery.Code(err) != delivery.CodeUnreachable && delivery.Code(err) != delivery.CodeConnectionLost {
		t.Errorf("a bureau that is down: %v", err)
	}
	pass(5 * time.Hour)
	h.must(h.bring(cardFile))
	h.process()
	h.wantNames("out", ackName, statusName)
}

func TestABureauEatsOneFileAndTakesTheNext(t *testing.T) {
	h := newHouse(t)
	h.behave("name: hungry\ndials: {eat: 1}")
	if err := h.bring(cardFile); !delivery.IsInDoubt(err) {
		t.Errorf("a file that is eaten: %v", err)
	}
	h.process()
	h.wantNames("out")
	h.must(h.bring(cardFile))
	h.process()
	h.wantNames("out", ackName, statusName)
	if did := h.did(); did[0] != "ate" || !slices.Contains(did, "produced") {
		t.Errorf("the journal says %q", did)
	}
}

func TestABureauThatTakesAtOnceMakesTheFile(t *testing.T) {
	h := newHouse(t)
	h.behave("name: quick\ndials: {take_at_once: true}")
	if err := h.bring(cardFile); !delivery.IsInDoubt(err) {
		t.Errorf("a file that is out of sight at once: %v", err)
	}
	h.process()
	h.wantNames("out", ackName, statusName)
}

func TestABureauThatFailsAtTheWireIsFoundOut(t *testing.T) {
	for dial, code := range map[string]string{
		"lie: true": delivery.CodeSizeMismatch, "new_host_key: true": delivery.CodeHostKeyMismatch, "disk_bytes: 100": delivery.CodeRefused, "reset_after: 3000": delivery.CodeConnectionLost,
	} {
		t.Run(dial, func(t *testing.T) {
			h := newHouse(t)
			h.behave("name: faulty\ndials: {" + dial + "}")
			if err := h.bring(cardFile); delivery.IsInDoubt(err) || delivery.Code(err) != code {
				t.Errorf("%s, in doubt %t: %v", delivery.Code(err), delivery.IsInDoubt(err), err)
			}
			h.process()
			h.wantNames("out")
		})
	}
}

func TestProfilesAreReadStrictly(t *testing.T) {
	for body, want := range map[string]string{
		"dials: {late: 1h}":                             "name",
		"name: x\ndials: {latte: 1h}":                   "latte",
		"name: x\ndials: {reject: 1001}":                "thousand",
		"name: x\ndials: {reject: 600, spoil: 600}":     "thousand",
		"name: x\ndials: {late: -1h}":                   "less than nothing",
		"name: x\nscript: [{from: 2h, until: 1h}]":      "end after it begins",
		"name: x\nscript: [{until: 1h, dials: {a: 1}}]": "step 1",
		"name: x\nmood: good":                           `no part of a profile "mood", only dials, name, script, seed`,
		"name: x\ndials: {reject: many}":                `dial reject: "many" is not a whole number`,
		"name: x\ndials: {late: 7}":                     `dial late: "7" is not a duration, such as 90m or 2h`,
		"name: x\ndials: {down: yes please}":            `dial down: "yes please" is not true or false`,
		"name: x\ndials: {down: true, down: true}":      "twice",
		"name: x\ndials: [reject]":                      "name: value",
		"name: x\nscript: [{from: soon}]":               `step 1: part of a step from: "soon"`,
		"name: x\nscript: [7]":                          "name: value",
		"name: {":                                       "not YAML",
	} {
		if _, err := bureau.LoadProfile([]byte(body)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "bureau.") || strings.Contains(err.Error(), "!!") {
			t.Errorf("%q: %v", body, err)
		}
	}
	if _, err := bureau.LoadProfile([]byte("name: x"), "bogus: 1"); err == nil || !strings.Contains(err.Error(), `there is no dial "bogus", only `+strings.Join(bureau.DialNames(), ", ")) {
		t.Errorf("an unknown dial: %v", err)
	}
	if _, err := bureau.LoadProfile([]byte("name: x"), "late: 1h", "eat: -1"); err == nil {
		t.Error("an impossible dial was turned")
	}
	names, err := fs.Glob(samples.FS, "bureaus/*.yaml")
	if err != nil || len(names) < 2 {
		t.Fatalf("%d profiles: %v", len(names), err)
	}
	for _, name := range names {
		body, err := fs.ReadFile(samples.FS, name)
		p, bad := bureau.LoadProfile(body, "late: 1h")
		if errors.Join(err, bad) != nil || p.Dials.Late != time.Hour || !strings.Contains(name, p.Name) {
			t.Errorf("%s: %+v, %v", name, p, errors.Join(err, bad))
		}
		p.Scale(24 * time.Minute)
		if p.Dials.Late != time.Minute {
			t.Errorf("scaled, an hour lasts %s", p.Dials.Late)
		}
	}
}
