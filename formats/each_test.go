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

const carrierLines = `{layout: c, version: "1", kind: sidecar, mode: delimited, quote: "'", clearance: [personal], file: {name: x},
 header: {fields: [{const: H}, {value: file.carriers}, {value: file.records}]},
 group: {key: carrier.delivery, open: {fields: [{const: G}, {value: carrier.delivery}]}, close: {fields: [{const: E}, {value: group.records}]}},
 detail: {each: carrier, fields: [{const: D}, {value: record.number}, {value: record.uid}, {value: record.last_uid}, {value: record.cards}, {value: carrier.name}, {value: carrier.city}]},
 trailer: {fields: [{const: T}, {value: totals.records}, {value: totals.carriers}, {value: totals.cards}]}}`

const productLines = `{layout: p, version: "1", kind: sidecar, mode: json, file: {name: x},
 header: {fields: [{name: products, value: file.products}, {name: records, value: file.records}]},
 detail: {each: product, path: plastics, fields: [{name: design, value: product.design}, {name: cards, value: record.cards}]},
 trailer: {fields: [{name: lines, value: totals.records}, {name: cards, value: totals.cards}]}}`

// carrierGroups is a card file with the cards of a letter in an element of their own.
const carrierGroups = `{layout: g, version: "1", kind: card-file, mode: xml, root: CARDGEN, clearance: [personal, pan], file: {name: x},
 header: {path: SUM, fields: [{name: CARRIERS, value: file.carriers}, {name: CARDS, value: file.records}]},
 group: {each: carrier, path: CARRIER, open: {fields: [{name: NAME, value: carrier.name}, {name: CITY, value: carrier.city}]}, close: {fields: [{name: CARDS, value: group.records}]}},
 detail: {path: CARD, fields: [{name: UID, value: record.uid}, {name: PAN, value: card.pan}]},
 trailer: {fields: [{name: CARRIERS, value: totals.carriers}]}}`

// drawMail draws cards of few people at few places, so that many follow their like.
func drawMail(t *rapid.T) (cards []*Record, head *Record) {
	var carriers Carriers
	products := int64(0)
	for i := range rapid.IntRange(0, 12).Draw(t, "cards") {
		r := new(Record)
		r.SetInt(RecordNumber, int64(i+1))
		r.SetString(RecordUID, fmt.Sprintf("42-%07d", i+1))
		r.SetString(CardPAN, samplePAN(i))
		r.SetString(CarrierName, rapid.SampledFrom([]string{"", "Rao", "Ra'o, B", "Łucja"}).Draw(t, "name"))
		r.SetString(CarrierCity, rapid.SampledFrom([]string{"", "Rao", "Pune"}).Draw(t, "city"))
		r.SetString(CarrierDelivery, rapid.SampledFrom([]string{"STANDARD", "COURIER"}).Draw(t, "delivery"))
		r.SetString(ProductDesign, rapid.SampledFrom([]string{"BLUE", "GOLD"}).Draw(t, "design"))
		if i == 0 || !bytes.Equal(r.Get(ProductDesign), cards[i-1].Get(ProductDesign)) {
			products++
		}
		carriers.Add(r)
		cards = append(cards, r)
	}
	head = new(Record)
	head.SetInt(FileRecords, int64(len(cards)))
	head.SetInt(FileCarriers, carriers.Count())
	head.SetInt(FileProducts, products)
	return cards, head
}

// However cards are divided into parts, those that follow each other and go to one address stand in one record, and all counts are proved.
func TestADetailForEachCarrierOrProductStandsForTheCardsThatFollowEachOther(t *testing.T) {
	for name, src := range map[string]string{"carrier": carrierLines, "product": productLines, "group": carrierGroups} {
		l := loaded(t, src)
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				cards, head := drawMail(t)
				whole := written(t, l, head, func(w *Writer) error {
					for _, c := range cards {
						if err := w.Write(merged(c)); err != nil {
							return err
						}
					}
					return nil
				})
				parted := written(t, l, head, func(w *Writer) error {
					for rest := cards; len(rest) > 0; {
						n := rapid.IntRange(1, len(rest)).Draw(t, "part")
						p := l.NewPart()
						for _, c := range rest[:n] {
							if err := p.Add(merged(c)); err != nil {
								return err
							}
						}
						if err := w.Append(p); err != nil {
							return err
						}
						rest = rest[n:]
					}
					return nil
				})
				if whole != parted {
					t.Fatalf("in parts it is\n%s\nand whole\n%s", parted, whole)
				}
				e := Example{records: cards}
				if err := e.readBack(l, []byte(whole)); err != nil {
					t.Fatalf("%v\n%s", err, whole)
				}
			})
		})
	}
}

