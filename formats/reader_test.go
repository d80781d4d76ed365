package formats_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"platen/formats"
)

func TestReaderRefusesAFileThatIsNotItsLayouts(t *testing.T) {
	for _, c := range []struct{ name, layout, old, new, want string }{
		{"count of the trailer", "south-delimited", "T;3;", "T;4;", "line 5: totals.records: is not what the lines add up to"},
		{"hash of the trailer", "south-delimited", "000345679016", "000345679017", "line 5: totals.pan_hash: is not what the lines add up to"},
		{"count of the header", "south-delimited", ";203000;7;3;", ";203000;7;4;", "line 5: header file.records: is not what the lines add up to"},
		{"a digit of a PAN", "south-delimited", "4111111111111111", "4111111111111112", "totals.pan_hash: is not"},
		{"record number", "south-delimited", "D;2;", "D;7;", "line 3: record.number: does not count on"},
		{"a column too many", "south-delimited", "D;2;", "D;2;;", "line 3: card.pan"},
		{"a column too few", "south-delimited", "D;2;42-0000002;", "D;2;", "line 3: "},
		{"month 13", "south-delimited", "11/2030", "13/2030", "line 2: card.expiry: is not of the field's type"},
		{"letters in a PAN", "south-delimited", "4111111111111111", "411111111111111X", "line 3: card.pan: is not of the field's type"},
		{"a stray quote", "south-delimited", "Asha Rao", `Asha "Rao"`, "line 2: carrier.name: a quote stands where none may be"},
		{"an open quote", "south-delimited", `B"""`, `B""`, "line 3: carrier.address1: a quote"},
		{"constant", "south-delimited", "H;cards;v1", "H;cards;v2", "line 1: const at 1: is not the constant"},
		{"a second header", "south-delimited", "T;3", "H;3", "line 5: the line begins as no section of the layout does here"},
		{"no header", "south-delimited", "H;", "D;", "line 1: the line begins as no section"},
		{"an unknown section", "south-delimited", "T;3", "X;3", "line 5: the line begins as no section"},
		{"more after the trailer", "south-delimited", "T;3;000345679016\n", "T;3;000345679016\nT;3;000345679016\n", "line 6: the file goes on after its trailer"},
		{"other line ends", "south-delimited", "000345679016\n", "000345679016\r\n", "line 5: the line does not end as its layout says"},
		{"bytes that are not UTF-8", "south-delimited", "Köln", "K\xf6ln", "line 3: carrier.city: is not UTF-8"},
		{"a control character", "south-delimited", "Köln", "K\x1aln", "line 3: carrier.city: holds a control character"},
		{"a short line", "north-fixed", "JUERGEN GROSS             201", "JUERGEN GROSS 201", "line 3: "},
		{"a long line", "pin-mailer", "T00000003\n", "T000000030\n", "line 5: the line is longer than its layout"},
		{"lower-case hex", "pin-mailer", "A1A1A1A1A1A1A1A1", "a1A1A1A1A1A1A1A1", "line 2: mailer.pin_block: does not have the form"},
		{"shifted groups", "north-fixed", "4000 0012 3456 7899 ", "40000 012 3456 7899 ", "line 2: card.pan: "},
		{"no sentinel", "north-fixed", "%B4000", " B4000", "line 2: card.track1: does not have the form"},
		{"signed count", "pin-mailer", "T00000003", "T+0000003", "line 5: totals.records: is not of the field's type"},
		{"not ASCII", "pin-mailer", "LODZ ", "\xd3DZ ", "line 4: carrier.city"},
		{"JSON with another key", "native-jsonl", `"psn"`, `"pns"`, "line 2: it has a key that its layout does not know here"},
		{"JSON with a key twice", "native-jsonl", `"psn":"00"`, `"psn":"00","psn":"00"`, "line 2: card.psn: it has a key twice"},
		{"JSON with two types", "native-jsonl", `{"type":"trailer"`, `{"type":"trailer","type":"detail"`, "line 5: it has a key twice"},
		{"JSON with a number as text", "native-jsonl", `"record":1,`, `"record":"1",`, "line 2: record.number: is not a JSON number"},
		{"JSON with a text as number", "native-jsonl", `"psn":"00"`, `"psn":0`, "line 2: card.psn: is not a JSON number"},
		{"JSON with a tree", "native-jsonl", `"psn":"00"`, `"psn":{}`, "line 2: it is not a JSON object"},
		{"JSON without type", "native-jsonl", `{"type":"trailer",`, `{`, `line 5: it has no "type" that the layout knows`},
		{"JSON without its constant", "native-jsonl", `"format":"platen-cards/1",`, ``, "line 1: format at 1: is not the constant"},
		{"JSON that goes on", "native-jsonl", `"000345679016"}`, `"000345679016"}}`, "line 5: it is not a JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := shipped(t, c.layout)
			file := write(t, l, 3)
			changed := bytes.Replace(file, []byte(c.old), []byte(c.new), 1)
			if bytes.Equal(file, changed) {
				t.Fatal("nothing was changed")
			}
			_, err := readAll(l, changed)
			var at *formats.ReadError
			if !errors.As(err, &at) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			for _, secret := range []string{"411111111111111", "4000", "Asha", "Köln"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("the error tells a value: %v", err)
				}
			}
		})
	}
}

