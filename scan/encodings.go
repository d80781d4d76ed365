package scan

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// minPattern is the shortest form that is looked for: a shorter one would be found by chance.
const minPattern = 6

// form is one encoding of a secret.
type form struct {
	encoding string
	bytes    []byte
}

// formsOf lists every encoding of a text that is long enough to be told from noise.
func formsOf(text string) []form {
	raw := []byte(text)
	forms := slices.Concat(
		[]form{{"text", raw}, {"reversed", reversed(raw)}, {"UTF-16LE", utf16(raw, 1)}, {"UTF-16BE", utf16(raw, 0)}},
		grouped(text), hexadecimal(raw), base64s(raw),
	)
	if isDigits(text) {
		forms = append(forms, form{"EBCDIC", ebcdic(text)})
		forms = append(forms, packed(text)...)
		forms = append(forms, integers(text)...)
	}
	return longEnough(forms)
}

// formsOfBytes lists the encodings of a binary value, such as a key or a PIN block.
func formsOfBytes(raw []byte) []form {
	return longEnough(slices.Concat([]form{{"bytes", raw}, {"reversed bytes", reversed(raw)}}, hexadecimal(raw), base64s(raw)))
}

func longEnough(forms []form) []form {
	return slices.DeleteFunc(forms, func(f form) bool { return len(f.bytes) < minPattern })
}

func isDigits(text string) bool { return strings.Trim(text, "0123456789") == "" }

func reversed(raw []byte) []byte {
	out := slices.Clone(raw)
	slices.Reverse(out)
	return out
}

// utf16 puts a zero byte beside every byte; after says on which side.
func utf16(raw []byte, after int) []byte {
	out := make([]byte, 2*len(raw))
	for i, b := range raw {
		out[2*i+1-after] = b
	}
	return out
}

// grouped writes digits in the groups in which people write card numbers.
func grouped(text string) []form {
	if !isDigits(text) {
		return nil
	}
	var forms []form
	for _, sizes := range [][]int{{4, 4, 4, 4, 4}, {4, 6, 5}} {
		for _, separator := range []string{" ", "-", ".", "\u00a0"} {
			var groups []string
			rest := text
			for _, size := range sizes {
				n := min(size, len(rest))
				if n > 0 {
					groups = append(groups, rest[:n])
				}
				rest = rest[n:]
			}
			if rest == "" && len(groups) > 1 {
				forms = append(forms, form{"groups", []byte(strings.Join(groups, separator))})
			}
		}
	}
	return forms
}

func hexadecimal(raw []byte) []form {
	lower := []byte(hex.EncodeToString(raw))
	upper := bytes.ToUpper(lower)
	if bytes.Equal(lower, upper) {
		return []form{{"hex", lower}}
	}
	return []form{{"hex", lower}, {"hex", upper}}
}

// base64s encodes raw as it looks when it begins at each of the three places in a group, without the characters that depend on its
// neighbours, in both alphabets.
func base64s(raw []byte) []form {
	var forms []form
	for offset := range 3 {
		shifted := append(make([]byte, offset), raw...)
		encoded := base64.RawStdEncoding.EncodeToString(shifted)
		first := (offset*8 + 5) / 6         // the first character of raw's bits only
		last := (offset + len(raw)) * 8 / 6 // one past the last
		if last <= first {
			continue
		}
		standard := encoded[first:last]
		forms = append(forms, form{"base64", []byte(standard)})
		if url := strings.NewReplacer("+", "-", "/", "_").Replace(standard); url != standard {
			forms = append(forms, form{"base64", []byte(url)})
		}
	}
	return forms
}

func ebcdic(digits string) []byte {
	out := []byte(digits)
	for i := range out {
		out[i] += 0xF0 - '0'
	}
	return out
}

// packed writes two digits a byte, beginning at the left or at the right half of one. A half byte at an end is left out, since its
// neighbour is not known.
func packed(digits string) []form {
	var forms []form
	for _, skipped := range []int{0, 1} {
		pairs := digits[skipped:]
		pairs = pairs[:len(pairs)&^1]
		if raw, err := hex.DecodeString(pairs); err == nil {
			forms = append(forms, form{"BCD", raw})
		}
	}
	return forms
}

// integers writes the digits as a number: in binary as databases store it, and in PostgreSQL's numeric form of base 10,000.
func integers(digits string) []form {
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || digits[0] == '0' {
		return nil
	}
	big := binary.BigEndian.AppendUint64(nil, n)
	big = big[slices.IndexFunc(big, func(b byte) bool { return b != 0 }):]
	var numeric []byte
	padded := strings.Repeat("0", (4-len(digits)%4)%4) + digits
	for ; padded != ""; padded = padded[4:] {
		group, err := strconv.ParseUint(padded[:4], 10, 16)
		if err != nil {
			return nil
		}
		numeric = binary.LittleEndian.AppendUint16(numeric, uint16(group))
	}
	return []form{{"big-endian number", big}, {"little-endian number", reversed(big)}, {"numeric", numeric}}
}
