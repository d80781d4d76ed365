package hsm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"platen/hsm"
)

func TestPINDataPrintsAsAMask(t *testing.T) {
	pin, err := hsm.NewPIN([]byte("S\x01 8421 8421 8421"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{
		"PIN": pin, "PIN pointer": &pin, "PVV": hsm.PVV{'8', '4', '2', '1'},
		"offset": hsm.Offset{N: 4, Digits: [12]byte{'8', '4', '2', '1'}},
		"inside": struct{ P hsm.PVV }{hsm.PVV{'8', '4', '2', '1'}},
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%X", "%q"} {
			out := fmt.Sprintf(verb, v)
			for _, leak := range []string{"8421", "38343231", "56 52 50 49", "0x38, 0x34"} {
				if strings.Contains(out, leak) {
					t.Errorf("%s prints under %s", name, verb)
				}
			}
		}
		if out, err := json.Marshal(v); err != nil || strings.Contains(string(out), "8421") || strings.Contains(string(out), "56,52") {
			t.Errorf("%s as JSON: %v", name, err)
		}
	}
}

func TestNewPINRefusesMoreThanItHolds(t *testing.T) {
	if _, err := hsm.NewPIN(make([]byte, 49)); !errors.Is(err, hsm.ErrPINBlock) {
		t.Errorf("got %v", err)
	}
	if p, err := hsm.NewPIN(nil); err != nil || !p.IsZero() || len(p.Bytes()) != 0 {
		t.Errorf("no bytes: %v", err)
	}
}
