package card_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"platen/card"
)

// Published numbers (ISO/IEC 7812-1 annex B and the test cards of payment providers), of every length that occurs.
func TestCheckDigitMatchesPublishedNumbers(t *testing.T) {
	for payload, want := range map[string]byte{
		"7992739871": '3', "1789372997": '4', "411111111111111": '1', "37828224631000": '5', "555555555555444": '4',
		"601111111111111": '7', "356600202036050": '5', "222300004840001": '1', "491761000000000000": '3',
	} {
		if got := card.CheckDigit([]byte(payload)); got != want {
			t.Errorf("%s: %c, want %c", payload, got, want)
		}
	}
}

// What the Luhn digit promises: any single wrong digit, and any swap of neighbours but 0 and 9, is found.
func TestCheckDigitFindsSlips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := []byte(rapid.StringMatching(`[0-9]{12,18}`).Draw(t, "payload"))
		number := append(payload, card.CheckDigit(payload))
		if _, err := card.NewPAN(number); err != nil {
			t.Fatal(err)
		}
		at := rapid.IntRange(0, len(number)-1).Draw(t, "at")
		wrong := append([]byte(nil), number...)
		wrong[at] = '0' + (wrong[at]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
		if _, err := card.NewPAN(wrong); !errors.Is(err, card.ErrPANLuhn) {
			t.Errorf("a wrong digit: %v", err)
		}
		if at == 0 || number[at] == number[at-1] || (number[at] == '0' && number[at-1] == '9') || (number[at] == '9' && number[at-1] == '0') {
			return
		}
		swapped := append([]byte(nil), number...)
		swapped[at], swapped[at-1] = swapped[at-1], swapped[at]
		if _, err := card.NewPAN(swapped); !errors.Is(err, card.ErrPANLuhn) {
			t.Errorf("swapped digits: %v", err)
		}
	})
}

func TestNewPANRefusesWhatIsNoNumber(t *testing.T) {
	for digits, want := range map[string]error{
		"": card.ErrPANLength, "400000123456": card.ErrPANLength, strings.Repeat("0", 20): card.ErrPANLength,
		"40000012345678x9": card.ErrPANDigits, "4000 0012 3456 7": card.ErrPANDigits, "4000001234567898": card.ErrPANLuhn,
		"４000001234567": card.ErrPANDigits,
	} {
		if got, err := card.ParsePAN(digits); !errors.Is(err, want) || !got.IsZero() {
			t.Errorf("%d characters: %v, want %v", len(digits), err, want)
		}
	}
}

func TestPANShowsOnlyWhatMayBeShown(t *testing.T) {
	p := canaryPAN(t)
	if p.Last4() != "7899" || p.Masked() != "400000******7899" || p.Len() != 16 || string(p.Reveal()) != canary {
		t.Errorf("last four %s, masked %s, %d digits", p.Last4(), p.Masked(), p.Len())
	}
	if !p.Equal(canaryPAN(t)) || p.Equal(card.PAN{}) {
		t.Error("equality is wrong")
	}
	zero := card.PAN{}
	if !zero.IsZero() || zero.Last4() != "" || zero.Masked() != "[hidden]" || zero.Len() != 0 || zero.Reveal() != nil {
		t.Error("the zero PAN is not absent")
	}
}

// The caller's buffer may be used again at once.
func TestNumbersAreCopied(t *testing.T) {
	buffer := []byte(canary)
	p, err := card.NewPAN(buffer)
	if err != nil {
		t.Fatal(err)
	}
	store := card.NewPANs(2)
	q, err := store.Set(1, buffer)
	if err != nil {
		t.Fatal(err)
	}
	clear(buffer)
	if string(p.Reveal()) != canary || string(q.Reveal()) != canary {
		t.Error("a number shares the caller's buffer")
	}
	if _, err := store.Set(1, []byte("4111111111111112")); !errors.Is(err, card.ErrPANLuhn) {
		t.Errorf("got %v", err)
	}
	if string(q.Reveal()) != canary {
		t.Error("a refused number changed the place")
	}
}

func FuzzNewPAN(f *testing.F) {
	f.Add([]byte(canary))
	f.Add([]byte("411111111111111"))
	f.Fuzz(func(t *testing.T, digits []byte) {
		p, err := card.NewPAN(digits)
		if err != nil {
			return
		}
		if string(p.Reveal()) != string(digits) || card.CheckDigit(digits[:len(digits)-1]) != digits[len(digits)-1] {
			t.Error("a number was taken that has no valid check digit")
		}
	})
}

func TestAMadeNumberGetsItsCheckDigit(t *testing.T) {
	store := card.NewPANs(1)
	for _, payload := range []string{"400000123456", "40000012345678", "411111111111111", "400000123456789012"} {
		want := payload + string(card.CheckDigit([]byte(payload)))
		if pan, err := store.Complete(0, []byte(payload)); err != nil || string(pan.Reveal()) != want {
			t.Errorf("%s: %v", payload, err)
		}
		if _, err := card.NewPAN([]byte(want)); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	for payload, want := range map[string]error{"40000012345": card.ErrPANLength, "4000001234567890123": card.ErrPANLength, "40000012345x": card.ErrPANDigits} {
		if _, err := store.Complete(0, []byte(payload)); !errors.Is(err, want) {
			t.Errorf("%s: %v", payload, err)
		}
	}
}
