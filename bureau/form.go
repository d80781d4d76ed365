package bureau

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// DialNames lists every dial by its name.
func DialNames() []string { return slices.Sorted(slices.Values(keysOf(reflect.TypeFor[Dials]()))) }

func keysOf(form reflect.Type) (keys []string) {
	for i := range form.NumField() {
		keys = append(keys, form.Field(i).Tag.Get("yaml"))
	}
	return keys
}

// read decodes one YAML document into the fields of form, which names them. What is wrong is said in words of the document.
func read(body []byte, form any, what string) error {
	var document yaml.Node
	err := yaml.NewDecoder(bytes.NewReader(body)).Decode(&document)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fmt.Errorf("it is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return fill(document.Content[0], reflect.ValueOf(form).Elem(), what)
}

// fill sets the fields that a mapping names; what is what they are called.
func fill(node *yaml.Node, form reflect.Value, what string) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: each %s is written as name: value", node.Line, what)
	}
	keys := keysOf(form.Type())
	known := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		at := slices.Index(keys, key.Value)
		switch {
		case at < 0:
			names := slices.Clone(keys)
			slices.Sort(names)
			return fmt.Errorf("there is no %s %q, only %s", what, key.Value, strings.Join(names, ", "))
		case known[key.Value]:
			return fmt.Errorf("line %d: %s %s stands twice", key.Line, what, key.Value)
		}
		known[key.Value] = true
		if err := value.Decode(form.Field(at).Addr().Interface()); err != nil {
			return fmt.Errorf("%s %s: %q is not %s", what, key.Value, value.Value, expected(form.Field(at).Interface()))
		}
	}
	return nil
}

// expected says what a field takes.
func expected(field any) string {
	switch field.(type) {
	case time.Duration:
		return "a duration, such as 90m or 2h"
	case bool:
		return "true or false"
	case int, int64:
		return "a whole number"
	}
	return "written as it should be"
}
