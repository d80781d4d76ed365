package formats

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"platen/hsm"
)

// testZEK is a clear test key: known to everybody, and of no value.
const testZEK = "404043434545464649494A4A4C4C4F4F"

const sealingLayout = `layout: small
version: "1"
kind: card-file
mode: jsonl
clearance: [personal, pan, code]
keys: [zek]
file: {name: "a_{file.sequence|n(4)}.txt"}
header:
  fields:
    - {name: key, value: kcv(zek)}
detail:
  fields:
    - {name: pan, value: card.pan}
    - {name: uid, value: record.uid}
    - {name: code, value: card.cvv2, pipe: ['pad(16, "F")', 'enc(zek, tdes-ecb)']}
    - {name: name, value: card.name, pipe: [asciihex, pad80, 'enc(zek, tdes-cbc)', dgi(8101)]}
trailer:
  fields:
    - {name: records, value: totals.records}
`

func testKeysOf(l *Layout) testKeys {
	keys := testKeys{}
	for _, c := range l.Ciphers() {
		k, err := newTestKey(c.Mode, testZEK)
		if err != nil {
			panic("formats: the test key is malformed")
		}
		keys[c.Key] = k
	}
	return keys
}

// underTestKey is a layout that enciphers under the test key whatever it enciphers.
func underTestKey(t testing.TB, l *Layout) (*Layout, testKeys) {
	t.Helper()
	keys := testKeysOf(l)
	out, err := keys.on(l, new(Record))
	if err != nil {
		t.Fatal(err)
	}
	return out, keys
}

