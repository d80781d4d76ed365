package formats

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// instants are the fields that name a moment of the whole world (RFC 3339).
var instants = []Field{FileMadeAt, ReturnOccurredAt, AckReceivedAt}

// momentForm is a moment as clocks of one zone show it.
const momentForm = "20060102150405"

// tz("Europe/Paris") and utc: a moment as the clocks of a zone show it, in fourteen digits unless date writes them otherwise. A reader takes the
// first of two moments that the clocks show twice, and refuses one that they never show.
func (c call) zone(in flow) (pipe, flow, error) {
	if c.name == "utc" && len(c.args) != 1 {
		return pipe{}, in, errors.New("function utc takes no arguments")
	}
	if err := c.count(1, 1); err != nil {
		return pipe{}, in, err
	}
	if !slices.Contains(instants, in.field) || in.valueType != text {
		return pipe{}, in, fmt.Errorf("wrong type: %s takes a moment as it is: one of %v", c.name, instants)
	}
	zone, err := time.LoadLocation(c.args[0])
	if err != nil || c.args[0] == "" || c.args[0] == "Local" {
		return pipe{}, in, fmt.Errorf("function tz: there is no zone %q", c.args[0])
	}
	in.valueType, in.size = moment, len(momentForm)
	return pipe{
		fidelity: folded,
		apply: func(b []byte, start int) ([]byte, error) {
			t, err := time.Parse(time.RFC3339, string(b[start:]))
			if err != nil || t.Year() < 2000 || t.Year() > 2099 {
				return b, errWrongForm
			}
			return t.In(zone).AppendFormat(b[:start], momentForm), nil
		},
		invert: func(v []byte) ([]byte, error) {
			t, ok := atZone(string(v), zone)
			if !ok {
				return v, errWrongForm
			}
			return t.UTC().AppendFormat(v[:0], time.RFC3339), nil
		},
	}, in, nil
}

// atZone finds the first moment at which the clocks of a zone show s.
func atZone(s string, zone *time.Location) (time.Time, bool) {
	t, err := time.ParseInLocation(momentForm, s, zone)
	if err != nil || t.Format(momentForm) != s {
		return t, false
	}
	for _, back := range []time.Duration{2 * time.Hour, time.Hour, 30 * time.Minute} {
		if t.Add(-back).Format(momentForm) == s {
			return t.Add(-back), true
		}
	}
	return t, true
}
