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
	}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	generated(t, schema, string(out)+"\n")
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
