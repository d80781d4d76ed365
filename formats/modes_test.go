package formats

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

const smallXML = `{layout: x, version: "1", kind: card-file, mode: xml, root: CARDGEN, encoding: iso-8859-1, clearance: [personal, pan, code], file: {name: x},
 header: {path: CARDSUM, fields: [{name: TXREF, value: file.reference}, {name: NO_OF_CARDS, value: file.records}, {name: NO_OF_PRODUCTS, value: file.products}]},
 group: {key: product.design, path: PRODUCT, open: {fields: [{name: PRODUCT_REF, value: product.design}]}, close: {fields: [{name: COUNT, value: group.records}]}},
 detail: {path: RECORD, fields: [{name: UID, value: record.uid}, {name: CARRIER/SNAME, value: carrier.name}, {name: CARRIER/TOWN/CITY, value: carrier.city}, {name: CARD/PAN, value: card.pan},
  {name: CARD/CVC, parts: [{value: card.pan, pipe: last(4)}, {const: " "}, card.cvv2]}, {name: NUMBER, value: record.number}]},
 trailer: {fields: [{name: TOTAL, value: totals.records}]}}`

const smallJSON = `{layout: j, version: "1", kind: card-file, mode: json, clearance: [personal, pan], file: {name: x},
 header: {path: summary, fields: [{name: reference, value: file.reference}, {name: counts/cards, value: file.records}]},
 group: {key: product.design, path: products, open: {fields: [{name: design, value: product.design}]}},
 detail: {path: cards, fields: [{name: uid, value: record.uid}, {name: carrier/lastName, value: carrier.name}, {name: carrier/city, value: carrier.city}, {name: card/pan, value: card.pan}]},
 trailer: {path: totals, fields: [{name: cards, value: totals.records}]}}`

const smallSegments = `{layout: s, version: "1", kind: card-file, mode: segments, eol: crlf, encoding: iso-8859-1, clearance: [personal, pan, track, code], file: {name: x},
 detail: {fields: [{const: "#DCC##EMB#"}, {value: card.pan, pipe: 'group("4 4 4 4")', end: '"'}, {value: card.expiry, pipe: 'date("MM/yy")', end: '"'}, {value: carrier.name, end: '"'},
  {value: record.uid, end: '"'}, {const: "#ENC#"}, {value: card.track1, open: "%", end: "?"}, {value: card.track2, open: ";", end: "?", optional: true},
  {value: chip.data, open: "{", prefix: 7, optional: true}, {const: "#END#@@@@@@"}]}}`

func loaded(t testing.TB, src string) *Layout {
	t.Helper()
	l, err := Load("x.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// hostile is a name with what XML and JSON mark their texts with.
const hostile = `Ann & {'Bob'} \ <O'Neil>,`

// cardsOf writes cards of two designs.
func cardsOf(t testing.TB, l *Layout, n int) string {
	t.Helper()
	var out bytes.Buffer
	head := new(Record)
	head.SetInt(FileReference, 42)
	head.SetInt(FileRecords, int64(n))
	head.SetInt(FileProducts, int64(min(n, 2)))
	w, err := l.NewWriter(&out, head)
	if err != nil {
		t.Fatal(err)
	}
	rec := benchRecord()
	rec.Set(ChipData, []byte("#END#\"\r\n\x1a{0000001}"))
	for i := range n {
		rec.SetInt(RecordNumber, int64(i+1))
		rec.SetString(ProductDesign, []string{"BLUE", "GOLD"}[min(1, i*2/n)])
		rec.SetString(CarrierName, []string{hostile, "José"}[i%2])
		if i%2 == 1 {
			rec.SetString(CarrierCity, "")
			rec.Set(ChipData, nil)
			rec.Set(CardTrack2, nil)
		}
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A JSON document has members before its arrays or none, and is read back either way.
func TestAJSONDocumentWithoutAnyHeaderValueIsReadBack(t *testing.T) {
	l := loaded(t, strings.NewReplacer("{path: summary, ", "{", ", {name: counts/cards, value: file.records}", "", "open: {fields: [{name: design, value: product.design}]}",
		"open: {fields: [{name: currency, value: product.currency}]}", "fields: [{name: uid", "fields: [{name: design, value: product.design}, {name: uid").Replace(smallJSON))
	file := writeAll(t, l, new(Record), benchRecord())
	if !bytes.HasPrefix(file, []byte("{\"products\":[\n{\"cards\":[\n{")) {
		t.Fatalf("the file is\n%s", file)
	}
}

func TestDocumentsAndSegmentsAreWrittenAndReadBack(t *testing.T) {
	for name, src := range map[string]string{"xml": smallXML, "json": smallJSON, "segments": smallSegments} {
		l := loaded(t, src)
		for _, n := range []int{0, 1, 3} {
			file := cardsOf(t, l, n)
			r := l.NewReader(strings.NewReader(file))
			details := 0
			for {
				which, rec, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s of %d: %v\n%s", name, n, err, file)
				}
				if which == Detail {
					details++
					if want := []string{"José", hostile}[details%2]; string(rec.Get(CarrierName)) != want {
						t.Errorf("%s: name %q", name, rec.Get(CarrierName))
					}
				}
			}
			if details != n {
				t.Errorf("%s: %d of %d details", name, details, n)
			}
			if name == "segments" {
				continue
			}
			for cut := range len(file) {
				r := l.NewReader(strings.NewReader(file[:cut]))
				var err error
				for err == nil {
					_, _, err = r.Next()
				}
				if errors.Is(err, io.EOF) && cut < len(strings.TrimSpace(file)) {
					t.Fatalf("%s: %d of %d bytes are a file", name, cut, len(file))
				}
			}
		}
	}
}
