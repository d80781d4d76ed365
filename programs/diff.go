package programs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Diff tells in lines for people what applying next over old changes, things in the order of their kinds and codes:
//
//   - product prepaid-mag
//     ~ product visa-debit-chip: validity_months: 36 → 48
//   - schedule same-day
//
// No line means that nothing changes. A nil old is an empty installation.
func Diff(old, next *Set) []string {
	if old == nil {
		old = &Set{}
	}
	var lines []string
	before, after := describe(old), describe(next)
	for _, kind := range kinds {
		lines = append(lines, diffKind(kind, before[kind], after[kind])...)
	}
	return lines
}

// kinds are the kinds of things in a set, in the order in which they depend on each other.
var kinds = [...]string{"institution", "range", "layout", "bureau", "product", "zone", "mapping", "schedule"}

// described is, by kind and code, a thing as its keys and their values.
type described map[string]map[string]map[string]string

func describe(s *Set) described {
	d := described{}
	for _, kind := range kinds {
		d[kind] = map[string]map[string]string{}
	}
	if s.Institution.Code != "" {
		d["institution"][s.Institution.Code] = flatten(s.Institution)
	}
	for _, r := range s.Ranges {
		d["range"][r.Code] = flatten(formOf(r))
	}
	for _, layout := range s.Layouts {
		sum := layout.Checksum()
		d["layout"][layout.Name()] = map[string]string{"version": layout.Version(), "checksum": sum[:min(len(sum), 12)]}
	}
	for _, b := range s.Bureaus {
		d["bureau"][b.Code] = flatten(b)
	}
	for _, p := range s.Products {
		d["product"][p.Code] = flatten(p)
	}
	for _, z := range s.Zones {
		d["zone"][z.Code] = flatten(z)
	}
	for _, m := range s.Mappings {
		d["mapping"][m.Code] = flatten(m)
	}
	for _, schedule := range s.Schedules {
		d["schedule"][schedule.Code] = flatten(schedule)
	}
	return d
}

func diffKind(kind string, before, after map[string]map[string]string) []string {
	var lines []string
	codes := maps.Clone(before)
	maps.Copy(codes, after)
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		old, had := before[code]
		next, has := after[code]
		switch {
		case !had:
			lines = append(lines, fmt.Sprintf("+ %s %s", kind, code))
		case !has:
			lines = append(lines, fmt.Sprintf("- %s %s", kind, code))
		default:
			for _, change := range diffKeys(old, next) {
				lines = append(lines, fmt.Sprintf("~ %s %s: %s", kind, code, change))
			}
		}
	}
	return lines
}

func diffKeys(old, next map[string]string) []string {
	var changes []string
	keys := maps.Clone(old)
	maps.Copy(keys, next)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		before, had := old[key]
		after, has := next[key]
		switch {
		case !had:
			changes = append(changes, fmt.Sprintf("%s: %s is new", key, after))
		case !has:
			changes = append(changes, fmt.Sprintf("%s: %s is gone", key, before))
		case before != after:
			changes = append(changes, fmt.Sprintf("%s: %s → %s", key, before, after))
		}
	}
	return changes
}

// flatten writes a thing as dotted keys and their JSON values; lists stay whole.
func flatten(thing any) map[string]string {
	encoded, err := json.Marshal(thing)
	if err != nil {
		panic(fmt.Sprintf("programs: %T has no JSON form: %v", thing, err))
	}
	var tree map[string]any
	reader := json.NewDecoder(bytes.NewReader(encoded))
	reader.UseNumber() // a float would print large sizes with an exponent
	if err := reader.Decode(&tree); err != nil {
		panic(fmt.Sprintf("programs: %T is no JSON object: %v", thing, err))
	}
	flat := map[string]string{}
	flattenInto(flat, nil, tree)
	return flat
}

func flattenInto(flat map[string]string, path []string, tree map[string]any) {
	for key, value := range tree {
		here := append(slices.Clone(path), key)
		if inner, ok := value.(map[string]any); ok {
			flattenInto(flat, here, inner)
			continue
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			panic(fmt.Sprintf("programs: value of %s: %v", key, err))
		}
		if text := string(encoded); text != "null" {
			flat[strings.Join(here, ".")] = text
		}
	}
}
