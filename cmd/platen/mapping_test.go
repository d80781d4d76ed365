package main_test

import (
	"path/filepath"
	"strings"
	"testing"
)

const coreMapping = `- code: core
  delimiter: ";"
  columns: {CARDTYPE: product, FORENAME: first_name, SURNAME: last_name, STREET: address1, TOWN: city, LAND: country}
  ignore: [BATCHNO]
  defaults: {country: FR}
  values:
    product: {VDC: visa-debit-chip}
`

// An institution declares once how another system names things; its files are then taken as they are, in every form.
func TestFilesOfAnotherSystemAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	dir := prepare(t, sizes{mass: 20, bulk: 20, actions: 3})
	platen(t, "init", dir)
	put(t, filepath.Join(dir, "programs", "mappings.yaml"), []byte(coreMapping))
	platen(t, "db", "migrate", config(dir))
	if told := platen(t, "apply", config(dir), "-f", filepath.Join(dir, "programs")); !strings.Contains(told, "mapping core") {
		t.Errorf("apply says nothing of the mapping:\n%s", told)
	}
	for name, body := range map[string]string{
		"core.csv":   "BATCHNO;CARDTYPE;FORENAME;SURNAME;STREET;TOWN\n7;VDC;Asha;Rao;1 Quai;Lyon\n7;VDC;山田;太郎;1 Quai;Lyon\n",
		"core.jsonl": `{"CARDTYPE":"VDC","FORENAME":"Asha","SURNAME":"Rao","STREET":"1 Quai","TOWN":"Lyon"}` + "\n" + `{"CARDTYPE":"VDC","FORENAME":"山田","SURNAME":"太郎","STREET":"1 Quai","TOWN":"Lyon"}`,
		"core.json":  `[{"CARDTYPE":"VDC","FORENAME":"Asha","SURNAME":"Rao","STREET":"1 Quai","TOWN":"Lyon"},{"CARDTYPE":"VDC","FORENAME":"山田","SURNAME":"太郎","STREET":"1 Quai","TOWN":"Lyon"}]`,
	} {
		path := filepath.Join(dir, name)
		put(t, path, []byte(body))
		o := run(t, "order", "submit", path, "--reference", name, "--mapping", "core", config(dir))
		if o.code != 0 || !strings.Contains(o.stdout, "1 cards, 1 rows refused") {
			t.Errorf("%s: exit code %d, %s%s", name, o.code, o.stdout, o.stderr)
		}
		if errors := platen(t, "order", "errors", name, config(dir)); !strings.Contains(errors, ",3,") || !strings.Contains(errors, "name_unmappable") {
			t.Errorf("%s: the refused row is told as\n%s", name, errors)
		}
	}
	if o := run(t, "order", "submit", filepath.Join(dir, "core.csv"), "--reference", "X", "--mapping", "other", config(dir)); o.code != 1 || !strings.Contains(o.stderr, `mapping "other" is not declared`) {
		t.Errorf("exit code %d, %s", o.code, o.stderr)
	}
	put(t, filepath.Join(dir, "programs", "mappings.yaml"), []byte(strings.Replace(coreMapping, "TOWN: city", "TOWN: town", 1)))
	if o := run(t, "apply", config(dir), "-f", filepath.Join(dir, "programs")); o.code != 1 || !strings.Contains(o.stderr, `mappings.yaml:3: columns: TOWN: there is no column "town"`) {
		t.Errorf("exit code %d, %s", o.code, o.stderr)
	}
}
