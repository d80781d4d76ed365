package programs_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"platen/programs"
)

// amexSample is the sample programs with the American Express product, and of the layouts those that they name.
func amexSample(t *testing.T) fstest.MapFS {
	t.Helper()
	files := sample(t)
	for name := range files {
		base, isLayout := strings.CutPrefix(name, "layouts/")
		named := []string{"native-jsonl", "north-fixed", "south-delimited", "pin-mailer", "ack", "status", "pin-status", "production", "dispatch", "delivery", "stock", "destruction"}
		if isLayout && !slices.Contains(named, strings.TrimSuffix(base, ".yaml")) {
			delete(files, name)
		}
	}
	for from, to := range map[string]string{"products/amex-charge.yaml": "programs/products/amex-charge.yaml", "ranges.yaml": "programs/ranges.yaml"} {
		body, err := os.ReadFile("../samples/amex/" + from)
		if err != nil {
			t.Fatal(err)
		}
		if had := files[to]; had != nil {
			body = append(slices.Clone(had.Data), body...)
		}
		files[to] = &fstest.MapFile{Data: body}
	}
	return files
}

func TestAnAmericanExpressProductHasItsOwnKeysCodesAndNumbers(t *testing.T) {
	set, err := programs.Load(amexSample(t), "programs")
	if err != nil {
		t.Fatal(err)
	}
	if p := set.Products[0]; p.Code != "amex-charge" || p.Keys.CSCK != "csck-amex" || p.Keys.CVK != "" || !p.HasCSC() {
		t.Errorf("the product is %s with keys %+v", p.Code, p.Keys)
	}
	const amex, visa, ranges = "products/amex-charge.yaml", "products/prepaid-mag.yaml", "ranges.yaml"
	for name, c := range map[string]struct{ file, old, new, want string }{
		"no CSCK":                {amex, "  csck: csck-amex\n", "", "csck: is needed to make card security codes"},
		"a CVK":                  {amex, "csck: csck-amex", "csck: csck-amex\n  cvk: cvk-visa", "cvk: American Express cards have codes of a csck instead"},
		"a CSCK's label":         {amex, "csck: csck-amex", "csck: Amex!", "csck: "},
		"CSCK of another scheme": {visa, "cvk: cvk-visa", "cvk: cvk-visa\n  csck: csck-amex", "csck: makes the codes of the scheme amex and of no other"},
		"CVV2":                   {amex, `track1: [`, "cvv2_order: YYMM\ntrack1: [", "cvv2_order: American Express cards have no CVV2"},
		"dynamic CVV2":           {amex, `track1: [`, "dynamic_cvv2: {minutes: 60, first_code: 300, codes: 500, grace: 1}\ntrack1: [", "dynamic_cvv2: American Express cards have no CVV2"},
		"CVV on the stripe":      {amex, `track2: [pvki, pvv, csc5, `, `track2: [pvki, pvv, cvv, `, "track2: must hold csc5, once"},
		"CSC of another scheme":  {visa, `track2: [offset, cvv, `, `track2: [offset, csc5, `, "track2: must hold cvv, once"},
		"numbers of Visa":        {ranges, "prefix: \"371449\"\n  length: 15", "prefix: \"400005\"\n  length: 16", "range: numbers of 15 digits that begin with 34 or 37 are of the scheme amex"},
		"numbers of 16 digits":   {ranges, "prefix: \"371449\"\n  length: 15", "prefix: \"371449\"\n  length: 16", "range: numbers of 15 digits"},
		"another scheme's":       {visa, "range: prepaid", "range: amex-charge", "range: numbers of 15 digits"},
		"layout for CVV2":        {amex, "layout: native-jsonl", "layout: north-fixed", "layout north-fixed has a place for [card.cvv2 card.icvv]"},
	} {
		files := amexSample(t)
		edit(t, files, "programs/"+c.file, c.old, c.new)
		if _, err := programs.Load(files, "programs"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
