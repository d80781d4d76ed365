package software

import (
	"encoding/hex"
	"strings"
	"testing"

	"platen/hsm"
	"platen/hsm/knownanswers"
)

func upper(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

func tdesOf(t *testing.T, clearKey []byte) *tdesKey {
	t.Helper()
	k, err := newTDESKey(clearKey)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func aesOf(t *testing.T, clearKey []byte) *aesKey {
	t.Helper()
	k, err := newAESKey(clearKey)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func pinOf(digits string) clearPIN {
	p := clearPIN{n: len(digits)}
	for i, c := range []byte(digits) {
		p.digits[i] = c - '0'
	}
	return p
}

func (p clearPIN) text() string {
	var s strings.Builder
	for _, d := range p.digits[:p.n] {
		s.WriteByte('0' + d)
	}
	return s.String()
}

func TestCardCodesMatchPublishedOnes(t *testing.T) {
	for _, v := range knownanswers.Load(t, "cvv", "cvv_family_regression", "cvv_second_pass") {
		k := tdesOf(t, v.Bytes(t, "cvk"))
		expiry := [4]byte([]byte(v.Text("expiry")))
		if v.Text("kind") == "cvv2" {
			expiry = [4]byte{expiry[2], expiry[3], expiry[0], expiry[1]}
		}
		got := string(k.code(new(bench), []byte(v.Text("pan")), expiry, [3]byte([]byte(v.Text("service_code")))))
		if got != v.Answer() {
			t.Errorf("%s: %s, want %s", v.ID, got, v.Answer())
		}
	}
}

func TestDecimaliseMatchesPublishedResults(t *testing.T) {
	for _, v := range knownanswers.Load(t, "decimalise_visa") {
		var nibbles []byte
		for _, c := range v.Text("hex") {
			nibbles = append(nibbles, byte(strings.IndexRune("0123456789ABCDEF", c)))
		}
		out := make([]byte, v.Int("n"))
		decimalise(out, nibbles)
		if string(out) != v.Answer() {
			t.Errorf("%s: %s, want %s", v.ID, out, v.Answer())
		}
	}
}

func TestPVVsMatchPublishedOnes(t *testing.T) {
	for _, v := range knownanswers.Load(t, "visa_pvv", "visa_pvv_regression") {
		b := &bench{pin: pinOf(v.Text("pin"))}
		got := tdesOf(t, v.Bytes(t, "pvk")).pvv(b, []byte(v.Text("pan")), int(v.Text("pvki")[0]-'0'))
		if string(got[:]) != v.Answer() {
			t.Errorf("%s: %s, want %s", v.ID, string(got[:]), v.Answer())
		}
	}
}

func schemeOf(t *testing.T, table, template string, length int) *scheme {
	t.Helper()
	s, err := newScheme(hsm.IBM3624{DecTable: table, Validation: template, Length: length})
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

func naturalOf(t *testing.T, v knownanswers.Vector) *bench {
	t.Helper()
	b := new(bench)
	splitNibbles(b.nibbles[:], v.Bytes(t, "validation_data"))
	tdesOf(t, v.Bytes(t, "pvk")).naturalPIN(b, schemeOf(t, v.Text("decimalisation_table"), "00000000000N", 4))
	return b
}

func TestIBM3624OffsetsMatchPublishedOnes(t *testing.T) {
	for _, v := range knownanswers.Load(t, "ibm3624_offset") {
		b := naturalOf(t, v)
		if got := b.natural.text(); got != v.Text("natural_pin") {
			t.Errorf("%s: natural PIN %s", v.ID, got)
		}
		b.pin = pinOf(v.Text("pin"))
		if got := b.offset(); string(got.Digits[:got.N]) != v.Answer() {
			t.Errorf("%s: offset %s, want %s", v.ID, string(got.Digits[:got.N]), v.Answer())
		}
	}
}

func TestIBM3624PINsFollowFromOffsets(t *testing.T) {
	for _, v := range knownanswers.Load(t, "ibm3624_pin_from_offset") {
		b := naturalOf(t, v)
		b.pin = pinOf(v.Answer())
		if got := b.offset(); string(got.Digits[:got.N]) != v.Text("offset") {
			t.Errorf("%s: the PIN's offset is %s, want %s", v.ID, string(got.Digits[:got.N]), v.Text("offset"))
		}
	}
}

func TestValidationDataFollowsTheTemplate(t *testing.T) {
	for _, v := range knownanswers.Load(t, "thales_validation_data") {
		s := schemeOf(t, "0123456789012345", v.Text("template"), 4)
		var nibbles [16]byte
		// A first digit and a check digit stand around the twelve digits of the account.
		s.validationData(nibbles[:], []byte("4"+v.Text("account12")+"0"))
		var packed [8]byte
		joinNibbles(packed[:], nibbles[:])
		if got := upper(packed[:]); got != v.Answer() {
			t.Errorf("%s: %s, want %s", v.ID, got, v.Answer())
		}
	}
	// The other template of the reference, with a character after N.
	s := schemeOf(t, "0123456789012345", "5022654000N2", 4)
	var nibbles [16]byte
	s.validationData(nibbles[:], []byte("46540008900090"))
	var packed [8]byte
	joinNibbles(packed[:], nibbles[:])
	if got := upper(packed[:]); got != "5022654000900092" {
		t.Errorf("validation data %s", got)
	}
}

func TestISO0BlocksMatchPublishedOnes(t *testing.T) {
	for _, v := range knownanswers.Load(t, "pinblock_iso0", "pinblock_iso0_encrypted") {
		b := &bench{pin: pinOf(v.Text("pin"))}
		account := []byte(v.Text("pan"))
		var got []byte
		if v.Algo == "pinblock_iso0" {
			got = b.block[:8]
			plainISO0(b, got, account)
		} else {
			k := tdesOf(t, v.Bytes(t, "key"))
			got = append(got, k.buildISO0(b, account)...)
			b.pin = clearPIN{}
			if !k.openISO0(b, got, account) || b.pin != pinOf(v.Text("pin")) {
				t.Errorf("%s: opened %s", v.ID, b.pin.text())
			}
		}
		if upper(got) != v.Answer() {
			t.Errorf("%s: %s, want %s", v.ID, upper(got), v.Answer())
		}
	}
}

func TestISO4BlocksMatchPublishedOnes(t *testing.T) {
	for _, v := range knownanswers.Load(t, "pinblock_iso4") {
		b := &bench{pin: pinOf(v.Text("pin"))}
		copy(b.random[:], v.Bytes(t, "random8"))
		if got := upper(aesOf(t, v.Bytes(t, "key")).buildISO4(b, []byte(v.Text("pan")))); got != v.Answer() {
			t.Errorf("%s: %s, want %s", v.ID, got, v.Answer())
		}
	}
	for _, v := range knownanswers.Load(t, "pinblock_iso4_decode") {
		b := new(bench)
		if !aesOf(t, v.Bytes(t, "key")).openISO4(b, v.Bytes(t, "block"), []byte(v.Text("pan"))) || b.pin.text() != v.Answer() {
			t.Errorf("%s: opened %s, want %s", v.ID, b.pin.text(), v.Answer())
		}
	}
	for _, v := range knownanswers.Load(t, "pinblock_iso4_pan_field") {
		var field [16]byte
		accountISO4(field[:], []byte(v.Text("pan")))
		if upper(field[:]) != v.Answer() {
			t.Errorf("%s: %s, want %s", v.ID, upper(field[:]), v.Answer())
		}
	}
	for _, v := range knownanswers.Load(t, "pin_translate_iso0_to_iso4_regression") {
		b, account := new(bench), []byte(v.Text("pan"))
		if !tdesOf(t, v.Bytes(t, "zpk_in")).openISO0(b, v.Bytes(t, "block_in"), account) {
			t.Fatalf("%s: block did not open", v.ID)
		}
		copy(b.random[:], v.Bytes(t, "random8"))
		if got := upper(aesOf(t, v.Bytes(t, "aes_out")).buildISO4(b, account)); got != v.Answer() {
			t.Errorf("%s: %s, want %s", v.ID, got, v.Answer())
		}
	}
}

// Every fault of a clear block is found: control, length, digits and fill.
func TestReadPINRefusesMalformedBlocks(t *testing.T) {
	for name, clearBlock := range map[string]string{
		"control 3": "341234AAAAAAAAAA", "control 0": "041234AAAAAAAAAA", "length 3": "43123AAAAAAAAAAA", "length 0": "40AAAAAAAAAAAAAA",
		"length 13": "4D1234567890123A", "length 15": "4F12345678901234", "letter in the PIN": "441AB2AAAAAAAAAA",
		"fill B": "441234BBBBBBBBBB", "last fill": "441234AAAAAAAAAB", "first fill": "4412349AAAAAAAAA", "fill inside": "461234AAAAAAAAAA",
	} {
		b := new(bench)
		raw, err := hex.DecodeString(clearBlock)
		if err != nil {
			t.Fatal(err)
		}
		splitNibbles(b.nibbles[:], raw)
		if b.readPIN(4, 0xA) {
			t.Errorf("%s was taken", name)
		}
		if b.pin != (clearPIN{}) {
			t.Errorf("%s left a PIN behind", name)
		}
	}
	for n := minPIN; n <= maxPIN; n++ {
		for control, fill := range map[byte]byte{0: 0xF, 4: 0xA} {
			want := pinOf("987654321098"[:n])
			b := &bench{pin: want}
			b.writePIN(control, fill)
			b.pin = clearPIN{}
			if !b.readPIN(control, fill) || b.pin != want {
				t.Errorf("a PIN of %d digits came back as %d digits", n, b.pin.n)
			}
		}
	}
}

func TestTrivialPINsAreKnown(t *testing.T) {
	pan := []byte("4000000000005829")
	for pin, want := range map[string]bool{
		"0000": true, "777777": true, "1234": true, "4321": true, "7890": true, "2109": true, "5829": true, "005829": true,
		"1235": false, "5828": false, "1357": false, "112233": false, "829582": false,
	} {
		if p := pinOf(pin); p.trivial(pan) != want {
			t.Errorf("%s: trivial is %v", pin, !want)
		}
	}
}

func TestSchemesThatWeakenPINsAreRefused(t *testing.T) {
	good := hsm.IBM3624{DecTable: "0123456789012345", Validation: "00000000000N", Length: 4}
	for name, change := range map[string]func(*hsm.IBM3624){
		"seven different digits": func(p *hsm.IBM3624) { p.DecTable = "0123456001234566" },
		"a digit five times":     func(p *hsm.IBM3624) { p.DecTable = "0000012345678999" },
		"short table":            func(p *hsm.IBM3624) { p.DecTable = "012345678901234" },
		"letter in the table":    func(p *hsm.IBM3624) { p.DecTable = "012345678901234A" },
		"no N":                   func(p *hsm.IBM3624) { p.Validation = "000000000000" },
		"two N":                  func(p *hsm.IBM3624) { p.Validation = "0000000000NN" },
		"no hexadecimal":         func(p *hsm.IBM3624) { p.Validation = "G0000000000N" },
		"short template":         func(p *hsm.IBM3624) { p.Validation = "0000000000N" },
		"three digits":           func(p *hsm.IBM3624) { p.Length = 3 },
		"thirteen digits":        func(p *hsm.IBM3624) { p.Length = 13 },
	} {
		p := good
		change(&p)
		if _, err := newScheme(p); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := newScheme(good); err != nil {
		t.Error(err)
	}
}
