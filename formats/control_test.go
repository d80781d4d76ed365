package formats

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const summing = `{layout: s, version: "1", kind: card-file, mode: delimited, delimiter: "|", clearance: [personal, pan], file: {name: x},
 controls: [{name: units, value: sum(order.unit)}, {name: named, value: count(card.name)}, {name: numbers, value: "hash_total(card.pan, 4, 6)"}, {name: bins, value: "hash_total(product.bin, 6, 3)"}],
 detail: {fields: [{const: D}, {value: card.pan}, {value: record.uid}, {value: order.unit, pipe: n(20)}, {value: card.name, pipe: upper}, {value: product.bin}]},
 trailer: {fields: [{const: T}, {value: controls.units}, {value: controls.named, pipe: n(6)}, {parts: [{const: "#"}, controls.numbers]}, {value: controls.bins}]}}`

// What a layout sums is what its details hold, however they are divided into parts, and a reader proves it.
func TestALayoutSumsWhatItNames(t *testing.T) {
	l := loaded(t, summing)
	rapid.Check(t, func(t *rapid.T) {
		var units, named, numbers, bins uint64
		cards := make([]*Record, rapid.IntRange(0, 6).Draw(t, "cards"))
		for i := range cards {
			pan, unit := rapid.StringMatching("[1-9][0-9]{15}").Draw(t, "pan"), rapid.Uint64Range(0, 150_000_000_000_000_000).Draw(t, "unit")
			bin := rapid.Uint64Range(1, 999_999).Draw(t, "bin")
			r := new(Record)
			r.SetString(CardPAN, pan)
			r.SetInt(OrderUnit, int64(unit))
			r.SetInt(ProductBIN, int64(bin))
			r.SetString(CardName, rapid.SampledFrom([]string{"", "Rao"}).Draw(t, "name"))
			units, numbers, bins = units+unit, (numbers+uint64(decimal([]byte(pan[12:]))))%1_000_000, (bins+bin)%1000
			named += uint64(min(len(r.Get(CardName)), 1))
			cards[i] = r
		}
		var out bytes.Buffer
		w, err := l.NewWriter(&out, new(Record))
		for rest := cards; err == nil && len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "part")
			p := l.NewPart()
			for _, c := range rest[:n] {
				if err == nil {
					err = p.Add(c)
				}
			}
			if err == nil {
				err = w.Append(p)
			}
			rest = rest[n:]
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if got, want := lines[len(lines)-1], fmt.Sprintf("T|%d|%06d|#%d|%d", units, named, numbers, bins); got != want {
			t.Fatalf("%s, not %s", got, want)
		}
		if n, err := readThrough(l, bytes.NewReader(out.Bytes())); err != nil || n != len(cards) {
			t.Fatalf("%d, %v", n, err)
		}
		for i, name := range []string{"units", "named", "numbers", "bins"} {
			columns := strings.Split(lines[len(lines)-1], "|")
			last := columns[i+1][len(columns[i+1])-1]
			columns[i+1] = columns[i+1][:len(columns[i+1])-1] + string('0'+(last-'0'+1)%10)
			if i < 3 && columns[i+1][0] == '0' && len(columns[i+1]) > 1 && i != 1 {
				continue // no number
			}
			wrong := strings.Join(append(lines[:len(lines)-1:len(lines)-1], strings.Join(columns, "|")), "\n") + "\n"
			if _, err := readThrough(l, strings.NewReader(wrong)); err == nil || !strings.Contains(err.Error(), "controls."+name) {
				t.Fatalf("%s is wrong and read: %v", name, err)
			}
		}
	})
}

func TestASumThatHasNoRoomIsRefused(t *testing.T) {
	l := loaded(t, summing)
	w, err := l.NewWriter(io.Discard, new(Record))
	r := new(Record)
	r.SetString(CardPAN, "4111111111111111")
	r.SetString(OrderUnit, "999999999999999999")
	for range 2 {
		if err == nil {
			err = w.Write(r)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	var refused *ValueError
	if err := w.Close(); !errors.As(err, &refused) || refused.Field != "controls.units" {
		t.Errorf("%v", err)
	}
}

func TestControlsThatNobodyCouldProveAreRefused(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"an unknown function", "sum(order.unit)", "product(order.unit)", `unknown function "product"`},
		{"an unknown field", "sum(order.unit)", "sum(order.units)", `unknown field "order.units"`},
		{"no field", "sum(order.unit)", "sum", "names a field"},
		{"a sum of texts", "sum(order.unit)", "sum(card.name)", "takes one public number"},
		{"a sum of codes", "hash_total(card.pan, 4, 6)", "hash_total(card.cvv2, 3, 6)", "takes card.pan or public digits"},
		{"a count of codes", "count(card.name)", "count(card.cvv2)", "takes one public or personal field"},
		{"a total without room", "hash_total(card.pan, 4, 6)", "hash_total(card.pan, 4, 19)", "1 to 12 digits count"},
		{"what is not in the detail", "sum(order.unit)", "sum(card.issue_number)", "control units: needs card.issue_number in the detail"},
		{"what the detail shows sometimes", "{value: order.unit, pipe: n(20)}", "{value: order.unit, pipe: n(20), when: card.reason}", "control units: needs order.unit"},
		{"what the detail hides", "{value: product.bin}]", "{value: product.bin, pipe: last(2)}]", "control bins: needs product.bin"},
		{"a name twice", "name: named", "name: units", "at most 4 different ones"},
		{"no name", "{name: units, value", "{value", "needs name and value"},
		{"a field without a control", "{value: controls.units}", "{value: controls.unit}", `there is no control "unit"`},
		{"a field of its own", "{value: controls.units}", "{value: totals.control1}", `unknown field "totals.control1"`},
		{"in the detail", "{value: record.uid}", "{value: controls.units}", "is known only in the trailer"},
		{"without clearance", "clearance: [personal, pan]", "clearance: [personal]", "is pan, which the clearance does not list"},
	} {
		src := strings.Replace(summing, c.old, c.new, 1)
		if src == summing {
			t.Fatalf("%s: nothing was changed", c.name)
		}
		if _, err := Load("x.yaml", []byte(src)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	masked := loaded(t, summing).For(ForIssuerMasked)
	if file := writeAll(t, masked, new(Record), benchRecord()); !bytes.HasSuffix(file, []byte("|#|0\n")) && !bytes.HasSuffix(file, []byte("||0\n")) {
		t.Errorf("a copy for the issuer shows the sum over its numbers:\n%s", file)
	}
}