func TestLoadRefusesWhatCannotBeEnciphered(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown key", "enc(zek, tdes-ecb)", "enc(zak, tdes-ecb)", `x.yaml:15: card.cvv2: function enc: keys does not name "zak"`},
		{"unknown mode", "enc(zek, tdes-ecb)", "enc(zek, ecb)", `x.yaml:15: card.cvv2: function enc: the mode is tdes-ecb, tdes-cbc, aes-ecb or aes-cbc, not "ecb"`},
		{"no mode", "enc(zek, tdes-ecb)", "enc(zek)", "function enc takes 2 to 2 arguments"},
		{"no whole block", `pad(16, "F")`, `pad(14, "F")`, "x.yaml:15: card.cvv2: function enc: impossible length: 14 hexadecimal digits are not whole blocks of 16"},
		{"length that is not known", "[asciihex, pad80,", "[asciihex,", "x.yaml:16: card.name: function enc: nothing brings the value to whole blocks of 8 bytes"},
		{"something behind the padding", "pad80, 'enc", "pad80, upper, 'enc", "nothing brings the value to whole blocks"},
		{"blocks of another cipher", "enc(zek, tdes-cbc)", "enc(zek, aes-cbc)", "nothing brings the value to whole blocks of 16 bytes"},
		{"blocks of nine", "pad80,", "pad80(9),", "function pad80: blocks have 8 or 16 bytes"},
		{"a key of two ciphers", "pad80, 'enc(zek, tdes-cbc)'", "pad80(16), 'enc(zek, aes-cbc)'", "x.yaml:6: keys: zek cannot be of TDES and of AES"},
		{"a key that nothing needs", "keys: [zek]", "keys: [zek, more]", "x.yaml:6: keys: nothing is enciphered under more"},
		{"a key twice", "keys: [zek]", "keys: [zek, zek]", "x.yaml:6: keys: zek stands twice"},
		{"too many keys", "keys: [zek]", "keys: [a, b, c, d, e]", "x.yaml:6: keys: at most 4"},
		{"a key that is none", "keys: [zek]", "keys: ['a key']", "x.yaml:6: keys: must be labels of keys"},
		{"enciphered twice", "'enc(zek, tdes-ecb)']", "'enc(zek, tdes-ecb)', 'enc(zek, tdes-ecb)']", "card.cvv2: enc stands once in a field"},
		{"no clearance", "pan, code]", "pan]", "x.yaml:15: card.cvv2: is code, which the clearance does not list"},
		{"in a trailer", "value: totals.records", "value: file.stamp, pipe: [asciihex, pad80, 'enc(zek, tdes-ecb)']", "enc is for the details of a card-file or pin-mailer"},
		{"in a file name", "{file.sequence|n(4)}", "{file.sequence|pad(16)|enc(zek, tdes-ecb)}", `keys does not name "zek"`},
		{"the number alone enciphered", "{name: pan, value: card.pan}", "{name: pan, value: card.pan, pipe: [asciihex, pad80, 'enc(zek, tdes-ecb)']}", "a card-file needs card.pan as it is"},
		{"another key's check value", "kcv(zek)", "kcv(zak)", `x.yaml:10: kcv: keys does not name "zak"`},
		{"bytes", "value: card.name, pipe: [asciihex, pad80,", "value: chip.data, pipe: [", "wrong type: enc does not take binary"},
	} {
		_, err := Load("x.yaml", []byte(strings.Replace(sealingLayout, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	status := strings.NewReplacer("kind: card-file", "kind: status", "clearance: [personal, pan, code]", "clearance: []", "card.pan", "return.status", "record.uid", "return.uid",
		"card.cvv2", "return.last4", "card.name", "return.reason").Replace(sealingLayout)
	if _, err := Load("x.yaml", []byte(status)); err == nil || !strings.Contains(err.Error(), "enc is for the details of a card-file") {
		t.Errorf("an answer of a bureau: %v", err)
	}
}

func numbered() *Record {
	head := new(Record)
	head.SetString(FileSequence, "1")
	return head
}

func sealingRecord() *Record {
	rec := new(Record)
	for f, v := range map[Field]string{CardPAN: "4111111111111111", RecordUID: "1-0000001", CardCVV2: "456", CardName: "ASHA RAO"} {
		rec.SetString(f, v)
	}
	return rec
}

// What was not enciphered is never written, and what was enciphered for one record never stands in the next.
func TestNothingIsWrittenThatWasNotEnciphered(t *testing.T) {
	l := loaded(t, sealingLayout)
	rec := sealingRecord()
	refused := func(what string) {
		t.Helper()
		if err := l.NewPart().Add(rec); !errors.Is(err, errNotEnciphered) || strings.Contains(err.Error(), "456") {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("nothing was enciphered")
	l.SetEnciphered(rec, 0, make([]byte, 8))
	refused("one of two values was")
	l.SetEnciphered(rec, 1, make([]byte, 16))
	if err := l.NewPart().Add(rec); err != nil {
		t.Fatal(err)
	}
	refused("it was written before")
	rec.Set(CardName, nil)
	l.SetEnciphered(rec, 0, make([]byte, 8))
	if err := l.NewPart().Add(rec); err != nil {
		t.Errorf("there is nothing to encipher: %v", err)
	}
	rec.SetString(CardName, strings.Repeat("A", hsm.MaxData))
	if _, err := l.AppendData(nil, 1, rec); !errors.Is(err, errTooLong) {
		t.Errorf("more than a module takes: %v", err)
	}
	rec.SetString(CardCVV2, "4G6")
	if _, err := l.AppendData(nil, 0, rec); err == nil {
		t.Error("a code with a letter became data")
	}
}

func TestWhatWasEncipheredComesBack(t *testing.T) {
	plain := loaded(t, sealingLayout)
	l, keys := underTestKey(t, plain)
	head, rec := new(Record), sealingRecord()
	l.SetKCV(head, 0, "08D7B4")
	file := writeAll(t, l, head, rec)
	for _, secret := range []string{"456", "343536", "ASHA", "41534841"} {
		if bytes.Contains(file, []byte(secret)) {
			t.Errorf("the file shows %s", secret)
		}
	}
	if again := writeAll(t, l, head, rec); !bytes.Equal(file, again) {
		t.Error("the same record made another file")
	}
	in := plain.NewReader(bytes.NewReader(file))
	if _, got, err := in.Next(); err != nil || in.Layout().KCV(got, 0) != "08D7B4" {
		t.Fatalf("the header: %v", err)
	}
	_, got, err := in.Next()
	if err != nil {
		t.Fatal(err)
	}
	if got.Has(CardCVV2) || got.Has(CardName) {
		t.Error("a reader without keys knows what is enciphered")
	}
	if err := keys.open(plain, got, rec); err != nil || string(got.Get(CardCVV2)) != "456" || string(got.Get(CardName)) != "ASHA RAO" {
		t.Errorf("opened: %v, %q, %q", err, got.Get(CardCVV2), got.Get(CardName))
	}
	// Data of another key is none of the layout's.
	if err := plain.TakeData(new(Record), 1, bytes.Repeat([]byte{0x41}, 16)); err == nil {
		t.Error("data without their padding were taken")
	}
	other := new(Record)
	other.SetString(CardName, "ANOTHER")
	if err := plain.TakeData(other, 1, []byte("ASHA RAO\x80\x00\x00\x00\x00\x00\x00\x00")); !errors.Is(err, errTwoValues) {
		t.Errorf("a value that stands twice with two values: %v", err)
	}
	for _, a := range []Audience{ForIssuerMasked, ForIssuerCutdown} {
		if file := writeAll(t, l.For(a), head, rec); bytes.Contains(file, []byte(`"code"`)) {
			t.Errorf("for %s the code stands there, if enciphered: %s", a, file)
		}
	}
}

func TestDamagedDataAreRefused(t *testing.T) {
	plain := loaded(t, sealingLayout)
	l, _ := underTestKey(t, plain)
	file := string(writeAll(t, l, new(Record), sealingRecord()))
	at := strings.Index(file, `"code":"`) + len(`"code":"`)
	for name, damaged := range map[string]string{"another letter": file[:at] + "X" + file[at+1:], "a digit too few": file[:at] + file[at+1:], "half a block": file[:at] + file[at+8:]} {
		in := plain.NewReader(strings.NewReader(damaged))
		if _, _, err := in.Next(); err != nil {
			t.Fatal(err)
		}
		_, rec, err := in.Next()
		if err == nil {
			_, err = plain.Enciphered(0, rec)
		}
		if fault := new(ValueError); !errors.As(err, &fault) || fault.Field != "card.cvv2" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A preview, an order's trial and a comparison need no key: they write zeros.
func TestTrialsNeedNoKey(t *testing.T) {
	l := loaded(t, sealingLayout)
	if p, err := l.Preview(numbered(), []*Record{sealingRecord()}); err != nil || strings.Contains(p.Lines[1].Text, "456") || !strings.Contains(p.Lines[1].Text, `"code":"****************"`) {
		t.Errorf("preview: %v, %+v", err, p.Lines)
	}
	trial := NewTrial(l, l)
	if effects := trial.Try(sealingRecord()); len(effects) > 0 || trial.Rejected+trial.Welcome > 0 {
		t.Errorf("comparison: %v", effects)
	}
	if advice := l.Lint(); !strings.Contains(advice[len(advice)-1].Reason, "one of so few values") {
		t.Errorf("a code alone in a block is passed over: %v", advice)
	}
}
