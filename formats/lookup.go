package formats

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// table maps texts to texts, as a layout lists them. The key * stands for all that is not listed.
type table struct {
	to, from map[string]string
	other    string
	hasOther bool
	exact    bool // every text has one that it came from
}

func newTable() *table {
	return &table{to: map[string]string{}, from: map[string]string{}, exact: true}
}

func (t *table) add(from, to string) {
	if from == "*" {
		t.other, t.hasOther, t.exact = to, true, false
		return
	}
	t.to[from] = to
	if _, taken := t.from[to]; taken {
		t.exact = false
		return
	}
	t.from[to] = from
}

var errNotListed = errors.New("is not in the table of the layout")

func (t *table) apply(b []byte, start int) ([]byte, error) {
	if to, ok := t.to[string(b[start:])]; ok {
		return append(b[:start], to...), nil
	}
	if t.hasOther {
		return append(b[:start], t.other...), nil
	}
	return b, errNotListed
}

func (t *table) invert(v []byte) ([]byte, error) {
	if from, ok := t.from[string(v)]; ok {
		return append(v[:0], from...), nil
	}
	return v, errNotListed
}

// pipe makes a function of the table. What a table with * or with two ways to one text wrote is read as it stands.
func (t *table) pipe(in flow) (pipe, flow, error) {
	if len(t.to) == 0 && !t.hasOther {
		return pipe{}, in, errors.New("the table is empty")
	}
	p := pipe{apply: t.apply, invert: t.invert}
	if !t.exact {
		p.invert, p.fidelity = nil, hidden
	}
	in.size, in.valueType = 0, text
	return p, in, nil
}

// lookup(name): the value in a table of the layout.
func (c call) lookup(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 1), c.wants(in, text, digits, number)); err != nil {
		return pipe{}, in, err
	}
	t, ok := in.tables[c.args[0]]
	if !ok {
		return pipe{}, in, fmt.Errorf("function lookup: there is no table %q", c.args[0])
	}
	return t.pipe(in)
}

// choose("A=x", "B=y", "*=z"): a small table where it is used.
func (c call) choose(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 32), c.wants(in, text, digits, number)); err != nil {
		return pipe{}, in, err
	}
	t := newTable()
	for _, a := range c.args {
		from, to, ok := strings.Cut(a, "=")
		if !ok || from == "" {
			return pipe{}, in, fmt.Errorf("function choose: %q is not A=x", a)
		}
		t.add(from, to)
	}
	return t.pipe(in)
}

// condition is what a field's when says: the field is there, is one of some values, or is none of them.
type condition struct {
	field  Field
	values []string // none: the field is there
	not    bool
}

// parseCondition reads FIELD, FIELD=A|B or FIELD!=A|B.
func parseCondition(s string, n *yaml.Node) (*condition, error) {
	name, list, valued := strings.Cut(s, "=")
	c := &condition{not: strings.HasSuffix(name, "!")}
	f, ok := ParseField(strings.TrimSpace(strings.TrimSuffix(name, "!")))
	if !ok {
		return nil, faultAt(n, "when: unknown field %q", strings.TrimSuffix(name, "!"))
	}
	if f.Sensitivity() != Public {
		return nil, faultAt(n, "when: %s is %s; only public values decide", f, f.Sensitivity())
	}
	c.field = f
	if valued {
		c.values = strings.Split(list, "|")
	}
	return c, nil
}

func (c *condition) holds(rec *Record) bool {
	v := rec.Get(c.field)
	if c.values == nil {
		return len(v) > 0 != c.not
	}
	return slices.Contains(c.values, string(v)) != c.not
}
