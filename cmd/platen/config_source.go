package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"

	"platen/card"
)

const (
	envPrefix = "PLATEN_"

	// envTestPrefix begins the variables of the test suite, which are no configuration.
	envTestPrefix = "PLATEN_TEST_"

	keyDelimiter = "."
)

// decodeConfig lays the file and then the environment over the defaults, whose keys and types are the only ones there are.
func decodeConfig(path string, file []byte, environ []string) (Config, error) {
	merged, err := defaults()
	if err != nil {
		return Config{}, err
	}
	known := merged.All()
	written, err := readYAML(path, file)
	if err != nil {
		return Config{}, err
	}
	fromEnvironment, err := readEnvironment(environ, known)
	if err != nil {
		return Config{}, err
	}
	var found []error
	for _, s := range slices.Concat(written, fromEnvironment) {
		want, ok := known[s.key]
		if !ok {
			found = append(found, fmt.Errorf("%s: unknown key %s", s.where, s.key))
			continue
		}
		value, err := s.typed(want)
		if err != nil {
			found = append(found, fmt.Errorf("%s: %s: %w", s.where, s.key, err))
			continue
		}
		if err := merged.Set(s.key, value); err != nil {
			found = append(found, fmt.Errorf("%s: %s: %w", s.where, s.key, err))
		}
	}
	if err := errors.Join(found...); err != nil {
		return Config{}, err
	}
	var config Config
	if err := merged.Unmarshal("", &config); err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return config, nil
}

func defaults() (*koanf.Koanf, error) {
	keys := koanf.New(keyDelimiter)
	if err := keys.Load(structs.Provider(Default(), "koanf"), nil); err != nil {
		return nil, fmt.Errorf("default configuration: %w", err)
	}
	return keys, nil
}

// setting is one value as somebody wrote it.
type setting struct {
	key   string // dotted
	where string // file:line, or the variable's name
	text  string
	tag   string // YAML's type of the text; empty in the environment, where everything is text
}

// typed reads the setting as the type of want. Errors never show the text, which may be secret.
func (s setting) typed(want any) (any, error) {
	quoted := s.tag == "!!str"
	switch want.(type) {
	case string, card.KeyLabel:
		if s.tag != "" && !quoted {
			return nil, errors.New("must be text: put it in quotes")
		}
		return s.text, nil
	case int:
		n, err := strconv.Atoi(s.text)
		if err != nil || quoted {
			return nil, errors.New("must be a whole number")
		}
		return n, nil
	case bool:
		if quoted || s.text != "true" && s.text != "false" {
			return nil, errors.New("must be true or false")
		}
		return s.text == "true", nil
	case time.Duration:
		d, err := time.ParseDuration(s.text)
		if err != nil {
			return nil, errors.New("must be a duration such as 10s or 500ms")
		}
		return d, nil
	}
	return nil, fmt.Errorf("has the type %T, which no file can write", want)
}

// readYAML lists the settings of the file with their lines.
func readYAML(path string, file []byte) ([]setting, error) {
	var document yaml.Node
	reader := yaml.NewDecoder(bytes.NewReader(file))
	err := reader.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil, nil // an empty file changes nothing
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := reader.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: holds more than one document", path)
	}
	var settings []setting
	var found []error
	walk(document.Content[0], nil, func(key string, node *yaml.Node, problem string) {
		where := fmt.Sprintf("%s:%d", path, node.Line)
		if problem != "" {
			found = append(found, fmt.Errorf("%s: %s %s", where, key, problem))
			return
		}
		settings = append(settings, setting{key: key, where: where, text: node.Value, tag: node.Tag})
	})
	return settings, errors.Join(found...)
}

// walk visits every scalar below node with its dotted key, and says what cannot be a setting.
func walk(node *yaml.Node, path []string, visit func(key string, node *yaml.Node, problem string)) {
	key := strings.Join(path, keyDelimiter)
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag != "!!null" && len(path) > 0:
		visit(key, node, "")
		return
	case node.Kind == yaml.ScalarNode:
		visit(key, node, "has no value")
		return
	case node.Kind != yaml.MappingNode:
		visit(key, node, "must be keys and values")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i].Value
		here := append(slices.Clone(path), name)
		if seen[name] {
			visit(strings.Join(here, keyDelimiter), node.Content[i], "stands twice")
			continue
		}
		seen[name] = true
		walk(node.Content[i+1], here, visit)
	}
}

// readEnvironment lists the settings of PLATEN_* variables: PLATEN_HTTP__LISTEN is http.listen.
func readEnvironment(environ []string, known map[string]any) ([]setting, error) {
	var settings []setting
	var unknown []error
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		word, ours := strings.CutPrefix(name, envPrefix)
		if !ours || strings.HasPrefix(name, envTestPrefix) {
			continue
		}
		key := strings.ToLower(strings.ReplaceAll(word, "__", keyDelimiter))
		if _, ok := known[key]; !ok {
			unknown = append(unknown, fmt.Errorf("%s: there is no key %s", name, key))
			continue
		}
		settings = append(settings, setting{key: key, where: name, text: value})
	}
	return settings, errors.Join(unknown...)
}
