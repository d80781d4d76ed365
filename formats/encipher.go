package formats

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"platen/card"
	"platen/hsm"
)

// A value that is enciphered goes through a security module between two functions of its field. The layout only knows the place: whoever renders asks
// for the data of many records (AppendData), lets the module encipher them, and gives them back to the records (SetEnciphered). A reader gets what is
// enciphered (Enciphered), and whoever has the key gives it the data (TakeData), from which the values come.

// maxSealed is how many places of a detail may be enciphered, maxKeys how many keys a layout may name.
const (
	maxSealed = 4
	maxKeys   = 4
)

// sealedFields are where a record holds what is enciphered, in hexadecimal digits; kcvFields where it holds the check values of the layout's keys.
var (
	sealedFields = [maxSealed]Field{Sealed1, Sealed2, Sealed3, Sealed4}
	kcvFields    = [maxKeys]Field{KeyKCV1, KeyKCV2, KeyKCV3, KeyKCV4}
)

// Cipher is how the data of one place of a detail are enciphered.
type Cipher struct {
	Key  card.KeyLabel
	Mode hsm.DataMode
	Size int // bytes of every value; 0 where lengths differ
}

// sealing is a place that is enciphered, with the column that makes and takes its data.
type sealing struct {
	Cipher
	data column
}

// Ciphers lists the places of a detail that are enciphered, by number.
func (l *Layout) Ciphers() []Cipher {
	out := make([]Cipher, len(l.sealed))
	for i := range l.sealed {
		out[i] = l.sealed[i].Cipher
	}
	return out
}

// Keys lists the zone encryption keys that the layout names.
func (l *Layout) Keys() []card.KeyLabel { return slices.Clone(l.spec.keys) }

// SetKCV sets the check value of the layout's key number i.
func (l *Layout) SetKCV(rec *Record, i int, kcv string) { rec.SetString(kcvFields[i], kcv) }

// KCV is the check value that a record tells of the layout's key number i; empty where it tells none.
func (l *Layout) KCV(rec *Record, i int) string { return string(rec.Get(kcvFields[i])) }

var (
	errData          = errors.New("is not whole blocks of hexadecimal digits, so that it cannot be enciphered")
	errNotEnciphered = errors.New("was not enciphered")
)

// AppendData appends the data of place n of a record, which are to be enciphered: whole blocks, or nothing where the value is absent. What cannot be
// is a *ValueError.
func (l *Layout) AppendData(dst []byte, n int, rec *Record) ([]byte, error) {
	s := &l.sealed[n]
	start := len(dst)
	dst, err := l.appendRaw(dst, &s.data, rec)
	if err != nil {
		return dst, asValueError(s.data.label, err)
	}
	size, err := hex.Decode(dst[start:], dst[start:])
	switch {
	case err != nil || size%s.Mode.BlockSize() != 0:
		return dst[:start], &ValueError{Field: s.data.label, Reason: errData}
	case size > hsm.MaxData:
		return dst[:start], &ValueError{Field: s.data.label, Reason: errTooLong}
	}
	return dst[:start+size], nil
}

func asValueError(label string, err error) error {
	var fault *ValueError
	if errors.As(err, &fault) {
		return err
	}
	return &ValueError{Field: label, Reason: err}
}

// SetEnciphered sets what the data of place n became. It holds for the next detail that the record is written as.
func (l *Layout) SetEnciphered(rec *Record, n int, data []byte) {
	box := rec.open()
	v := hex.AppendEncode(box.values[sealedFields[n]][:0], data)
	box.values[sealedFields[n]] = bytes.ToUpper(v)
}

// Enciphered is what stands in place n of a record that was read; nothing where the value is absent.
func (l *Layout) Enciphered(n int, rec *Record) ([]byte, error) {
	data, err := hex.DecodeString(string(rec.Get(sealedFields[n])))
	if err != nil || len(data)%l.sealed[n].Mode.BlockSize() != 0 || len(data) > hsm.MaxData {
		return nil, &ValueError{Field: l.sealed[n].data.label, Reason: errData}
	}
	return data, nil
}

