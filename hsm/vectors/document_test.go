package vectors

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

var update = flag.Bool("update", false, "write what is generated")

const (
	document = "../../docs/vectors.md"
	schema   = "../../docs/vectors.schema.json"
	begins   = "<!-- algorithms: written by go test ./hsm/vectors -update -->\n"
	ends     = "<!-- end of algorithms -->\n"
)

// generated compares what is generated with what the repository holds, or writes it.
func generated(t *testing.T, path, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != text {
		t.Errorf("%s is not what the algorithms say; run go test ./hsm/vectors -update", path)
	}
}

func sorted() []algorithm {
	all := algorithms()
	slices.SortFunc(all, func(a, b algorithm) int { return strings.Compare(a.name, b.name) })
	return all
}

func TestTheDocumentListsEveryAlgorithm(t *testing.T) {
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(raw), begins)
	_, after, ok2 := strings.Cut(rest, ends)
	if !ok1 || !ok2 {
		t.Fatal("the document has no place for the algorithms")
	}
	var table strings.Builder
	table.WriteString("| algo | computes | inputs |\n| --- | --- | --- |\n")
	for _, a := range sorted() {
		var names []string
		for name := range strings.FieldsSeq(a.inputs) {
			names = append(names, "`"+strings.ReplaceAll(name, "|", "` or `")+"`")
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", a.name, a.about, strings.ReplaceAll(strings.Join(names, ", "), "?`", "`?"))
	}
	generated(t, document, before+begins+table.String()+ends+after)
}

func TestTheSchemaKnowsWhatEveryAlgorithmNeeds(t *testing.T) {
	type object = map[string]any
	var rules []any
	for _, a := range sorted() {
		if required := a.required(); len(required) > 0 {
			rules = append(rules, object{
				"if":   object{"properties": object{"algo": object{"const": a.name}}},
				"then": object{"properties": object{"inputs": object{"required": required}}},
			})
		}
	}
	text := func(about string) object { return object{"type": "string", "minLength": 1, "description": about} }
	out, err := json.MarshalIndent(object{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"title":       "Known answers",
		"description": "What platen vectors run evaluates; see vectors.md. Written by go test ./hsm/vectors -update.",
		"type":        "array",
		"items": object{
			"type": "object", "required": []string{"id", "algo", "inputs", "expected"},
			"properties": object{
				"id": text("names the entry in the report"), "algo": text("what is computed; a name that is not known is reported as unknown"),
				"inputs":   object{"type": "object", "description": "by name; those that an algorithm does not know are left alone"},
				"expected": object{"type": []string{"string", "boolean", "number", "array", "object"}, "description": "the result; {\"refused\": true} when the input must be refused"},
				"source":   object{"type": "string", "description": "who says so"},
				"verified": object{"type": "string", "description": "how the value was proved: recomputed, own-regression or quoted"},
				"note":     object{"type": "string"},
			},
			"allOf": rules,
		},
		"$defs": object{"report": reportSchema()},
	}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	generated(t, schema, string(out)+"\n")
}

// reportSchema is what platen vectors run --json prints.
func reportSchema() map[string]any {
	type object = map[string]any
	count := func(about string) object { return object{"type": "integer", "minimum": 0, "description": about} }
	text := func(about string) object { return object{"type": "string", "description": about} }
	return object{
		"type": "object", "required": []string{"passed", "form_only", "failed", "unknown", "results"}, "additionalProperties": false,
		"description": "what platen vectors run --json prints; the four counts sum to the results",
		"properties": object{
			"passed": count("entries whose value came out, or whose input was refused as expected"), "form_only": count("entries whose value has the right form, and whose key is not known"),
			"failed": count("entries whose value did not come out"), "unknown": count("entries of an algorithm that is not known"),
			"results": object{"type": "array", "description": "one for each entry, in the order of the file", "items": object{
				"type": "object", "required": []string{"id", "algo", "status"}, "additionalProperties": false,
				"properties": object{
					"id": text("the entry's"), "algo": text("the entry's"), "verified": text("the entry's"), "status": object{"enum": []Status{Passed, FormOnly, Failed, Unknown}},
					"detail": text("why it failed, or why there is only a form"), "expected": object{"description": "with got, when they differ"}, "got": object{"description": "what was computed"},
				},
			}},
		},
	}
}

func TestEveryReportFollowsTheSchema(t *testing.T) {
	raw, err := json.Marshal(reportSchema())
	if err != nil {
		t.Fatal(err)
	}
	var s openapi3.Schema
	if err := s.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	entries := append(load(t, "testdata/vectors.json"), read(t, `[{"id":"a","algo":"none","inputs":{},"expected":1},
		{"id":"b","algo":"kcv_des","inputs":{"key":"0123456789ABCDEF"},"expected":"000000"},{"id":"c","algo":"kcv_des","inputs":{},"expected":"000000"}]`)...)
	report := Run(entries)
	if report.FormOnly == 0 || report.Failed != 2 || report.Unknown != 1 {
		t.Errorf("%d form only, %d failed, %d unknown", report.FormOnly, report.Failed, report.Unknown)
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	if err := s.VisitJSON(value, openapi3.EnableJSONSchema2020()); err != nil {
		t.Error(err)
	}
}

func TestTheShippedFilesFollowTheSchema(t *testing.T) {
	raw, err := os.ReadFile(schema)
	if err != nil {
		t.Fatal(err)
	}
	var s openapi3.Schema
	if err := s.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	valid := func(text []byte) error {
		var value any
		if err := json.Unmarshal(text, &value); err != nil {
			t.Fatal(err)
		}
		return s.VisitJSON(value, openapi3.EnableJSONSchema2020())
	}
	for _, path := range []string{"testdata/vectors.json", "testdata/published.json"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(text); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for name, text := range map[string]string{
		"no id":            `[{"algo":"cvv","inputs":{},"expected":"1"}]`,
		"CVV without PAN":  `[{"id":"a","algo":"cvv","inputs":{"cvk":"00","expiry":"2812","service_code":"201"},"expected":"1"}]`,
		"nothing expected": `[{"id":"a","algo":"nobody's","inputs":{},"expected":null}]`,
	} {
		if valid([]byte(text)) == nil {
			t.Errorf("%s: the schema takes it", name)
		}
	}
	if err := valid([]byte(`[{"id":"a","algo":"nobody's","inputs":{},"expected":1}]`)); err != nil {
		t.Errorf("unknown algorithm: %v", err)
	}
}
