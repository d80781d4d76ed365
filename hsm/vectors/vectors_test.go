package vectors

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

func load(t testing.TB, path string) []Entry {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	entries, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestEveryReferenceValueThatWasRecomputedComesOut(t *testing.T) {
	for _, path := range []string{"testdata/vectors.json", "testdata/published.json"} {
		report := Run(load(t, path))
		for _, r := range report.Results {
			proved := strings.HasPrefix(r.Verified, "recomputed") || strings.HasPrefix(r.Verified, "own-regression")
			// A capture under a key that is not known has a form and no more.
			if r.Status != Passed && (proved || r.Status != FormOnly) {
				t.Errorf("%s (%s, %s): %s %s; expected %v, got %v", r.ID, r.Algo, r.Verified, r.Status, r.Detail, r.Expected, r.Got)
			}
			if !proved {
				t.Logf("quoted: %s %s %s", r.ID, r.Status, r.Detail)
			}
		}
		if report.Passed+report.FormOnly+report.Failed+report.Unknown != len(report.Results) || len(report.Results) == 0 {
			t.Errorf("%s: %d passed, %d failed, %d unknown", path, report.Passed, report.Failed, report.Unknown)
		}
	}
}

// A value that is changed must fail, or the entry proves nothing. A verdict on a form is what it is for.
func TestEveryReferenceEntryFailsWithAnotherExpectedValue(t *testing.T) {
	entries := load(t, "testdata/vectors.json")
	for i := range entries {
		e := entries[i]
		switch e.Algo {
		case "visa_pvv_WRONG_in_the_wild":
			e.Expected = "3780"
		default:
			e.Expected = changed(e.Expected)
		}
		if r := Run([]Entry{e}).Results[0]; r.Status != Failed && r.Detail == "" {
			t.Errorf("%s passes whatever is expected", e.ID)
		}
	}
}

func changed(expected any) any {
	switch v := expected.(type) {
	case string:
		if strings.HasPrefix(v, "0") {
			return "1" + v[1:]
		}
		return "0" + v[1:]
	case bool:
		return !v
	case []any:
		return append([]any{changed(v[0])}, v[1:]...)
	case map[string]any:
		out := map[string]any{}
		for name, value := range v {
			out[name] = value
		}
		out["header"], out["usage"] = "0000", "ZZ"
		return out
	}
	return nil
}

// An entry's name decides nothing.
func TestTheSameEntriesPassUnderOtherNames(t *testing.T) {
	entries := load(t, "testdata/vectors.json")
	for i := range entries {
		entries[i].ID = fmt.Sprintf("renamed-%d", i)
	}
	if report := Run(entries); report.Passed+report.FormOnly != len(entries) {
		t.Errorf("%d of %d pass, %d have their form", report.Passed, len(entries), report.FormOnly)
	}
}

func TestAResponseFindsTheSessionOfItsRequest(t *testing.T) {
	const card = `"imk":"0123456789ABCDEFFEDCBA9876543210","pan":"12345678901234567","psn":"45"`
	request := `{"id":"a","algo":"emv_arqc","inputs":{` + card + `,"data":"00","sk":"common, R=%s"},"expected":%q}`
	response := `{"id":"b","algo":"emv_arpc1","inputs":{` + card + `,"arqc":%q,"arc":"3030","key":"session"},"expected":%q}`
	arqcOf := func(r string) string {
		got := Run(read(t, "["+fmt.Sprintf(request, r, "00")+"]")).Results[0].Got
		return fmt.Sprint(got)
	}
	first, second := arqcOf("0001000000000000"), arqcOf("0002000000000000")
	answers := map[string]bool{}
	for r, value := range map[string]string{"0001000000000000": first, "0002000000000000": second} {
		file := "[" + fmt.Sprintf(request, r, value) + "," + fmt.Sprintf(response, value, "00") + "]"
		report := Run(read(t, file))
		if report.Results[0].Status != Passed {
			t.Fatalf("request: %+v", report.Results[0])
		}
		answers[fmt.Sprint(report.Results[1].Got)] = true
	}
	if len(answers) != 2 {
		t.Error("both responses were made under one key")
	}
}

func read(t testing.TB, text string) []Entry {
	t.Helper()
	entries, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestWhatMustBeRefusedPassesWhenItIs(t *testing.T) {
	const block = `[{"id":"a","algo":"pinblock_iso2","inputs":{"pin":"1234"},"expected":{"refused":true}},
		{"id":"b","algo":"pinblock_iso1_decode","inputs":{"block":"1F1234FFFFFFFFFF"},"expected":{"refused":true}},
		{"id":"c","algo":"pinblock_iso1_decode","inputs":{"block":"xyz"},"expected":{"refused":true}},
		{"id":"d","algo":"none","inputs":{},"expected":{"refused":true}}]`
	want := []Status{Failed, Passed, Failed, Unknown}
	for i, r := range Run(read(t, block)).Results {
		if r.Status != want[i] {
			t.Errorf("%s: %s, want %s (%s)", r.ID, r.Status, want[i], r.Detail)
		}
	}
}

func TestFaultsNameTheInputAndNeverItsValue(t *testing.T) {
	cases := map[string]struct{ inputs, names, never string }{
		"PAN of eleven digits":       {`{"cvk":"0123456789ABCDEFFEDCBA9876543210","pan":"41234567890","expiry":"8701","service_code":"101"}`, "pan", "41234567890"},
		"PAN of twenty digits":       {`{"cvk":"0123456789ABCDEFFEDCBA9876543210","pan":"41234567890123456789","expiry":"8701","service_code":"101"}`, "pan", "4123"},
		"letters in the PAN":         {`{"cvk":"0123456789ABCDEFFEDCBA9876543210","pan":"4123456789abcdef","expiry":"8701","service_code":"101"}`, "pan", "abcdef"},
		"service code of two digits": {`{"cvk":"0123456789ABCDEFFEDCBA9876543210","pan":"4123456789012345","expiry":"8701","service_code":"10"}`, "service_code", "\"10\""},
		"key of single length":       {`{"cvk":"0123456789ABCDEF","pan":"4123456789012345","expiry":"8701","service_code":"101"}`, "key", "0123"},
		"key of odd length":          {`{"cvk":"0123456789ABCDE","pan":"4123456789012345","expiry":"8701","service_code":"101"}`, "cvk", "0123"},
		"no expiry":                  {`{"cvk":"0123456789ABCDEFFEDCBA9876543210","pan":"4123456789012345","service_code":"101"}`, "expiry", "4123"},
		"number for a PAN":           {`{"cvk":"0123456789ABCDEFFEDCBA9876543210","pan":4123456789012345,"expiry":"8701","service_code":"101"}`, "pan", "4123"},
	}
	for name, c := range cases {
		r := Run(read(t, `[{"id":"x","algo":"cvv","inputs":`+c.inputs+`,"expected":"561"}]`)).Results[0]
		if r.Status != Failed || !strings.Contains(r.Detail, c.names) || strings.Contains(r.Detail, c.never) {
			t.Errorf("%s: %s %q", name, r.Status, r.Detail)
		}
	}
}

func TestFilesOfAnotherFormAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "object": "{}", "number": "[1]", "no id": `[{"algo":"cvv","inputs":{},"expected":1}]`, "no algo": `[{"id":"a","inputs":{},"expected":1}]`,
		"no inputs": `[{"id":"a","algo":"cvv","expected":1}]`, "nothing expected": `[{"id":"a","algo":"cvv","inputs":{}}]`,
		"text for inputs": `[{"id":"a","algo":"cvv","inputs":"x","expected":1}]`, "more behind": "[] []",
	} {
		if _, err := Read(strings.NewReader(text)); !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFileThatIsNoJSONIsToldByItsLine(t *testing.T) {
	for text, line := range map[string]string{"": "line 1 ", "[\n{}\n,\n": "line 4 ", "[{},\n{]": "line 2 "} {
		if _, err := Read(strings.NewReader(text)); !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), line) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzRun(f *testing.F) {
	for _, path := range []string{"testdata/vectors.json", "testdata/published.json"} {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		seen := map[string]bool{}
		for _, e := range load(f, path) {
			if !seen[e.Algo] {
				seen[e.Algo] = true
				f.Add(seed(raw, e.ID))
			}
		}
	}
	f.Add([]byte(`[{"id":"a","algo":"cvv","inputs":{},"expected":{"refused":true}}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		entries, err := Read(bytes.NewReader(raw))
		if err != nil {
			return
		}
		if report := Run(entries); report.Passed+report.FormOnly+report.Failed+report.Unknown != len(entries) {
			t.Error("an entry was lost")
		}
	})
}

// seed cuts the entry of an id out of a file as it is laid out there.
func seed(raw []byte, id string) []byte {
	at := bytes.Index(raw, []byte(`"id": "`+id+`"`))
	from := bytes.LastIndexByte(raw[:at], '{')
	rest := raw[from:]
	end := bytes.Index(rest, []byte("\n }"))
	return append(append([]byte("["), rest[:end]...), "}]"...)
}
