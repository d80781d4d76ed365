package programs

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decode fills target, a pointer to a struct with json tags, from a YAML mapping. It is stricter than a YAML library: unknown and
// repeated keys, aliases, nulls and values of another type are faults with their lines. The json tags are the YAML keys, so that
// the applied form and the written form have one set of names.
func decode(file string, node *yaml.Node, target any, found *faults) {
	d := decoder{file: file, found: found}
	d.value(node, reflect.ValueOf(target).Elem(), "")
}

type decoder struct {
	file  string
	found *faults
}

func (d *decoder) fault(node *yaml.Node, format string, args ...any) {
	d.found.add(d.file, node.Line, format, args...)
}

// value fills v, which the reader knows as name, from node.
func (d *decoder) value(node *yaml.Node, v reflect.Value, name string) {
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		d.fault(node, "%sanchors and aliases are not used in programs", prefix(name))
		return
	}
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if d.scalar(node, name) {
			if err := text.UnmarshalText([]byte(node.Value)); err != nil {
				d.fault(node, "%s%v", prefix(name), err)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(node, v, name)
	case reflect.Map:
		d.mapping(node, v, name)
	case reflect.Slice:
		d.sequence(node, v, name)
	default:
		d.plain(node, v, name)
	}
}

func (d *decoder) structure(node *yaml.Node, v reflect.Value, name string) {
	d.pairs(node, name, func(key, value *yaml.Node) {
		field, ok := fieldByTag(v, key.Value)
		if !ok {
			d.fault(key, "%sunknown key %q", prefix(name), key.Value)
			return
		}
		d.value(value, field, key.Value)
	})
}

func (d *decoder) mapping(node *yaml.Node, v reflect.Value, name string) {
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(node, name, func(key, value *yaml.Node) {
		k := reflect.New(v.Type().Key()).Elem()
		before := len(*d.found)
		d.value(key, k, name)
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(value, element, key.Value)
		if len(*d.found) == before {
			v.SetMapIndex(k, element)
		}
	})
}

// pairs calls each for every key of a mapping, and reports what is no mapping and keys that come twice.
func (d *decoder) pairs(node *yaml.Node, name string, each func(key, value *yaml.Node)) {
	if node.Kind != yaml.MappingNode {
		d.fault(node, "%smust hold keys and values", prefix(name))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if first, twice := seen[key.Value]; twice {
			d.fault(key, "%skey %q stands twice, first on line %d", prefix(name), key.Value, first)
			continue
		}
		seen[key.Value] = key.Line
		each(key, node.Content[i+1])
	}
}

func (d *decoder) sequence(node *yaml.Node, v reflect.Value, name string) {
	if node.Kind != yaml.SequenceNode {
		d.fault(node, "%smust be a list", prefix(name))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content))
	for i, item := range node.Content {
		d.value(item, list.Index(i), name)
	}
	v.Set(list)
}

func (d *decoder) scalar(node *yaml.Node, name string) bool {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		d.fault(node, "%smust have a value", prefix(name))
		return false
	}
	return true
}

// plain fills text, numbers and booleans. Digits that were meant as text must be quoted: YAML would drop a leading zero.
func (d *decoder) plain(node *yaml.Node, v reflect.Value, name string) {
	if !d.scalar(node, name) {
		return
	}
	switch v.Kind() {
	case reflect.String:
		if node.Tag != "!!str" {
			d.fault(node, "%smust be text: put %s in quotes", prefix(name), node.Value)
			return
		}
		v.SetString(node.Value)
	case reflect.Bool:
		if node.Value != "true" && node.Value != "false" {
			d.fault(node, "%smust be true or false", prefix(name))
			return
		}
		v.SetBool(node.Value == "true")
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(strings.ReplaceAll(node.Value, "_", ""), 10, v.Type().Bits())
		if err != nil || node.Tag != "!!int" {
			d.fault(node, "%smust be a whole number", prefix(name))
			return
		}
		v.SetInt(n)
	default:
		panic(fmt.Sprintf("programs: no YAML form for %s", v.Type()))
	}
}

// fieldByTag finds the struct field whose json tag is key.
func fieldByTag(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if tag == key && tag != "" && tag != "-" {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func prefix(name string) string {
	if name == "" {
		return ""
	}
	return name + ": "
}

// source is where a declared thing stands: what later checks name when they find fault with it.
type source struct {
	file string
	node *yaml.Node
}

// line is that of the key at the end of a path of keys, or of the nearest thing around it that is written.
func (s source) line(path ...string) int {
	node := s.node
	line := node.Line
	for _, name := range path {
		key, value := find(node, name)
		if key == nil {
			break
		}
		line, node = key.Line, value
	}
	return line
}

// has tells whether a key is written.
func (s source) has(name string) bool {
	key, _ := find(s.node, name)
	return key != nil
}

func find(mapping *yaml.Node, name string) (key, value *yaml.Node) {
	if mapping.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i], mapping.Content[i+1]
		}
	}
	return nil, nil
}
