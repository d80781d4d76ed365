package formats

import (
	"errors"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// control is a sum over details that a layout names, and its trailer shows: sum of a number, count of the details that have a value, or
// hash_total, the sum of the last digits of a value, modulo a power of ten.
type control struct {
	name   string
	call   call
	field  Field
	last   int    // digits that count; 0 for all
	modulo uint64 // of a hash total
	counts bool
}

const (
	maxControls    = 4
	controlModulus = 1_000_000_000_000_000_000 // of every sum; a sum beyond it is refused
	controlPrefix  = "controls."
)

// isControl tells whether f is a sum that only a layout names.
func (f Field) isControl() bool { return f >= TotalsControl1 && f <= TotalsControl4 }

// controlFields are where the trailer finds the sums.
var controlFields = [maxControls]Field{TotalsControl1, TotalsControl2, TotalsControl3, TotalsControl4}

func (s *spec) readControl(n *yaml.Node) error {
	var c control
	err := mapping(n, "control", map[string]func(*yaml.Node) error{
		"name": formed("name", nameForm, &c.name),
		"value": scalar("value", func(v string, at *yaml.Node) (err error) {
			if c.call, err = parseCall(v); err == nil {
				err = c.compile()
			}
			if err != nil {
				return faultAt(at, "control: %v", err)
			}
			return nil
		}),
	})
	switch {
	case err != nil:
		return err
	case c.name == "" || c.field == 0:
		return faultAt(n, "control: needs name and value")
	case len(s.controls) == maxControls || slices.ContainsFunc(s.controls, func(o control) bool { return o.name == c.name }):
		return faultAt(n, "controls: at most %d different ones", maxControls)
	}
	s.controls = append(s.controls, c)
	return nil
}

func (c *control) compile() error {
	args := c.call.args
	if len(args) == 0 {
		return errors.New("function " + c.call.name + ": names a field")
	}
	f, ok := ParseField(args[0])
	if !ok {
		return errors.New("unknown field " + strconv.Quote(args[0]))
	}
	t := catalogue[f].valueType
	switch c.call.name {
	case "count":
		c.counts = true
		if len(args) == 1 && f.Sensitivity() <= Personal {
			break
		}
		return errors.New("function count: takes one public or personal field")
	case "sum":
		if len(args) == 1 && t == number && f.Sensitivity() == Public {
			break
		}
		return errors.New("function sum: takes one public number")
	case "hash_total":
		if len(args) != 3 || t != digits && t != number || f.Sensitivity() != Public && f != CardPAN {
			return errors.New("function hash_total: takes card.pan or public digits, how many last digits count, and how many digits the total has")
		}
		last, err1 := strconv.Atoi(args[1])
		size, err2 := strconv.Atoi(args[2])
		if err1 != nil || err2 != nil || last < 1 || last > 12 || size < 1 || size > 18 {
			return errors.New("function hash_total: 1 to 12 digits count, and the total has 1 to 18")
		}
		c.last, c.modulo = last, 1
		for range size {
			c.modulo *= 10
		}
	default:
		return errors.New("unknown function " + strconv.Quote(c.call.name) + ": a control is a sum, count or hash_total")
	}
	c.field = f
	return nil
}

// of is what a detail adds.
func (c *control) of(rec *Record) uint64 {
	v := rec.Get(c.field)
	if c.counts {
		return uint64(min(len(v), 1))
	}
	if c.last > 0 && len(v) > c.last {
		v = v[len(v)-c.last:]
	}
	return uint64(decimal(v))
}

// addControls adds a detail to the sums.
func (t *Totals) addControls(all []control, rec *Record) {
	box := t.open()
	for i := range all {
		box.addControl(i, all[i].of(rec))
	}
}

func (b *sums) addControl(i int, n uint64) {
	b.controls[i] += n
	if b.controls[i] >= controlModulus {
		b.controls[i] -= controlModulus
		b.over[i] = true
	}
}

// control is the sum of one control; a sum that has no room in its digits is an error.
func (t *Totals) control(c *control, i int) (uint64, error) {
	box := t.open()
	switch {
	case c.modulo > 0:
		return box.controls[i] % c.modulo, nil
	case box.over[i]:
		return 0, &ValueError{Field: controlPrefix + c.name, Reason: errTooLong}
	}
	return box.controls[i], nil
}

// putControls sets the sums in the record of the trailer.
func (t *Totals) putControls(all []control, rec *Record) error {
	for i := range all {
		n, err := t.control(&all[i], i)
		if err != nil {
			return err
		}
		rec.SetInt(controlFields[i], int64(n))
	}
	return nil
}

// checkControlSums compares what a trailer says.
func (t *Totals) checkControlSums(all []control, rec *Record) error {
	for i := range all {
		said := rec.Get(controlFields[i])
		if len(said) == 0 {
			continue
		}
		if n, err := t.control(&all[i], i); err != nil || uint64(decimal(said)) != n {
			return &ValueError{Field: controlPrefix + all[i].name, Reason: errTotals}
		}
	}
	return nil
}

// resolveControls finds the sums that fields name.
func (s *spec) resolveControls() error {
	return s.eachSpec(func(f *fieldSpec) error {
		if f.control == "" {
			return nil
		}
		at := slices.IndexFunc(s.controls, func(c control) bool { return c.name == f.control })
		if at < 0 {
			return faultAt(f.node, "there is no control %q", f.control)
		}
		f.value = controlFields[at]
		return nil
	})
}

// checkControlFields refuses sums over what a reader does not get back from every detail that has it.
func (l *Layout) checkControlFields() error {
	for i := range l.spec.controls {
		f := l.spec.controls[i].field
		if !slices.ContainsFunc(l.sections[Detail].columns, func(c column) bool {
			return c.field == f && c.when == nil && (c.fidelity == exact || c.fidelity == folded && l.spec.controls[i].counts)
		}) {
			return faultAt(l.spec.sections[Detail].node, "control %s: needs %s in the detail, as it is", l.spec.controls[i].name, f)
		}
	}
	return nil
}
