package formats_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"platen/formats"
)

// onePipe is a layout whose last column is a value with a pipe.
func onePipe(pipe string) string {
	return `{layout: p, version: "1", kind: card-file, mode: delimited, delimiter: "|", clearance: [personal, pan, pin-block], file: {name: x},
 detail: {fields: [{value: card.pan}, {value: record.uid}, {value: ` + pipe + `}]}}`
}

func TestPipesShapeAValueAndItsReaderUndoesThem(t *testing.T) {
	for _, c := range []struct {
		pipe  string
		field formats.Field
		value string
		wrote string
		read  string
	}{
		{"carrier.city, pipe: upper", formats.CarrierCity, "Köln-Ż", "KÖLN-Ż", "KÖLN-Ż"},
		{"carrier.city, pipe: upper", formats.CarrierCity, "Bonn", "BONN", "BONN"},
		{"carrier.city, pipe: lower", formats.CarrierCity, "ÅRHUS", "århus", "århus"},
		{"carrier.city, pipe: lower", formats.CarrierCity, "Bonn", "bonn", "bonn"},
		{"carrier.city, pipe: trim", formats.CarrierCity, "  Bonn ", "Bonn", "Bonn"},
		{"carrier.city, pipe: ascii", formats.CarrierCity, "Łódź, ul. ЩУР", "Lodz, ul. SHCHUR", "Lodz, ul. SHCHUR"},
		{"carrier.city, pipe: 'pad(6)'", formats.CarrierCity, "Köln", "Köln  ", "Köln"},
		{"carrier.city, pipe: 'pad(6, \"*\", left)'", formats.CarrierCity, "Köln", "**Köln", "Köln"},
		{"carrier.city, pipe: 'an(6)'", formats.CarrierCity, "", "      ", ""},
		{"order.unit, pipe: 'n(6)'", formats.OrderUnit, "42", "000042", "42"},
		{"order.unit, pipe: 'n(6)'", formats.OrderUnit, "0", "000000", "0"},
		{"order.unit, pipe: 'n(6)'", formats.OrderUnit, "", "      ", ""},
		{"order.unit, pipe: 'an(6)'", formats.OrderUnit, "42", "42    ", "42"},
		{"card.token, pipe: 'group(\"4 4 4 4\")'", formats.CardToken, "", "", ""},
		{"mailer.reference, pipe: 'group(\"4 4 4 4\")'", formats.MailerReference, "4111111111111111111", "4111 1111 1111 1111 111", "4111111111111111111"},
		{"mailer.reference, pipe: 'group(\"4-6-5\")'", formats.MailerReference, "378282246310005", "3782-822463-10005", "378282246310005"},
		{"mailer.reference, pipe: 'group(\"4 4\")'", formats.MailerReference, "411", "411", "411"},
		{"file.date, pipe: 'date(\"dd-MM-yyyy\")'", formats.FileDate, "20261123", "23-11-2026", "20261123"},
		{"file.date, pipe: 'date(\"yyMMdd\")'", formats.FileDate, "20261123", "261123", "20261123"},
		{"file.date, pipe: 'date(\"yyyy\")'", formats.FileDate, "20261123", "2026", ""},
		{"file.time, pipe: 'date(\"HH:mm\")'", formats.FileTime, "203000", "20:30", ""},
		{"card.expiry, pipe: 'date(\"yyyy-MM\")'", formats.CardExpiry, "3011", "2030-11", "3011"},
		{"card.pan, pipe: mask", formats.MailerReference, "", "411111******1111", ""},
		{"card.pan, pipe: 'last(4)'", formats.MailerReference, "", "1111", ""},
		{"card.pan, pipe: 'mask(0, 4, \"X\")'", formats.MailerReference, "", "XXXXXXXXXXXX1111", ""},
		{"card.pan, pipe: 'mask(8, 0)'", formats.MailerReference, "", "41111111********", ""},
		{"card.pan, pipe: token", formats.CardToken, "T01ABC", "T01ABC", "T01ABC"},
		{"return.occurred_at, pipe: utc", formats.ReturnOccurredAt, "2026-01-16T07:55:10+01:00", "20260116065510", "2026-01-16T06:55:10Z"},
		{"return.occurred_at, pipe: ['tz(\"Asia/Kolkata\")', 'date(\"dd.MM.yyyy HH:mm:ss\")']", formats.ReturnOccurredAt, "2026-01-16T20:55:10Z", "17.01.2026 02:25:10", "2026-01-16T20:55:10Z"},
		{"return.occurred_at, pipe: ['tz(\"Europe/Paris\")', 'date(\"yyMMddHHmmss\")']", formats.ReturnOccurredAt, "2026-10-25T01:30:00Z", "261025023000", "2026-10-25T00:30:00Z"},
		{"return.occurred_at, pipe: ['tz(\"Australia/Lord_Howe\")']", formats.ReturnOccurredAt, "2027-04-03T15:00:00Z", "20270404013000", "2027-04-03T14:30:00Z"},
		{"return.occurred_at, pipe: [utc, 'date(\"HH:mm\")']", formats.ReturnOccurredAt, "2026-01-16T20:55:10Z", "20:55", ""},
		{"return.occurred_at, pipe: utc", formats.ReturnOccurredAt, "", "", ""},
		{"carrier.city, pipe: 'translit(latin)'", formats.CarrierCity, "Köln ΑΘ Я Ｗ", "Koeln ΑΘ Я Ｗ", "Koeln ΑΘ Я Ｗ"},
		{"carrier.city, pipe: 'translit(plain)'", formats.CarrierCity, "KÖLN Łódź", "KOLN Lodz", "KOLN Lodz"},
		{"carrier.city, pipe: 'translit(greek)'", formats.CarrierCity, "Θήρα é", "Thira é", "Thira é"},
		{"carrier.city, pipe: 'translit(cyrillic)'", formats.CarrierCity, "ЩУР é", "SHCHUR é", "SHCHUR é"},
		{"carrier.city, pipe: 'translit(arabic)'", formats.CarrierCity, "القاهرة é ١٢", "alqahrh é 12", "alqahrh é 12"},
		{"carrier.city, pipe: 'fit(20, surname_first)'", formats.CarrierCity, "ASHA MARIA RAO", "RAO ASHA MARIA", "RAO ASHA MARIA"},
		{"carrier.city, pipe: 'fit(9, surname_first, initials)'", formats.CarrierCity, "ASHA MARIA RAO", "RAO A M", "RAO A M"},
		{"carrier.city, pipe: 'fit(6, surname_first, middle, cut)'", formats.CarrierCity, "ASHA MARIA RAO", "RAO AS", "RAO AS"},
		{"carrier.city, pipe: 'fit(9, surname_first)'", formats.CarrierCity, "CHER", "CHER", "CHER"},
		{"carrier.city, pipe: 'join(\"-\")'", formats.CarrierCity, " Le  Havre ", "Le-Havre", "Le-Havre"},
		{"carrier.city, pipe: ['ebcdic(cp037)', hex]", formats.CarrierCity, "Köln", "D2CC9395", "Köln"},
		{"carrier.city, pipe: ['ebcdic(cp1047)', hex]", formats.CarrierCity, "[^", "AD5F", "[^"},
		{"mailer.reference, pipe: 'fill(\"F\", 6)'", formats.MailerReference, "123", "123FFF", "123"},
		{"card.token, pipe: 'ss_es(on)'", formats.CardToken, "B4111^A/B^29", "%B4111^A/B^29?", "B4111^A/B^29"},
		{"card.token, pipe: 'ss_es(on)'", formats.CardToken, "4111=29", ";4111=29?", "4111=29"},
		{"card.token, pipe: 'ss_es(off)'", formats.CardToken, "4111=29", "4111=29", "4111=29"},
		{"carrier.city, pipe: 'last(2)'", formats.CarrierCity, "Malmö", "mö", ""},
		{"mailer.pin_block, pipe: hex", formats.MailerPINBlock, "\x00\xff|\r\n", "00FF7C0D0A", "\x00\xff|\r\n"},
		{"carrier.delivery, pipe: 'default(\"STANDARD\")'", formats.CarrierDelivery, "", "STANDARD", ""},
		{"carrier.delivery, pipe: 'default(\"STANDARD\")'", formats.CarrierDelivery, "COURIER", "COURIER", "COURIER"},
		{"card.token, pipe: 'wrap(\"<\", \">\")'", formats.CardToken, "T1", "<T1>", "T1"},
		{"card.token, pipe: 'wrap(\"<\", \">\")'", formats.CardToken, "", "", ""},
		{"carrier.city, pipe: [trim, 'default(\"-\")', 'pad(5, \" \", left)']", formats.CarrierCity, " ", "    -", ""},
	} {
		l, err := formats.Load("pipe", []byte(onePipe(c.pipe)))
		if strings.Contains(c.pipe, "card.token, pipe: 'group") {
			if err == nil || !strings.Contains(err.Error(), "wrong type: group does not take text") {
				t.Errorf("%s: %v", c.pipe, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var rec formats.Record
		rec.SetString(formats.CardPAN, "4111111111111111")
		rec.SetString(c.field, c.value)
		line, err := oneLine(l, &rec)
		if want := "4111111111111111||" + c.wrote + "\n"; err != nil || string(line) != want {
			t.Errorf("%s: wrote %q, %v; want %q", c.pipe, line, err, want)
			continue
		}
		_, got, err := l.NewReader(bytes.NewReader(line)).Next()
		if err != nil {
			t.Errorf("%s: read %q: %v", c.pipe, line, err)
			continue
		}
		if string(got.Get(c.field)) != c.read || string(got.Get(formats.CardPAN)) != "4111111111111111" {
			t.Errorf("%s: read %q, %v; want %q", c.pipe, got.Get(c.field), err, c.read)
		}
	}
}

// oneLine writes a record of a layout that has neither header nor trailer.
func oneLine(l *formats.Layout, rec *formats.Record) ([]byte, error) {
	var b bytes.Buffer
	w, err := l.NewWriter(&b, new(formats.Record))
	if err == nil {
		err = w.Write(rec)
	}
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}

func TestPipesRefuseWrongArgumentsAndTypes(t *testing.T) {
	for pipe, want := range map[string]string{
		"carrier.city, pipe: 'pad(0)'":                                  "impossible length",
		"card.pan, pipe: 'mask(9, 4)'":                                  "shows at most 8 digits in front and 4 behind",
		"card.pan, pipe: 'mask(6, 5)'":                                  "shows at most 8 digits in front and 4 behind",
		"card.pan, pipe: 'mask(6)'":                                     "takes 2 to 3 arguments",
		"card.pan, pipe: 'mask(6, 4, \"0\")'":                           "one ASCII character that is none",
		"card.pan, pipe: [mask, 'mask(6, 4)']":                          "wrong type: mask takes card.pan",
		"card.pan, pipe: [upper, token]":                                "wrong type",
		"carrier.city, pipe: utc":                                       "wrong type: utc takes a moment",
		"return.occurred_at, pipe: 'utc(\"UTC\")'":                      "takes no arguments",
		"return.occurred_at, pipe: 'tz(\"Europe/Atlantis\")'":           "there is no zone",
		"return.occurred_at, pipe: 'tz(Local)'":                         "there is no zone",
		"return.occurred_at, pipe: 'tz(\"../etc/passwd\")'":             "there is no zone",
		"return.occurred_at, pipe: [utc, utc]":                          "wrong type: utc takes a moment",
		"return.occurred_at, pipe: 'date(\"HH\")'":                      "wrong type: date does not take text",
		"carrier.city, pipe: 'translit(klingon)'":                       "there is no table",
		"carrier.city, pipe: 'fit(9, initials, surname_first)'":         "there is no mode",
		"carrier.city, pipe: 'ebcdic(cp850)'":                           "there is no code page",
		"carrier.city, pipe: 'ebcdic(cp037)'":                           "a binary value needs hex",
		"carrier.city, pipe: 'fill(ab, 6)'":                             "fills with one ASCII character",
		"carrier.city, pipe: 'fill(a)'":                                 "needs a length here",
		"carrier.city, pipe: 'ss_es(maybe)'":                            "takes on or off",
		"carrier.city, pipe: 'pad(6, \"ab\")'":                          "fills with one ASCII character",
		"carrier.city, pipe: 'pad(6, \"a\", middle)'":                   "the side is left or right",
		"carrier.city, pipe: 'pad('":                                    "an argument is missing",
		"carrier.city, pipe: 'pad(6'":                                   "an argument is missing",
		"carrier.city, pipe: 'pad(6, \"x)'":                             "a quoted argument does not end",
		"carrier.city, pipe: 'pad(6) x'":                                "do not end with )",
		"carrier.city, pipe: an":                                        "needs a length here",
		"carrier.city, pipe: 'upper(1)'":                                "takes 0 to 0 arguments",
		"carrier.city, pipe: hex":                                       "wrong type: hex does not take text",
		"carrier.city, pipe: mask":                                      "wrong type: mask takes card.pan",
		"carrier.city, pipe: 'date(\"yy\")'":                            "wrong type: date does not take text",
		"card.expiry, pipe: 'date(\"dd/MM\")'":                          "wrong type: the value has no dd",
		"card.expiry, pipe: 'date(\"QQ\")'":                             `"Q" is no part of a date`,
		"card.expiry, pipe: 'date(\"\")'":                               "is empty or too long",
		"card.expiry, pipe: ['date(\"MM/yy\")', 'pad(4)']":              "impossible length 4 for a value of 5",
		"card.expiry, pipe: ['date(\"MM/yy\")', 'n(8)']":                "wrong type: n does not take text",
		"card.pan, pipe: 'group(\"4444\")'":                             "is not sizes with one character between",
		"mailer.pin_block, pipe: 'default(\"x\")'":                      "wrong type: default does not take binary",
		"mailer.pin_block":                                              "a binary value needs hex",
		"card.pan, pipe: ['group(\"4 4 4 4\")', mask]":                  "wrong type: mask takes card.pan as it is",
		"card.track2, pipe: 'last(4)'":                                  "card.track2: is track, which the clearance does not list",
		"card.cvv2":                                                     "card.cvv2: is code",
		"carrier.city, pipe: [" + strings.Repeat("trim,", 20) + "trim]": "too many functions",
	} {
		if _, err := formats.Load("pipe", []byte(onePipe(pipe))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", pipe, err, want)
		}
	}
}

// lines makes an order of many rows without holding it.
type lines struct {
	left int
	rest []byte
}

func (l *lines) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		if l.left == 0 {
			return 0, io.EOF
		}
		l.left--
		l.rest = fmt.Appendf(l.rest[:0], "p,Zoë,\"Ann, %d\",%s,Cork,IE\n", l.left, strings.Repeat("x", 30))
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func TestALongOrderIsReadInBoundedMemory(t *testing.T) {
	const rows = 50_000
	r, err := formats.NewOrderReader(io.MultiReader(strings.NewReader(bulkHeader), &lines{left: rows}))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n := int64(0)
	for {
		row, faults, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || len(faults) > 0 || row.Line != n+2 {
			t.Fatal(row.Line, faults, err)
		}
		n++
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); n != rows || grown > 1<<20 {
		t.Errorf("%d rows, %d bytes more are held", n, grown)
	}
	runtime.KeepAlive(r)
}
