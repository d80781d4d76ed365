package pin

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"platen/hsm"
)

func parse(t testing.TB, digits string) *Clear {
	t.Helper()
	p, err := Parse(digits)
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

func TestPINsOfWrongShapeAreRefusedByName(t *testing.T) {
	for _, s := range []string{"", "123", "1234567890123", "12a4"} {
		_, err := Parse(s)
		if input := new(hsm.InputError); !errors.As(err, &input) || input.Field != "pin" || s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("%d characters: %v", len(s), err)
		}
	}
}

func TestAClearPINPrintsAsAMask(t *testing.T) {
	p := parse(t, "52031")
	for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%x", "%s"} {
		if s := fmt.Sprintf(verb, *p); s != "[PIN]" {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}

func TestTrivialPINsAreRefused(t *testing.T) {
	pan := []byte("4000000000005829")
	for digits, want := range map[string]bool{
		"0000": true, "777777": true, "1234": true, "4321": true, "7890": true, "2109": true, "5829": true, "005829": true,
		"1235": false, "5828": false, "1357": false, "112233": false, "829582": false,
	} {
		p := parse(t, digits)
		if NotTrivial.Refuses(p, pan) != want {
			t.Errorf("%s: refused is %v", digits, !want)
		}
		if AnyPIN.Refuses(p, pan) {
			t.Errorf("%s: refused without a rule", digits)
		}
	}
}

func TestPatternsAreRefusedWhereTheProductSaysSo(t *testing.T) {
	pan := []byte("4000000000005829")
	for digits, want := range map[string]bool{
		"111357": true, "135000": true, "123957": true, "957321": true, "121248": true, "481212": true, "358358": true, "005829": true,
		"112048": false, "135792": false, "902858": false, "890158": false, "980258": false,
	} {
		if got := NoPattern.Refuses(parse(t, digits), pan); got != want {
			t.Errorf("%s: refused is %v", digits, got)
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
		if _, err := NewScheme(p); !errors.Is(err, ErrScheme) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewScheme(good); err != nil {
		t.Error(err)
	}
}

func TestValidationDataFollowTheTemplate(t *testing.T) {
	template, err := ParseTemplate("5022654000N2")
	if err != nil {
		t.Fatal(err)
	}
	var digits [16]byte
	template.Fill(&digits, AccountField([]byte("46540008900090")))
	for i, c := range []byte("5022654000900092") {
		if digits[i] != c-'0' {
			t.Fatalf("validation data %v", digits)
		}
	}
}

func TestOffsetsGoBothWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(MinLength, MaxLength).Draw(t, "length")
		draw := func(name string) Clear {
			p, err := Parse(rapid.StringMatching(fmt.Sprintf(`[0-9]{%d}`, n)).Draw(t, name))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		p, natural := draw("pin"), draw("natural")
		if FromOffset(&natural, OffsetOf(&p, &natural)) != p {
			t.Fatal("the offset gives another PIN")
		}
	})
}
