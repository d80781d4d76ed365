package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"
)

// right is a value that a schema allows.
func right(s *openapi3.Schema) any {
	switch {
	case len(s.OneOf) > 0:
		return right(s.OneOf[0].Value)
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Pattern != "":
		return rapid.StringMatching(s.Pattern).Example(1)
	case s.Format == "uri":
		return "https://example.org/hook"
	case s.Format == "uuid":
		return anyID
	case s.Format == "date-time":
		return "2099-12-31T23:59:59Z"
	case s.Type.Includes(openapi3.TypeString):
		return strings.Repeat("A", max(1, int(s.MinLength)))
	case s.Type.Includes(openapi3.TypeInteger), s.Type.Includes(openapi3.TypeNumber):
		if s.Min != nil {
			return max(1, *s.Min)
		}
		return 1
	case s.Type.Includes(openapi3.TypeBoolean):
		return false
	case s.Type.Includes(openapi3.TypeArray):
		return []any{right(s.Items.Value)}
	}
	object := map[string]any{}
	for name, p := range s.Properties {
		object[name] = right(p.Value)
	}
	return object
}

// variant is a value with one thing wrong in it.
type variant struct {
	what    string
	value   any
	lenient bool // a member that is null counts as one that is not there
}

// wrong are values that are each wrong in one way; most break the schema, some only look as if they would break what reads them.
func wrong(s *openapi3.Schema) []variant {
	if len(s.OneOf) > 0 {
		return wrong(s.OneOf[0].Value)
	}
	var all []variant
	add := func(what string, value any) { all = append(all, variant{what: what, value: value}) }
	for name, value := range map[string]any{"null": nil, openapi3.TypeBoolean: true, openapi3.TypeNumber: 7.5, openapi3.TypeString: "x", openapi3.TypeArray: []any{}, openapi3.TypeObject: map[string]any{}} {
		if !s.Type.Includes(name) {
			add(name, value)
		}
	}
	switch {
	case s.Type.Includes(openapi3.TypeString):
		all = append(all, wrongTexts(s)...)
	case s.Type.Includes(openapi3.TypeInteger):
		for _, n := range []string{"-1", "0", "9223372036854775807", "9223372036854775808", "1e400", "-1e-400", "1.0"} {
			add(n, json.RawMessage(n))
		}
	case s.Type.Includes(openapi3.TypeArray):
		for _, v := range wrong(s.Items.Value) {
			add("[] "+v.what, []any{v.value})
		}
	case s.Type.Includes(openapi3.TypeObject):
		all = append(all, wrongObjects(s)...)
	}
	return slices.SortedFunc(slices.Values(all), func(a, b variant) int { return strings.Compare(a.what, b.what) })
}

func wrongTexts(s *openapi3.Schema) []variant {
	var all []variant
	add := func(what string, value any) { all = append(all, variant{what: what, value: value}) }
	add("nothing", "")
	add("NUL", "A\x00A")
	add("half a character", json.RawMessage(`"\ud800"`))
	add("a control character", "A\nA")
	add("another script", "карта \u202e 💳")
	add("SQL", "'; DROP TABLE cards; --")
	add("markup", "<b>&amp;{{.}}%s%n")
	add("a card number", "4000001234567899")
	add("too long", strings.Repeat("A", 20_000))
	if s.MaxLength != nil {
		add("one too long", strings.Repeat("A", int(*s.MaxLength)+1))
		add("as long in other characters", strings.Repeat("ü", int(*s.MaxLength)))
	}
	if len(s.Enum) > 0 {
		add("not in the list", "OTHER")
		add("in other letters", strings.ToUpper(fmt.Sprint(s.Enum[0]))+"x")
	}
	return all
}

func wrongObjects(s *openapi3.Schema) []variant {
	var all []variant
	with := func(name string, value any, there bool) map[string]any {
		object, _ := right(s).(map[string]any)
		delete(object, name)
		if there {
			object[name] = value
		}
		return object
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		for _, v := range wrong(s.Properties[name].Value) {
			all = append(all, variant{name + ": " + v.what, with(name, v.value, true), v.lenient || v.value == nil && !slices.Contains(s.Required, name)})
		}
	}
	for _, name := range s.Required {
		all = append(all, variant{what: "without " + name, value: with(name, nil, false)})
	}
	return append(all, variant{what: "an unknown member", value: with("pan", "1", true)})
}