// TakeData sets the values of place n from its data. A value that the record has already must be the same.
func (l *Layout) TakeData(rec *Record, n int, data []byte) error {
	s := &l.sealed[n]
	raw := bytes.ToUpper(hex.AppendEncode(nil, data))
	defer clear(raw)
	var seen [numFields]bool
	for f := Field(1); f < numFields; f++ {
		seen[f] = rec.Has(f)
	}
	if len(raw) == 0 {
		return nil
	}
	if err := l.takeValue(rec, &s.data, raw, &seen, false); err != nil {
		return asValueError(s.data.label, err)
	}
	return nil
}

// Blank is the layout with zeros for everything that would be enciphered: for trying whether records can be written, where no key is at hand.
func (l *Layout) Blank() *Layout {
	if len(l.sealed) == 0 {
		return l
	}
	return l.sealing(func(_ int, data []byte) error { clear(data); return nil })
}

// sealing is the layout that enciphers data in place by itself, one after the other, where a record does not bring them enciphered.
func (l *Layout) sealing(seal func(n int, data []byte) error) *Layout {
	out := *l
	out.seal = seal
	return &out
}

// appendSealed appends what place n became. A place that has data and was not enciphered is never written.
func (l *Layout) appendSealed(dst []byte, n int, rec *Record) ([]byte, error) {
	if v := rec.Get(sealedFields[n]); len(v) > 0 {
		return append(dst, v...), nil
	}
	data, err := l.AppendData(nil, n, rec)
	defer clear(data)
	if err != nil || len(data) == 0 {
		return dst, err
	}
	if l.seal == nil {
		return dst, errNotEnciphered
	}
	if err := l.seal(n, data); err != nil {
		return dst, err
	}
	start := len(dst)
	dst = hex.AppendEncode(dst, data)
	copy(dst[start:], bytes.ToUpper(dst[start:]))
	return dst, nil
}

// spend takes what was enciphered for one detail out of its record, so that it cannot stand in the next.
func (l *Layout) spend(rec *Record) {
	for n := range l.sealed {
		rec.Set(sealedFields[n], nil)
	}
}

// enc(key, mode): hexadecimal data of whole blocks, enciphered under a key that the layout names. All functions before it make the data.
func (c call) enc(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(2, 2), c.wants(in, text, digits, number)); err != nil {
		return pipe{}, in, err
	}
	mode, ok := hsm.ParseDataMode(c.args[1])
	if !ok {
		return pipe{}, in, fmt.Errorf("function enc: the mode is tdes-ecb, tdes-cbc, aes-ecb or aes-cbc, not %q", c.args[1])
	}
	if !slices.Contains(in.keys, card.KeyLabel(c.args[0])) {
		return pipe{}, in, fmt.Errorf("function enc: keys does not name %q", c.args[0])
	}
	switch block := 2 * mode.BlockSize(); {
	case in.size > 0 && in.size%block != 0:
		return pipe{}, in, fmt.Errorf("function enc: impossible length: %d hexadecimal digits are not whole blocks of %d", in.size, block)
	case in.size == 0 && (in.padded == 0 || in.padded%mode.BlockSize() != 0):
		return pipe{}, in, fmt.Errorf("function enc: nothing brings the value to whole blocks of %d bytes: put pad80 or pad before it", mode.BlockSize())
	}
	in.valueType, in.sized = text, false
	return pipe{seals: &Cipher{Key: card.KeyLabel(c.args[0]), Mode: mode, Size: in.size / 2}}, in, nil
}

// part divides a column at its enc: what is before makes the data of a place, the column itself goes on from what they become.
func (s *spec) part(which Section, f *fieldSpec, c *column) error {
	at := slices.IndexFunc(c.pipes, func(p pipe) bool { return p.seals != nil })
	if at < 0 {
		return nil
	}
	switch {
	case s.kind != CardFile && s.kind != PINMailer, which != Detail:
		return faultAt(f.node, "%s: enc is for the details of a card-file or pin-mailer", c.label)
	case slices.ContainsFunc(c.pipes[at+1:], func(p pipe) bool { return p.seals != nil }):
		return faultAt(f.node, "%s: enc stands once in a field", c.label)
	case len(*s.sealed) == maxSealed:
		return faultAt(f.node, "%s: at most %d values of a detail are enciphered", c.label, maxSealed)
	}
	data := *c
	data.pipes, data.len, data.open, data.end, data.prefix = slices.Clone(c.pipes[:at]), 0, nil, nil, 0
	data.fidelity = fidelityOf(data.pipes)
	if c.joined != nil {
		data.fidelity = hidden
	}
	*s.sealed = append(*s.sealed, sealing{*c.pipes[at].seals, data})
	c.pipes, c.place = slices.Clone(c.pipes[at+1:]), len(*s.sealed)
	c.field, c.parts, c.joined, c.fidelity = sealedFields[c.place-1], nil, nil, fidelityOf(c.pipes)
	return nil
}

