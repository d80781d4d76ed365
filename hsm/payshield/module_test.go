package payshield_test

import (
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
		keyblock.CVK: {Pair: "14-15", Variant: 4}, keyblock.VisaPVK: {Pair: "14-15"}, keyblock.IBMPVK: {Pair: "14-15"}, keyblock.ZPK: {Pair: "06-07"},
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

func bench(m hsm.Module) conformance.Bench {
	return conformance.Bench{
		Module: m,
		Labels: []card.KeyLabel{conformance.CVK, conformance.VisaPVK, conformance.IBMPVK, conformance.ZPK, conformance.Storage},
	}
}

func TestThePayShieldModuleConforms(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Bench {
		return bench(newModule(t, payshield.Options{Transfer: transferKey}, mock.Start(t, mock.Options{})))
	})
}

func TestItConformsWithLongHeadersANamedLMKAndTwoModules(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Bench {
		options := mock.Options{Header: 12}
		return bench(newModule(t, payshield.Options{Transfer: transferKey, Header: 12, LMK: "01", InFlight: 3, Timeout: 20 * time.Second},
			mock.Start(t, options), mock.Start(t, options)))
	})
}
