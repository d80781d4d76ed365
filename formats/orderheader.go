package formats

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The columns that a correction file has before those of its kind. Field, code and hint are for people and may be left out.
const (
	orderColumnName = "order"
	lineColumnName  = "line"
)

var correctionColumns = []string{orderColumnName, lineColumnName, "field", "code", "hint"}

// HeaderError says why the header of an order file is refused, before any row is read.
type HeaderError struct {
	Kind    OrderKind // what the file was taken for; 0 if it resembles nothing
	Missing []string
	Unknown []string
	Doubled []string
	Strange []int // columns whose unknown name is none that LooksLikeName: it may be a value, and is told by its place; 1 is the first
	Empty   []int // columns without a name
	Reason  error // something else
}

// toldColumns is how many columns of one fault an error names.
const toldColumns = 5

// Error names the first columns of each fault and counts the others. It never tells what may be a value.
func (e *HeaderError) Error() string {
	parts := slices.Concat(tellColumns(e.Unknown, "column %q is unknown"), tellColumns(e.Doubled, "column %q stands twice"),
		tellColumns(e.Strange, "column %d is unknown, and what stands there does not look like a name"), tellColumns(e.Empty, "column %d has no name"))
	for _, c := range e.Missing { // all are ours
		parts = append(parts, fmt.Sprintf("column %q is missing", c))
	}
	if e.Reason != nil {
		parts = append(parts, e.Reason.Error())
	}
	kind := "an order"
	if e.Kind != 0 {
		kind = "a " + e.Kind.String() + " order"
	}
	return "header of " + kind + " file: " + strings.Join(parts, "; ")
}

// tellColumns says of columns what is wrong with them.
func tellColumns[T any](columns []T, fault string) []string {
	var told []string
	for i, c := range columns {
		if i == toldColumns {
			return append(told, fmt.Sprintf("so it is with %d columns more", len(columns)-i))
		}
		told = append(told, fmt.Sprintf(fault, c))
	}
	return told
}

// Unwrap gives the other reason.
func (e *HeaderError) Unwrap() error { return e.Reason }

var (
	errSemicolons = errors.New("columns are parted by commas")
	errNoHeader   = errors.New("the file is empty")
	errCompressed = errors.New("the file is compressed: unpack it first")
	errRowTooLong = errors.New("a row has at most 64 kB")
)

// headerColumn is a column that a row can have a value of: our name of it, and its place in the file; 0 = the mapping gives it a value.
type headerColumn struct {
	name  string
	place int
}

func namesOf(header []headerColumn) []string {
	names := make([]string, len(header))
	for i, c := range header {
		names[i] = c.name
	}
	return names
}

// checkHeader finds a file's kind by its columns and proves that they are right.
func checkHeader(header []headerColumn) (OrderKind, bool, error) {
	columns := namesOf(header)
	if len(columns) == 1 && strings.ContainsAny(columns[0], ";\t") {
		return 0, false, &HeaderError{Reason: errSemicolons}
	}
	correction := slices.Contains(columns, orderColumnName) || slices.Contains(columns, lineColumnName)
	fault := &HeaderError{Kind: likeliestKind(columns)}
	allowed, required := OrderColumns(fault.Kind)
	if correction {
		allowed = append(allowed, correctionColumns...)
		required = append(required, orderColumnName, lineColumnName)
	}
	for i, name := range columns {
		switch {
		case name == "":
			fault.Empty = append(fault.Empty, header[i].place)
		case !slices.Contains(allowed, name) && !LooksLikeName(name):
			fault.Strange = append(fault.Strange, header[i].place)
		case slices.Contains(columns[:i], name):
			if !slices.Contains(fault.Doubled, name) {
				fault.Doubled = append(fault.Doubled, name)
			}
		case !slices.Contains(allowed, name):
			fault.Unknown = append(fault.Unknown, name)
		}
	}
	for _, name := range required {
		if !slices.Contains(columns, name) {
			fault.Missing = append(fault.Missing, name)
		}
	}
	if len(fault.Strange)+len(fault.Empty)+len(fault.Doubled)+len(fault.Unknown)+len(fault.Missing) > 0 {
		return 0, false, fault
	}
	return fault.Kind, correction, nil
}

// likeliestKind is the kind whose columns these are most: a column that only one kind has decides more than one that all have.
func likeliestKind(columns []string) OrderKind {
	weights := [...]int{1: 10, 2: 2, 3: 1}
	best, bestScore := MassOrder, -1
	for kind := MassOrder; kind <= ActionOrder; kind++ {
		score := 0
		for _, name := range columns {
			c := columnNamed(name)
			if c == nil {
				continue
			}
			if c.kinds[kind] != 0 {
				score += weights[c.kinds.count()]
			}
		}
		if score > bestScore {
			best, bestScore = kind, score
		}
	}
	return best
}
