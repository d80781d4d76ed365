package main_test

import (
	"path/filepath"
	"strings"
	"testing"

	"platen/hsm/keyblock"
	"platen/hsm/payshield"
	"platen/hsm/payshield/mock"
)

// respell replaces text in a file of a directory's programs.
func respell(t *testing.T, dir, name string, pairs ...string) {
	t.Helper()
	path := filepath.Join(dir, "programs", filepath.FromSlash(name))
	body := string(read(t, path))
	changed := strings.NewReplacer(pairs...).Replace(body)
	if changed == body {
		t.Fatalf("%s holds none of %q", name, pairs)
	}
	put(t, path, []byte(changed))
}

// refusesWrongKeys spoils the keys that a directory's programs name, one in each, and has them applied: all are told, and nothing is stored. Card numbers
// outside the published test BINs are no fault of a module that serves an issuer's own.
func refusesWrongKeys(t *testing.T, dir string, give func(args ...string) outcome) {
	t.Helper()
	apply := []string{"apply", config(dir), "-f", filepath.Join(dir, "programs")}
	if o := give(apply...); o.code != 0 {
		t.Fatalf("as it was: %s", o.stderr)
	}
	whole := copyDir(t, filepath.Join(dir, "programs"))
	respell(t, dir, "products/visa-debit-chip.yaml", "cvk: cvk-visa", "cvk: pvk-visa")
	respell(t, dir, "products/mc-credit-chip.yaml", "pvk: pvk-mastercard", "pvk: pvk-prepaid")
	respell(t, dir, "products/prepaid-mag.yaml", "cvk: cvk-visa", "cvk: cvk-of-nobody")
	respell(t, dir, "products/amex-charge.yaml", "csck: csck-amex", "csck: zpk-north")
	respell(t, dir, "bureaus/south.yaml", "zpk: zpk-south", "zpk: cvk-mastercard")
	o := give(apply...)
	for _, said := range []string{
		"product visa-debit-chip: cvk: key pvk-visa cannot serve", "product mc-credit-chip: pvk: key pvk-prepaid cannot serve", "product prepaid-mag: cvk: key cvk-of-nobody cannot serve",
		"product amex-charge: csck: key zpk-north cannot serve", "bureau south: zpk: key cvk-mastercard cannot serve",
	} {
		if o.code != 1 || !strings.Contains(o.stderr, said) {
			t.Errorf("exit code %d, want %q:\n%s", o.code, said, o.stderr)
		}
	}
	for _, name := range []string{"visa-debit-chip", "mc-credit-chip", "prepaid-mag", "amex-charge"} {
		put(t, filepath.Join(dir, "programs", "products", name+".yaml"), read(t, filepath.Join(whole, "products", name+".yaml")))
	}
	put(t, filepath.Join(dir, "programs", "bureaus", "south.yaml"), read(t, filepath.Join(whole, "bureaus", "south.yaml")))
	respell(t, dir, "ranges.yaml", "- code: prepaid\n  prefix: \"401288\"", "- code: own-prepaid\n  prefix: \"453978\"")
	for _, product := range []string{"prepaid-mag", "prepaid-plastic"} {
		respell(t, dir, "products/"+product+".yaml", "range: prepaid", "range: own-prepaid")
	}
	if o := give(append(apply, "--dry-run")...); o.code != 0 || !strings.Contains(o.stdout, "own-prepaid") {
		t.Errorf("an issuer's own BIN: exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
}

func TestApplyRefusesWrongKeysWithAPayShield(t *testing.T) {
	t.Parallel()
	dir := modulePress(t)
	usePayShield(t, dir, mock.Start(t, mock.Options{}).Address())
	platen(t, "keys", "provision", config(dir))
	refusesWrongKeys(t, dir, func(args ...string) outcome { return run(t, args...) })

	// What stands in the module's file may be another key than the file says: one of another type, or with another check value.
	file := filepath.Join(dir, "keys", "payshield.json")
	keys, err := payshield.ReadKeys(file)
	must(t, err)
	values := map[string]string{}
	for _, k := range keys {
		values[string(k.Label)] = k.Value
	}
	for i := range keys {
		switch keys[i].Label {
		case "csck-amex":
			keys[i].Value = values["zpk-north"]
		case "pvk-mastercard":
			keys[i].CheckValue = "000000"
		}
	}
	keys = append(keys, payshield.Key{Label: "zpk-of-another-type", Usage: keyblock.ZPK, Value: values["cvk-mastercard"]})
	must(t, payshield.WriteKeys(file, keys))
	respell(t, dir, "bureaus/south.yaml", "zpk: zpk-south", "zpk: zpk-of-another-type")
	o := run(t, "apply", config(dir), "-f", filepath.Join(dir, "programs"), "--dry-run")
	for _, said := range []string{"csck: key csck-amex cannot serve", "pvk: key pvk-mastercard cannot serve", "zpk: key zpk-of-another-type cannot serve"} {
		if o.code != 1 || !strings.Contains(o.stderr, said) {
			t.Errorf("exit code %d, want %q:\n%s", o.code, said, o.stderr)
		}
	}
}
