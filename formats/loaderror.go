package formats

import (
	"fmt"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// LoadError says why a layout cannot be loaded, and where.
type LoadError struct {
	File   string
	Line   int // 1 is the first; 0 if the fault has no line
	Reason string
}

// Error prints file:line: reason.
func (e *LoadError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

// faultAt is a LoadError without its file, which Load adds.
func faultAt(n *yaml.Node, format string, args ...any) error {
	return &LoadError{Line: n.Line, Reason: fmt.Sprintf(format, args...)}
}

var yamlLine = regexp.MustCompile(`line ([0-9]+): `)

// notYAML takes the line out of the parser's message.
func notYAML(err error) error {
	fault := &LoadError{Reason: "not YAML: " + yamlLine.ReplaceAllString(err.Error(), "")}
	if at := yamlLine.FindStringSubmatch(err.Error()); at != nil {
		fault.Line, _ = strconv.Atoi(at[1])
	}
	return fault
}

// mapping hands each key of a YAML mapping to its reader, and refuses a key that has none, or stands twice.
func mapping(n *yaml.Node, what string, readers map[string]func(*yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return faultAt(n, "%s: must be a mapping", what)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read, known := readers[key.Value]
		if !known || key.Kind != yaml.ScalarNode {
			return faultAt(key, "%s: unknown key %q", what, key.Value)
		}
		if seen[key.Value] {
			return faultAt(key, "%s: key %q stands twice", what, key.Value)
		}
		seen[key.Value] = true
		if err := read(value); err != nil {
			return err
		}
	}
	return nil
}

// sequence hands each element of a YAML sequence to read; a scalar is a sequence of one.
func sequence(what string, read func(*yaml.Node) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind == yaml.ScalarNode {
			return read(n)
		}
		if n.Kind != yaml.SequenceNode {
			return faultAt(n, "%s: must be a list", what)
		}
		for _, element := range n.Content {
			if err := read(element); err != nil {
				return err
			}
		}
		return nil
	}
}

// scalar reads text.
func scalar(what string, set func(string, *yaml.Node) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			return faultAt(n, "%s: must be a text", what)
		}
		return set(n.Value, n)
	}
}

// integer reads a whole number from 1 to high.
func integer(what string, high int, into *int) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		var v int
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || n.Decode(&v) != nil {
			return faultAt(n, "%s: wrong type: must be a whole number", what)
		}
		if v < 1 || v > high {
			return faultAt(n, "%s: impossible length or limit: must be 1 to %d", what, high)
		}
		*into = v
		return nil
	}
}

// word reads one of names and gives its index, which is never 0.
func word[T ~uint8](what string, names []string, into *T) func(*yaml.Node) error {
	return scalar(what, func(s string, n *yaml.Node) error {
		for i, name := range names {
			if name == s && i > 0 {
				*into = T(i)
				return nil
			}
		}
		return faultAt(n, "%s: unknown word %q", what, s)
	})
}

// boolean reads true or false.
func boolean(what string, into *bool) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || n.Decode(into) != nil {
			return faultAt(n, "%s: wrong type: must be true or false", what)
		}
		return nil
	}
}

// eachKey hands the entries of a YAML mapping over whose keys are free; with a form they must have it. No key stands twice.
func eachKey(n *yaml.Node, what string, form *regexp.Regexp, each func(key string, value *yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return faultAt(n, "%s: must be a mapping", what)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || form != nil && !form.MatchString(key.Value):
			return faultAt(key, "%s: %q is no name", what, key.Value)
		case seen[key.Value]:
			return faultAt(key, "%s: key %q stands twice", what, key.Value)
		}
		seen[key.Value] = true
		if err := each(key.Value, value); err != nil {
			return err
		}
	}
	return nil
}
