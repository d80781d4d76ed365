package amex

import (
	"encoding/hex"
	"errors"
	"testing"

	"platen/hsm"
	"platen/hsm/tdes"
)

func TestCodesWantAnAmericanExpressNumberAndADoubleKey(t *testing.T) {
	double, err := tdes.New([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	single, err := tdes.New([]byte("01234567"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key                  *tdes.Key
		pan, expiry, service string
		field                string
	}{
		"sixteen digits": {double, "3712345678901234", "9912", "702", "pan"}, "another scheme": {double, "411111111111111", "9912", "702", "pan"},
		"letter": {double, "37123456789O123", "9912", "702", "pan"}, "expiry": {double, "371234567890123", "991", "702", "expiry"},
		"service code": {double, "371234567890123", "9912", "7O2", "service_code"}, "key": {single, "371234567890123", "9912", "702", "key"},
	} {
		_, err := Version2(c.key, c.pan, c.expiry, c.service)
		if input := new(hsm.InputError); !errors.As(err, &input) || input.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The places of letters decide what they stand for. No cipher is asked: the block is the enciphered one.
func TestLettersStandForOtherDigitsBehindTheFirstFive(t *testing.T) {
	for block, want := range map[string]string{
		"6EB12478C720CAE5": "612478720552", // of the published value of 371234567890123
		"ABCDEF0123456789": "012345678912", // enough digits and two of the first letters
		"ABCDEFABCDEFABCD": "123451678901",
		"FFFFFFFFFFFFFFFF": "666661111111",
		"12345678901EAFFF": "123456789010",
		"0123456789AAAAEF": "012345678966",
	} {
		raw, err := hex.DecodeString(block)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(new(Bench).Value(raw)); got != want {
			t.Errorf("%s gives %s, not %s", block, got, want)
		}
	}
}

func TestACardCostsNoAllocation(t *testing.T) {
	k, err := tdes.New([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	b, pan := new(Bench), []byte("371234567890123")
	if n := testing.AllocsPerRun(100, func() { b.Code(k, pan, [4]byte{'3', '0', '0', '1'}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if Five(pan) != nil || Four(nil) != nil || Three([]byte("12345678901")) != nil {
		t.Error("digits that are none have parts")
	}
}