// made is the column that makes what stands in c: that of the data where they are enciphered.
func (l *Layout) made(c column) column {
	if c.place > 0 {
		return l.sealed[c.place-1].data
	}
	return c
}

func fidelityOf(pipes []pipe) fidelity {
	worst := exact
	for _, p := range pipes {
		worst = max(worst, p.fidelity)
	}
	return worst
}

// kcvPrefix begins the value that is a key's check value: kcv(LABEL).
const kcvPrefix = "kcv("

// cutKCV reads the label of a value kcv(LABEL).
func cutKCV(v string) (label string, ok bool) {
	label, ok = strings.CutPrefix(v, kcvPrefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(label, ")")
}

// readKey reads the label of a key that the layout enciphers with or shows the check value of.
func (s *spec) readKey(n *yaml.Node) error {
	label, err := card.NewKeyLabel(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil:
		return faultAt(n, "keys: must be labels of keys")
	case slices.Contains(s.keys, label):
		return faultAt(n, "keys: %s stands twice", label)
	case len(s.keys) == maxKeys:
		return faultAt(n, "keys: at most %d", maxKeys)
	}
	s.keys, s.keyNodes = append(s.keys, label), append(s.keyNodes, n)
	return nil
}

// resolveKCVs finds the keys whose check values fields name.
func (s *spec) resolveKCVs() error {
	return s.eachSpec(func(f *fieldSpec) error {
		if f.kcv == "" {
			return nil
		}
		at := slices.Index(s.keys, card.KeyLabel(f.kcv))
		if at < 0 {
			return faultAt(f.node, "kcv: keys does not name %q", f.kcv)
		}
		f.value = kcvFields[at]
		return nil
	})
}

// eachSpec does something with every field of the layout and every part of one.
func (s *spec) eachSpec(do func(*fieldSpec) error) error {
	for _, section := range s.sections {
		if section == nil {
			continue
		}
		for i := range section.fields {
			f := &section.fields[i]
			if err := do(f); err != nil {
				return err
			}
			for k := range f.parts {
				if err := do(&f.parts[k]); err != nil {
					return err
				}
			}
		}
	}
	for _, parts := range s.tracks {
		for k := range parts {
			if err := do(&parts[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkKeys refuses keys where nothing goes to a bureau, keys that nothing names, and keys that would have to be of two algorithms.
func (l *Layout) checkKeys() error {
	s := l.spec
	used := map[card.KeyLabel]bool{}
	aes := map[card.KeyLabel]bool{}
	for i := range l.sealed {
		c := &l.sealed[i].Cipher
		if used[c.Key] && aes[c.Key] != c.Mode.IsAES() {
			return faultAt(s.keyNodes[slices.Index(s.keys, c.Key)], "keys: %s cannot be of TDES and of AES", c.Key)
		}
		used[c.Key], aes[c.Key] = true, c.Mode.IsAES()
	}
	for i, label := range s.keys {
		switch {
		case s.kind != CardFile && s.kind != PINMailer:
			return faultAt(s.keyNodes[i], "keys: a %s has none", s.kind)
		case !used[label]:
			return faultAt(s.keyNodes[i], "keys: nothing is enciphered under %s", label)
		}
	}
	return nil
}

// isHidden tells whether f is a place of a record that only a layout names.
func (f Field) isHidden() bool { return f.isControl() || f >= Sealed1 && f <= KeyKCV4 }

// pad80(n) is pad80 up to whole blocks of n bytes.
func (c call) blockSize() (int, error) {
	if len(c.args) == 0 {
		return 8, nil
	}
	n, err := strconv.Atoi(c.args[0])
	if err != nil || n != 8 && n != 16 {
		return 0, errors.New("function pad80: blocks have 8 or 16 bytes")
	}
	return n, nil
}
