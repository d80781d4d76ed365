package formats

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// plain makes a function of a text whose result a reader takes as it stands.
func (c call) plain(in flow, apply func([]byte) ([]byte, error)) (pipe, flow, error) {
	if err := c.wants(in, text, digits, number); err != nil {
		return pipe{}, in, err
	}
	in.size, in.valueType = 0, text
	return pipe{fidelity: folded, apply: func(b []byte, start int) ([]byte, error) {
		out, err := apply(b[start:])
		if err != nil {
			return b, err
		}
		return append(b[:start], out...), nil
	}}, in, nil
}

// cut(n): the first n characters.
func (c call) cut(in flow) (pipe, flow, error) {
	if err := c.count(1, 1); err != nil {
		return pipe{}, in, err
	}
	n, err := c.width()
	if err != nil {
		return pipe{}, in, err
	}
	return c.plain(in, func(v []byte) ([]byte, error) {
		head, _, ok := cutRunes(v, n)
		if !ok {
			return v, nil
		}
		return head, nil
	})
}

// limit is len(n): a value of more than n characters is refused.
func (c call) limit(in flow) (pipe, flow, error) {
	if err := c.count(1, 1); err != nil {
		return pipe{}, in, err
	}
	n, err := c.width()
	if err != nil {
		return pipe{}, in, err
	}
	return checking(func(v []byte) error {
		if utf8.RuneCount(v) > n {
			return errTooLong
		}
		return nil
	}), in, nil
}

// checking makes a pipe that changes nothing and refuses in both directions what it would not write.
func checking(check func(v []byte) error) pipe {
	return pipe{
		apply:  func(b []byte, start int) ([]byte, error) { return b, check(b[start:]) },
		invert: func(v []byte) ([]byte, error) { return v, check(v) },
	}
}

// split("sep", i): the i-th piece, 1 is the first; absent where there are not so many.
func (c call) split(in flow) (pipe, flow, error) {
	if err := c.count(2, 2); err != nil {
		return pipe{}, in, err
	}
	i, err := strconv.Atoi(c.args[1])
	if err != nil || i < 1 || i > 9 || c.args[0] == "" {
		return pipe{}, in, errors.New("function split: takes a separator and a place from 1 to 9")
	}
	p, out, err := c.plain(in, func(v []byte) ([]byte, error) {
		pieces := bytes.Split(v, []byte(c.args[0]))
		if len(pieces) < i {
			return nil, nil
		}
		return pieces[i-1], nil
	})
	p.fidelity = hidden
	return p, out, err
}

// replace("a=b", "c="): texts for texts, in one pass.
func (c call) replace(in flow) (pipe, flow, error) {
	if err := c.count(1, 64); err != nil {
		return pipe{}, in, err
	}
	var pairs []string
	for _, a := range c.args {
		from, to, ok := strings.Cut(a, "=")
		if !ok || from == "" {
			return pipe{}, in, fmt.Errorf("function replace: %q is not a=b", a)
		}
		pairs = append(pairs, from, to)
	}
	replacer := strings.NewReplacer(pairs...)
	return c.plain(in, func(v []byte) ([]byte, error) { return []byte(replacer.Replace(string(v))), nil })
}

// strip("set"): without the characters of the set.
func (c call) strip(in flow) (pipe, flow, error) {
	if err := c.count(1, 1); err != nil {
		return pipe{}, in, err
	}
	return c.plain(in, func(v []byte) ([]byte, error) {
		return bytes.Map(func(r rune) rune {
			if strings.ContainsRune(c.args[0], r) {
				return -1
			}
			return r
		}, v), nil
	})
}

// collapseSpace makes one blank of several and drops those around.
func (c call) collapseSpace(in flow) (pipe, flow, error) {
	if err := c.count(0, 0); err != nil {
		return pipe{}, in, err
	}
	return c.plain(in, func(v []byte) ([]byte, error) { return bytes.Join(bytes.Fields(v), []byte(" ")), nil })
}

// join("sep"): the words of a text with the separator between them. Behind parts it stands between those that are there.
func (c call) join(in flow) (pipe, flow, error) {
	if err := c.count(1, 1); err != nil {
		return pipe{}, in, err
	}
	if !allPrintable([]byte(c.args[0])) {
		return pipe{}, in, errors.New("function join: takes printable ASCII")
	}
	return c.plain(in, func(v []byte) ([]byte, error) { return bytes.Join(bytes.Fields(v), []byte(c.args[0])), nil })
}

// prefix("text") and suffix("text") are halves of wrap.
func (c call) prefix(in flow) (pipe, flow, error) {
	if err := c.count(1, 1); err != nil {
		return pipe{}, in, err
	}
	return call{name: c.name, args: []string{c.args[0], ""}}.wrap(in)
}