func written(t *rapid.T, l *Layout, head *Record, put func(*Writer) error) string {
	var out bytes.Buffer
	w, err := l.NewWriter(&out, merged(head))
	if err == nil {
		err = put(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestAFileWhoseCountsOfCarriersOrCardsAreWrongIsRefused(t *testing.T) {
	const lines = "H,3,4\nG,STANDARD\nD,1,42-1,42-2,2,Rao,Pune\nD,2,42-3,42-3,1,Łucja,\nE,2\nG,COURIER\nD,3,42-4,42-4,1,Łucja,\nE,1\nT,3,3,4\n"
	const xml = `<?xml version="1.0" encoding="UTF-8"?>` + "\n<CARDGEN>\n<SUM><CARRIERS>2</CARRIERS><CARDS>3</CARDS></SUM>\n" +
		"<CARRIER><NAME>Rao</NAME>\n<CARD><UID>1</UID><PAN>4111111111111111</PAN></CARD>\n<CARD><UID>2</UID><PAN>4111111111111111</PAN></CARD>\n<CARDS>2</CARDS></CARRIER>\n" +
		"<CARRIER><CITY>Pune</CITY>\n<CARD><UID>3</UID><PAN>4111111111111111</PAN></CARD>\n<CARDS>1</CARDS></CARRIER>\n<CARRIERS>2</CARRIERS>\n</CARDGEN>\n"
	const json = `{"products":2,"records":3,"plastics":[` + "\n" + `{"design":"BLUE","cards":2},` + "\n" + `{"design":"GOLD","cards":1}` + "\n" + `],"lines":2,"cards":3}` + "\n"
	for name, c := range map[string]struct{ layout, file, old, new, want string }{
		"lines":                   {carrierLines, lines, "", "", ""},
		"xml":                     {carrierGroups, xml, "", "", ""},
		"json":                    {productLines, json, "", "", ""},
		"carriers in the header":  {carrierLines, lines, "H,3,4", "H,4,4", "header file.carriers"},
		"cards in the header":     {carrierLines, lines, "H,3,4", "H,3,3", "header file.records"},
		"cards of a carrier":      {carrierLines, lines, "42-2,2,", "42-2,3,", "totals.cards"},
		"no card of a carrier":    {carrierLines, lines, "42-3,1,", "42-3,0,", "record.cards"},
		"carriers in the trailer": {carrierLines, lines, "T,3,3,4", "T,3,4,4", "totals.carriers"},
		"cards in the trailer":    {carrierLines, lines, "T,3,3,4", "T,3,3,5", "totals.cards"},
		"carriers of a group":     {carrierLines, lines, "E,2", "E,3", "group.records"},
		"groups in the header":    {carrierGroups, xml, "<SUM><CARRIERS>2", "<SUM><CARRIERS>3", "header file.carriers"},
		"groups in the trailer":   {carrierGroups, xml, "\n<CARRIERS>2", "\n<CARRIERS>1", "totals.carriers"},
		"cards of a letter":       {carrierGroups, xml, "\n<CARDS>2", "\n<CARDS>1", "group.records"},
		"products in the header":  {productLines, json, `"products":2`, `"products":3`, "header file.products"},
		"cards of the products":   {productLines, json, `"cards":2`, `"cards":1`, "totals.cards"},
	} {
		file := strings.Replace(c.file, c.old, c.new, 1)
		if (file == c.file) != (c.old == c.new) {
			t.Fatalf("%s: nothing was changed", name)
		}
		r := loaded(t, c.layout).NewReader(strings.NewReader(file))
		var err error
		for err == nil {
			_, _, err = r.Next()
		}
		if c.want == "" && !errors.Is(err, io.EOF) || c.want != "" && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestADetailForEachCarrierThatShowsMoreThanOneValueIsRefused(t *testing.T) {
	for _, c := range []struct{ name, layout, old, new, want string }{
		{"a card's value", carrierLines, "{value: carrier.city}", "{value: card.token}", "card.token: is not one value where a detail stands for a carrier"},
		{"a person's value", carrierLines, "{value: carrier.city}", "{value: holder.last_name}", "holder.last_name: is not one value"},
		{"a part", carrierLines, "{value: carrier.city}", "{parts: [{const: x}, {value: order.reference}]}", "order.reference: is not one value"},
		{"a condition", carrierLines, "{value: carrier.city}", "{value: carrier.city, when: card.reason}", "card.reason: is not one value"},
		{"a letter's value for a product", productLines, "value: product.design", "value: carrier.branch", "carrier.branch: is not one value where a detail stands for a product"},
		{"a key that differs", carrierLines, "key: carrier.delivery, open: {fields: [{const: G}, {value: carrier.delivery}]}", "key: carrier.delivery, open: {fields: [{const: G}, {value: order.reference}, {value: carrier.delivery}]}", "order.reference: is not one value"},
		{"a group that opens with a card's value", carrierLines, "key: carrier.delivery, open: {fields: [{const: G}, ", "key: [carrier.delivery, holder.language], open: {fields: [{const: G}, {value: holder.language}, ", "holder.language: is not one value"},
		{"a count that each card has", carrierLines, "each: carrier, ", "", "record.last_uid: is not one value where a detail stands for a card"},
		{"a count that nobody can prove", carrierLines, "{value: record.cards}, ", "", "file.records: needs record.cards in the detail"},
		{"carriers without any", productLines, "value: totals.cards", "value: totals.carriers", "totals.carriers: needs a detail or a group for each carrier"},
		{"a number of the last record in the header", carrierLines, "{value: file.carriers}", "{value: record.cards}", "record.cards: stands in the detail only"},
		{"cards in the header", carrierLines, "{value: file.carriers}", "{value: totals.cards}", "totals.cards: is known only in the trailer"},
		{"another word", carrierLines, "each: carrier", "each: letter", `unknown word "letter"`},
		{"a card file", carrierGroups, "detail: {", "detail: {each: carrier, ", "each: is for the detail of a sidecar"},
		{"a group for each card", carrierGroups, "each: carrier", "each: card", "group: each is carrier or product"},
		{"a group with both", carrierGroups, "each: carrier", "each: carrier, key: product.code", "stands without key"},
		{"a carrier in a group of its own", carrierLines, "key: carrier.delivery", "each: carrier", "stands in no group like it"},
		{"a name that cannot be known", carrierLines, "name: x", `name: "x{file.carriers}"`, "is counted after the file has its name"},
	} {
		src := strings.Replace(c.layout, c.old, c.new, 1)
		if src == c.layout {
			t.Fatalf("%s: nothing was changed", c.name)
		}
		if _, err := Load("x.yaml", []byte(src)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}
