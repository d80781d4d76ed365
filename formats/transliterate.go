package formats

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// transliteration says how a letter is written; false leaves the letter as it is.
type transliteration func(r rune) (string, bool)

// transliterations are the tables that every layout has: one for each script, which leaves letters of others alone, and the variants of
// romanisation.yaml, which know Latin, Greek and Cyrillic letters.
var transliterations = sync.OnceValue(func() map[string]transliteration {
	all := map[string]transliteration{}
	for name, script := range map[string]*unicode.RangeTable{"latin": unicode.Latin, "greek": unicode.Greek, "cyrillic": unicode.Cyrillic} {
		of := defaultLetters()
		all[name] = func(r rune) (string, bool) {
			if !unicode.Is(script, r) {
				return "", false
			}
			return of.letter(r)
		}
	}
	for name, of := range variants() {
		all[name] = of.letter
	}
	arabic := map[rune]string{}
	addLetters(arabic, tablesOf().Arabic)
	all["arabic"] = func(r rune) (string, bool) {
		written, ok := arabic[r]
		return written, ok
	}
	return all
})

// translit(table): character by character through a table of the layout, or one that every layout has; what it does not list stays.
func (c call) translit(in flow) (pipe, flow, error) {
	if err := c.count(1, 1); err != nil {
		return pipe{}, in, err
	}
	if t, ok := in.tables[c.args[0]]; ok {
		return c.plain(in, t.transliterate)
	}
	letter, ok := transliterations()[c.args[0]]
	if !ok {
		return pipe{}, in, fmt.Errorf("function translit: there is no table %q; without one of their own layouts have %s", c.args[0],
			strings.Join(slices.Sorted(maps.Keys(transliterations())), ", "))
	}
	return c.plain(in, letter.write)
}

// write writes a text letter by letter, in each letter's case.
func (t transliteration) write(v []byte) ([]byte, error) {
	s := composed(string(v))
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		written, ok := "", false
		if r >= utf8.RuneSelf {
			written, ok = t(r)
		}
		if !ok {
			out = append(out, s[i-size:i]...)
			continue
		}
		next, _ := utf8.DecodeRuneInString(s[i:])
		out = appendCased(out, written, r, unicode.IsLower(next))
	}
	return out, nil
}

// transliterate is a layout's own table.
func (t *table) transliterate(v []byte) ([]byte, error) {
	out := make([]byte, 0, len(v))
	for _, r := range string(v) {
		to, ok := t.to[string(r)]
		switch {
		case ok:
			out = append(out, to...)
		case t.hasOther && r >= utf8.RuneSelf:
			out = append(out, t.other...)
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return out, nil
}

// ebcdic(page): a text in the bytes of an EBCDIC code page, inside a file of other characters. It is binary then: hex writes it, or a prefix.
func (c call) ebcdic(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 1), c.wants(in, text, digits, number)); err != nil {
		return pipe{}, in, err
	}
	e := encoding(max(slices.Index(encodingNames[:], c.args[0]), 0))
	page := e.page()
	if page == nil {
		return pipe{}, in, fmt.Errorf("function ebcdic: there is no code page %q", c.args[0])
	}
	in.valueType = binary
	return pipe{
		apply: func(b []byte, start int) ([]byte, error) {
			b, err := e.encode(b, start)
			if err == nil {
				page.write(b[start:])
			}
			return b, err
		},
		invert: func(v []byte) ([]byte, error) {
			latin := make([]byte, len(v))
			for i, c := range v {
				latin[i] = page.in[c]
			}
			return e.decode(v[:0], latin)
		},
	}, in, nil
}