func (c call) suffix(in flow) (pipe, flow, error) {
	if err := c.count(1, 1); err != nil {
		return pipe{}, in, err
	}
	return call{name: c.name, args: []string{"", c.args[0]}}.wrap(in)
}

// charsets are the characters that may stand somewhere; nothing is changed, the rest is refused.
var charsets = map[string]func(r rune) bool{
	"emboss": func(r rune) bool {
		return r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" .,'-&/", r)
	},
	"track":   func(r rune) bool { return r >= 0x20 && r <= 0x5f }, // ISO/IEC 7813, track 1
	"print":   func(r rune) bool { return r < utf8.RuneSelf && printable(byte(r)) },
	"numeric": func(r rune) bool { return r >= '0' && r <= '9' },
	"latin1":  func(r rune) bool { return r <= 0xff && !isControl(r) },
}

var errCharset = errors.New("holds a character that its set does not have")

// charset(name): refuses characters that the set does not have.
func (c call) charset(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 1), c.wants(in, text, digits, number)); err != nil {
		return pipe{}, in, err
	}
	has, ok := charsets[c.args[0]]
	if !ok {
		return pipe{}, in, fmt.Errorf("function charset: there is no set %q", c.args[0])
	}
	return checking(func(v []byte) error {
		for i := 0; i < len(v); {
			r, size := utf8.DecodeRune(v[i:])
			if !has(r) {
				return errCharset
			}
			i += size
		}
		return nil
	}), in, nil
}

// fit(n), fit(n, mode, mode): a name of at most n characters. Modes are tried in turn and each goes only as far as it must: initials makes
// letters of the names between the first and the last, and then of the first; middle drops the names between, the last of them first; vowels
// drops vowels inside words, from the end; cut cuts. What is too long after all of them is refused. The word surname_first before them writes
// the last name first, whatever the length.
func (c call) fit(in flow) (pipe, flow, error) {
	if err := c.count(1, 6); err != nil {
		return pipe{}, in, err
	}
	n, err := c.width()
	if err != nil {
		return pipe{}, in, err
	}
	names := c.args[1:]
	turn := len(names) > 0 && names[0] == surnameFirst
	if turn {
		names = names[1:]
	}
	var modes []func(string, int) string
	for _, name := range names {
		mode, ok := fittings[name]
		if !ok {
			return pipe{}, in, fmt.Errorf("function fit: there is no mode %q here", name)
		}
		if name == "cut" && turn {
			mode = func(name string, n int) string { return surnameLast(fittings["cut"](surnameFirstOf(name), n)) }
		}
		modes = append(modes, mode)
	}
	return c.plain(in, func(v []byte) ([]byte, error) {
		name := string(v)
		for i := 0; utf8.RuneCountInString(name) > n; i++ {
			if i == len(modes) {
				return nil, errTooLong
			}
			name = modes[i](name, n)
		}
		if turn {
			name = surnameFirstOf(name)
		}
		return []byte(name), nil
	})
}

const surnameFirst = "surname_first"

// surnameFirstOf puts the last word of a name before the others.
func surnameFirstOf(name string) string {
	words := strings.Fields(name)
	if len(words) < 2 {
		return name
	}
	return strings.Join(append([]string{words[len(words)-1]}, words[:len(words)-1]...), " ")
}

// surnameLast undoes surnameFirstOf.
func surnameLast(name string) string {
	words := strings.Fields(name)
	if len(words) < 2 {
		return name
	}
	return strings.Join(append(words[1:], words[0]), " ")
}

var fittings = map[string]func(name string, n int) string{
	"reject": func(name string, _ int) string { return name },
	"cut": func(name string, n int) string {
		head, _, _ := cutRunes([]byte(name), n)
		return strings.TrimRight(string(head), " ")
	},
	"initials": fitInitials, "middle": fitMiddle, "vowels": fitVowels,
}

func fitInitials(name string, n int) string {
	words := strings.Fields(name)
	for i := 1; i < len(words) && utf8.RuneCountInString(strings.Join(words, " ")) > n; i++ {
		at := i % (len(words) - 1) // the first name comes last
		_, size := utf8.DecodeRuneInString(words[at])
		words[at] = words[at][:size]
	}
	return strings.Join(words, " ")
}

func fitMiddle(name string, n int) string {
	words := strings.Fields(name)
	for len(words) > 2 && utf8.RuneCountInString(strings.Join(words, " ")) > n {
		words = append(words[:len(words)-2], words[len(words)-1])
	}
	return strings.Join(words, " ")
}

func fitVowels(name string, n int) string {
	runes := []rune(name)
	for i := len(runes) - 1; i > 0 && len(runes) > n; i-- {
		if runes[i-1] != ' ' && strings.ContainsRune("AEIOUaeiou", runes[i]) {
			runes = append(runes[:i], runes[i+1:]...)
		}
	}
	return string(runes)
}
