package formats_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"platen/formats"
)

func TestRecordsAndTotalsPrintAsMasksInEveryVerb(t *testing.T) {
	const pan = "4111111111111111"
	rec := new(formats.Record)
	rec.SetString(formats.CardPAN, pan)
	var totals formats.Totals
	totals.Add(rec)
	holder := struct {
		hidden formats.Record
		Shown  *formats.Record
		totals formats.Totals
	}{*rec, rec, totals}
	var shown bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%o"} {
		for _, v := range []any{rec, *rec, holder, &holder, []formats.Record{*rec}, map[string]*formats.Record{"a": rec}, totals, &totals} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
	}
	for _, v := range []any{rec, *rec, holder, totals} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(b)
	}
	log := zerolog.New(&shown)
	log.Info().Object("record", rec).Interface("again", rec).Interface("totals", totals).Send()
	for _, secret := range []string{pan, "111111111", fmt.Sprintf("%x", pan), fmt.Sprint([]byte(pan)[:4])[1:12]} {
		if strings.Contains(shown.String(), secret) {
			t.Errorf("%q shows in %s", secret, shown.String())
		}
	}
}

func TestRecordKeepsCopiesAndForgetsThem(t *testing.T) {
	var r formats.Record
	if r.Has(formats.CardPAN) || r.Get(formats.CardPAN) != nil {
		t.Error("an empty record has a value")
	}
	r.Reset()
	v := []byte("abc")
	r.Set(formats.CardName, v)
	v[0] = 'x'
	kept := r.Get(formats.CardName)
	if string(kept) != "abc" || !r.Has(formats.CardName) {
		t.Errorf("kept %q", kept)
	}
	r.SetInt(formats.OrderUnit, -12)
	if string(r.Get(formats.OrderUnit)) != "-12" {
		t.Error("SetInt")
	}
	r.Reset()
	if r.Has(formats.CardName) || string(kept) != "\x00\x00\x00" {
		t.Errorf("after Reset %q", kept)
	}
}
