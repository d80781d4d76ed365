package amex

import (
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
