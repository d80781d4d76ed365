package payshield_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"platen/card"
	"platen/hsm"
	"platen/hsm/conformance"
	"platen/hsm/keyblock"
	"platen/hsm/payshield"
	"platen/hsm/payshield/mock"
	"platen/hsm/thales"
)

const transferKey card.KeyLabel = "zpk.transfer"

// testKeys are the keys of the suite under the test LMKs, and a transfer key.
func testKeys(t testing.TB) []payshield.Key {
	t.Helper()
	slots := map[keyblock.Usage]thales.Slot{
		keyblock.CVK: {Pair: "14-15", Variant: 4}, keyblock.VisaPVK: {Pair: "14-15"}, keyblock.IBMPVK: {Pair: "14-15"}, keyblock.ZPK: {Pair: "06-07"}, keyblock.ZEK: {Pair: "30-31"},
	}
	seal := func(usage keyblock.Usage, clearKey []byte) string {
		value, err := slots[usage].Encrypt('U', clearKey)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	out := []payshield.Key{
		{Label: conformance.Storage, Usage: keyblock.PINStorage},
		{Label: transferKey, Usage: keyblock.ZPK, Value: seal(keyblock.ZPK, []byte("\x13\x34\x57\x79\x9B\xBC\xDF\xF1\xFE\xDC\xBA\x98\x76\x54\x32\x10"))},
	}
	for _, k := range conformance.Keys() {
		if k.Algorithm == keyblock.TDES {
			out = append(out, payshield.Key{Label: k.Label, Usage: k.Usage, Value: seal(k.Usage, conformance.Material(k.Label))})
		}
	}
	return out
}

func newModule(t testing.TB, options payshield.Options, servers ...*mock.Server) *payshield.Module {
	t.Helper()
	for _, s := range servers {
		options.Addresses = append(options.Addresses, s.Address())
	}
	if options.Keys == nil {
		options.Keys = testKeys(t)
	}
	m, err := payshield.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// handOut are the host commands that give a key, or one just made, to others under a key of theirs.
var handOut = []string{"A0", "A8", "GC", "GK", "HC", "IA"}

// bench lets nothing out: what a module's own console may export is not ours, but no call of the client may ask for it.
func bench(m hsm.Module, servers ...*mock.Server) conformance.Bench {
	return conformance.Bench{
		Module: m,
		Ways: []conformance.Way{{Name: "host command", Ask: func(card.KeyLabel) error {
			asked := func(name string) bool {
				return slices.ContainsFunc(servers, func(s *mock.Server) bool { return s.Asked(name) })
			}
			if !asked("CW") || slices.ContainsFunc(handOut, asked) {
				return nil
			}
			return errors.New("none was sent that hands keys out")
		}}},
		Labels: []card.KeyLabel{conformance.CVK, conformance.VisaPVK, conformance.IBMPVK, conformance.ZPK, conformance.ZEK, conformance.Storage},
	}
}

func TestThePayShieldModuleConforms(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Bench {
		server := mock.Start(t, mock.Options{})
		return bench(newModule(t, payshield.Options{Transfer: transferKey}, server), server)
	})
}

func TestItConformsWithLongHeadersANamedLMKAndTwoModules(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Bench {
		options := mock.Options{Header: 12}
		servers := []*mock.Server{mock.Start(t, options), mock.Start(t, options)}
		return bench(newModule(t, payshield.Options{Transfer: transferKey, Header: 12, LMK: "01", InFlight: 3, Timeout: 20 * time.Second}, servers...), servers...)
	})
}
