package formats_test

import (
	"bytes"
	"strings"
	"testing"

	"platen/formats"
)

// What cannot be written or read is refused, and never made to something else.
func TestWordsOfTheListRefuseValuesThatTheyCannotWriteOrRead(t *testing.T) {
	for _, c := range []struct {
		pipe, value, want string
		field             formats.Field
	}{
		{"return.occurred_at, pipe: utc", "yesterday", "does not have the form", formats.ReturnOccurredAt},
		{"return.occurred_at, pipe: utc", "1999-12-31T23:59:59Z", "does not have the form", formats.ReturnOccurredAt},
		{"carrier.city, pipe: ['ebcdic(cp037)', hex]", "Łódź", "lacks", formats.CarrierCity},
		{"carrier.city, pipe: ['ebcdic(cp037)', hex]", "a\nb", "control character", formats.CarrierCity},
		{"carrier.city, pipe: 'ss_es(on)'", "B1^A?^2", "does not have the form", formats.CarrierCity},
		{"carrier.city, pipe: 'ss_es(off)'", ";1=2?", "does not have the form", formats.CarrierCity},
		{"carrier.city, pipe: 'fit(4, surname_first, initials)'", "ASHA RAO-SINGH", "longer than its place", formats.CarrierCity},
		{"carrier.city, pipe: 'translit(latin)'", "a\u202eb", "control character", formats.CarrierCity},
		{"carrier.city, pipe: 'translit(arabic)'", "\xff", "is not UTF-8", formats.CarrierCity},
		{"card.pan, pipe: 'mask(8, 4)'", "411111111111116", "does not have the form", formats.CardPAN},
	} {
		l, err := formats.Load("word", []byte(onePipe(c.pipe)))
		if err != nil {
			t.Fatal(err)
		}
		var rec formats.Record
		rec.SetString(formats.CardPAN, "4111111111111111")
		rec.SetString(c.field, c.value)
		if line, err := oneLine(l, &rec); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %q: %q, %v; want %s", c.pipe, c.value, line, err, c.want)
		}
	}
	for _, c := range []struct{ pipe, column string }{
		{"return.occurred_at, pipe: 'tz(\"Europe/Paris\")'", "20260329023000"}, // a clock goes from 02:00 to 03:00
		{"return.occurred_at, pipe: utc", "20260230000000"},
		{"return.occurred_at, pipe: utc", "2026021600000"},
		{"return.occurred_at, pipe: [utc, 'date(\"dd.MM.yyyy HH:mm:ss\")']", "16.01.2026 24:00:00"},
		{"carrier.city, pipe: ['ebcdic(cp037)', hex]", "D2C"},
		{"carrier.city, pipe: ['ebcdic(cp037)', hex]", "25"},
		{"carrier.city, pipe: 'ss_es(on)'", "%4111?"},
		{"carrier.city, pipe: 'ss_es(on)'", ";4111"},
	} {
		l, err := formats.Load("word", []byte(onePipe(c.pipe)))
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := l.NewReader(strings.NewReader("4111111111111111||" + c.column + "\n")).Next(); err == nil {
			t.Errorf("%s: %q is read as %q", c.pipe, c.column, got.Get(formats.ReturnOccurredAt))
		}
	}
}

func TestJoinedPartsHaveTheirTextBetweenThoseThatAreThere(t *testing.T) {
	l, err := formats.Load("join", []byte(strings.Replace(onePipe("record.uid"), "{value: record.uid}]", `{parts: [holder.title, holder.first_name, {value: holder.last_name, pipe: upper}, {value: card.psn, when: card.reason}], pipe: ['join(" ")', 'len(20)']}]`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for want, names := range map[string][3]string{"Dr Asha RAO 01": {"Dr", "Asha", "Rao"}, "Asha 01": {"", "Asha", ""}, "RAO 01": {"", "", "Rao"}, "Dr RAO 01": {"Dr", "", "Rao"}} {
		var rec formats.Record
		rec.SetString(formats.CardPAN, "4111111111111111")
		rec.SetString(formats.CardReason, "NEW")
		rec.SetString(formats.CardPSN, "01")
		for i, f := range []formats.Field{formats.HolderTitle, formats.HolderFirstName, formats.HolderLastName} {
			rec.SetString(f, names[i])
		}
		line, err := oneLine(l, &rec)
		if err != nil || !bytes.HasSuffix(line, []byte("|"+want+"\n")) {
			t.Errorf("%q, %v; want %q", line, err, want)
		}
		if _, got, err := l.NewReader(bytes.NewReader(line)).Next(); err != nil || got.Has(formats.HolderLastName) {
			t.Errorf("%q is read back: %v", line, err)
		}
	}
}