func TestReaderUnderstandsJSONThatIsWrittenAnotherWay(t *testing.T) {
	l := shipped(t, "native-jsonl")
	file := bytes.Replace(write(t, l, 1), []byte(`{"type":"detail","record":1,`), []byte(`{ "record" : 1, "title" : "M\u00e4\/\"" ,"type":"detail",`), 1)
	r := l.NewReader(bytes.NewReader(file))
	for range 2 {
		which, rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(rec.Get(formats.HolderTitle)); which == formats.Detail && got != `Mä/"` {
			t.Errorf("title %q", got)
		}
	}
}

func TestReaderBoundsALine(t *testing.T) {
	for _, name := range shippedNames {
		tail := &endless{}
		_, _, err := shipped(t, name).NewReader(tail).Next()
		var at *formats.ReadError
		if !errors.As(err, &at) || tail.given > 256<<10 {
			t.Errorf("%s after %d bytes: %v", name, tail.given, err)
		}
	}
}

func TestReaderPassesAFailureOfItsInputOn(t *testing.T) {
	broken := errors.New("connection cut")
	l := shipped(t, "south-delimited")
	file := write(t, l, 3)
	r := l.NewReader(io.MultiReader(bytes.NewReader(file[:len(file)/2]), iotest.ErrReader(broken)))
	var err error
	for err == nil {
		_, _, err = r.Next()
	}
	var at *formats.ReadError
	if !errors.Is(err, broken) || errors.As(err, &at) {
		t.Errorf("got %v", err)
	}
}

func TestWriterRefusesWhatDoesNotFitAndNamesTheField(t *testing.T) {
	for _, c := range []struct {
		layout string
		field  formats.Field
		value  string
		want   string
	}{
		{"north-fixed", formats.CardName, "AN EMBOSSED NAME THAT IS TOO LONG", "card.name: is longer than its place"},
		{"north-fixed", formats.CarrierCity, "نيقوسيا", "carrier.city: holds a character that the file's encoding lacks"},
		{"north-fixed", formats.CarrierAddress1, strings.Repeat("щ", 11), "carrier.address1: is longer than its place"},
		{"north-fixed", formats.CardTrack1, strings.Repeat("9", 77), "card.track1: is longer than its place"},
		{"north-fixed", formats.CardExpiry, "3013", "card.expiry: is not of the field's type"},
		{"north-fixed", formats.CardPAN, "4111-1111", "card.pan: is not of the field's type"},
		{"north-fixed", formats.RecordNumber, "12345678", "record.number: is longer than its place"},
		{"south-delimited", formats.CarrierName, "Asha\nRao", "carrier.name: holds a control character"},
		{"south-delimited", formats.CarrierName, "As\xffa", "carrier.name: is not UTF-8"},
		{"native-jsonl", formats.CarrierName, "Asha\u2028Rao", "carrier.name: holds a control character"},
		{"native-jsonl", formats.OrderUnit, "007", "order.unit: is not of the field's type"},
	} {
		rec := head(1)
		fillDetail(rec, 1)
		rec.SetString(c.field, c.value)
		err := shipped(t, c.layout).NewPart().Add(rec)
		var fault *formats.ValueError
		if !errors.As(err, &fault) || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.layout, err, c.want)
		}
	}
}

func TestFileNamesAreSafe(t *testing.T) {
	l := shipped(t, "ack")
	for _, name := range []string{"", "../x", "a/b", ".hidden", "-rf", "a b", "a\x00", strings.Repeat("x", 200), "naïve"} {
		h := head(1)
		h.SetString(formats.FileName, name)
		if got, err := l.FileName(h); err == nil {
			t.Errorf("%q became %q", name, got)
		}
	}
}

func TestTotalsOfPartsMergeInAnyOrder(t *testing.T) {
	var rec, one, two formats.Record
	var whole, left, right formats.Totals
	for i, pan := range []string{"4999999999999999999", "5413339999999999", "4000009999999999", "4111111111111"} {
		rec.SetString(formats.CardPAN, pan)
		whole.Add(&rec)
		part := &left
		if i%2 == 1 {
			part = &right
		}
		part.Add(&rec)
	}
	right.Merge(&left)
	whole.Put(&one)
	right.Put(&two)
	if string(one.Get(formats.TotalsPANHash)) != "003111111108" || string(two.Get(formats.TotalsPANHash)) != "003111111108" || right.Records() != 4 {
		t.Errorf("%s and %s of %d", one.Get(formats.TotalsPANHash), two.Get(formats.TotalsPANHash), right.Records())
	}
}
