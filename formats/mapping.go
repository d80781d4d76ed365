package formats

import (
	"fmt"
	"slices"
	"strings"
)

// Mapping makes order files of another system ours: an institution declares one for each system. Its JSON form is what the store keeps.
type Mapping struct {
	Code      string                       `json:"code"`
	Delimiter string                       `json:"delimiter,omitempty"` // of a CSV: one character; a comma if empty
	Columns   map[string]string            `json:"columns,omitempty"`   // theirs to ours
	Ignore    []string                     `json:"ignore,omitempty"`    // theirs that say nothing to us
	Defaults  map[string]string            `json:"defaults,omitempty"`  // of our columns, where a row has no value
	Values    map[string]map[string]string `json:"values,omitempty"`    // of our columns: their words to ours
}

// Check tells what is wrong with a mapping in itself.
func (m *Mapping) Check() error {
	seen := map[string]bool{}
	for theirs, ours := range m.Columns {
		if columnNamed(ours) == nil {
			return fmt.Errorf("columns: %s: there is no column %q", theirs, ours)
		}
		if seen[ours] {
			return fmt.Errorf("columns: two columns become %s", ours)
		}
		seen[ours] = true
		if slices.Contains(m.Ignore, theirs) {
			return fmt.Errorf("ignore: %s stands in columns too", theirs)
		}
	}
	for ours := range m.Defaults {
		if columnNamed(ours) == nil {
			return fmt.Errorf("defaults: there is no column %q", ours)
		}
	}
	for ours := range m.Values {
		if columnNamed(ours) == nil {
			return fmt.Errorf("values: there is no column %q", ours)
		}
	}
	if len(m.Delimiter) > 1 || m.Delimiter == `"` || m.Delimiter == "\n" || m.Delimiter == "\r" {
		return fmt.Errorf("delimiter: %q is not one character that may part columns", m.Delimiter)
	}
	return nil
}

// comma is what parts the columns of a CSV.
func (m *Mapping) comma() rune {
	if m == nil || m.Delimiter == "" {
		return ','
	}
	return rune(m.Delimiter[0])
}

// ours is our name of a column, and whether the column is looked at. A nil mapping changes nothing.
func (m *Mapping) ours(theirs string) (string, bool) {
	if m == nil {
		return theirs, true
	}
	if slices.Contains(m.Ignore, theirs) {
		return theirs, false
	}
	if name, ok := m.Columns[theirs]; ok {
		return name, true
	}
	return theirs, true
}

// header gives the columns of a file our names. Columns that are ignored have none; known are all that a row can have a value of.
func (m *Mapping) header(theirs []string) (columns []string, known []headerColumn) {
	for i, name := range theirs {
		name, looked := m.ours(name)
		if !looked {
			columns = append(columns, fmt.Sprintf("ignored %d", i))
			continue
		}
		columns, known = append(columns, name), append(known, headerColumn{name, i + 1})
	}
	if m != nil {
		for i := range orderColumns {
			if name := orderColumns[i].name; m.Defaults[name] != "" && !slices.Contains(columns, name) {
				known = append(known, headerColumn{name: name})
			}
		}
	}
	return columns, known
}

// row gives the values of a row our words.
func (m *Mapping) row(r *Row) {
	if m == nil {
		return
	}
	for i := range orderColumns {
		c := &orderColumns[i]
		v := c.value(r)
		if ours, ok := m.Values[c.name][strings.TrimSpace(*v)]; ok {
			*v = ours
		}
		if strings.TrimSpace(*v) == "" {
			*v = m.Defaults[c.name]
		}
	}
}
