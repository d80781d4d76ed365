package pin

import (
	"errors"
	"fmt"
	"strings"

	"platen/hsm"
	"platen/hsm/nibbles"
	"platen/hsm/tdes"
)

// ErrScheme says that IBM 3624 parameters cannot be used.
var ErrScheme = errors.New("IBM 3624 parameters")

// DecTable maps the sixteen hexadecimal digits of a block to decimal ones.
type DecTable [16]byte

// ParseDecTable reads sixteen decimal digits. A table with few different digits makes PINs guessable, so it must have at least eight, none
// more than four times (the payShield's rule too).
func ParseDecTable(text string) (DecTable, error) {
	var t DecTable
	if len(text) != len(t) {
		return DecTable{}, fmt.Errorf("%w: decimalisation table must have %d digits", ErrScheme, len(t))
	}
	var counts [10]int
	different := 0
	for i, c := range []byte(text) {
		if c < '0' || c > '9' {
			return DecTable{}, fmt.Errorf("%w: decimalisation table must be decimal", ErrScheme)
		}
		t[i] = c - '0'
		if counts[t[i]]++; counts[t[i]] == 1 {
			different++
		}
		if counts[t[i]] > 4 {
			return DecTable{}, fmt.Errorf("%w: decimalisation table has a digit more than four times", ErrScheme)
		}
	}
	if different < 8 {
		return DecTable{}, fmt.Errorf("%w: decimalisation table has fewer than eight different digits", ErrScheme)
	}
	return t, nil
}

const (
	templateSize  = 12
	accountDigits = 5 // what N stands for
)

// Template makes validation data of a card number: twelve hexadecimal digits, of which one is N and stands for the last five digits of the
// account field (Thales host commands DE and EE).
type Template struct {
	digits  [templateSize]byte
	account int // where N stands
}

// ParseTemplate reads a template.
func ParseTemplate(text string) (Template, error) {
	t := Template{account: strings.IndexByte(text, 'N')}
	if len(text) != templateSize || t.account < 0 || strings.Count(text, "N") != 1 {
		return Template{}, fmt.Errorf("%w: validation template must have %d characters, one of them N", ErrScheme, templateSize)
	}
	for i, c := range []byte(text) {
		switch {
		case c >= '0' && c <= '9':
			t.digits[i] = c - '0'
		case c >= 'A' && c <= 'F':
			t.digits[i] = c - 'A' + 10
		case c != 'N':
			return Template{}, fmt.Errorf("%w: validation template must be hexadecimal but for its N", ErrScheme)
		}
	}
	return t, nil
}

// Fill writes the sixteen hexadecimal digits of validation data for an account field into dst.
func (t *Template) Fill(dst *[16]byte, field []byte) {
	n := copy(dst[:], t.digits[:t.account])
	for _, c := range field[FieldSize-accountDigits : FieldSize] {
		dst[n] = c - '0'
		n++
	}
	copy(dst[n:], t.digits[t.account+1:])
}

// Scheme is how a product verifies IBM 3624 PINs, checked.
type Scheme struct {
	Table    DecTable
	Template Template
	Length   int
}

// NewScheme checks a product's parameters.
func NewScheme(p hsm.IBM3624) (Scheme, error) {
	if p.Length < MinLength || p.Length > MaxLength {
		return Scheme{}, fmt.Errorf("%w: length %d must be %d to %d", ErrScheme, p.Length, MinLength, MaxLength)
	}
	table, err := ParseDecTable(p.DecTable)
	if err != nil {
		return Scheme{}, err
	}
	template, err := ParseTemplate(p.Validation)
	if err != nil {
		return Scheme{}, err
	}
	return Scheme{Table: table, Template: template, Length: p.Length}, nil
}

// Natural computes the natural PIN of a card into out: its validation data under the key, through the decimalisation table.
func (b *Bench) Natural(k *tdes.Key, s *Scheme, field []byte, out *Clear) {
	k.Encrypt(b.block[:], b.NaturalBlock(s, field))
	b.NaturalFrom(b.block[:], &s.Table, s.Length, out)
}

// NaturalBlock is the block that Natural enciphers, for those whose cipher is elsewhere.
func (b *Bench) NaturalBlock(s *Scheme, field []byte) []byte {
	s.Template.Fill(&b.nibbles, field)
	nibbles.Join(b.block[:], b.nibbles[:])
	return b.block[:]
}

// NaturalFrom reads the natural PIN from the enciphered block of Natural.
func (b *Bench) NaturalFrom(block []byte, table *DecTable, length int, out *Clear) {
	nibbles.Split(b.nibbles[:], block)
	*out = Clear{N: length}
	for i := range out.Digits[:length] {
		out.Digits[i] = table[b.nibbles[i]]
	}
}

// NaturalOf is Natural for ready validation data: sixteen hexadecimal digits, one a byte.
func (b *Bench) NaturalOf(k *tdes.Key, validation *[16]byte, table *DecTable, length int, out *Clear) {
	nibbles.Join(b.block[:], validation[:])
	k.Encrypt(b.block[:], b.block[:])
	b.NaturalFrom(b.block[:], table, length, out)
}

// OffsetOf is a PIN less the natural PIN, digit by digit without borrowing. Both have one length.
func OffsetOf(p, natural *Clear) hsm.Offset {
	out := hsm.Offset{N: uint8(p.N)}
	for i := range p.Digits[:p.N] {
		out.Digits[i] = '0' + (p.Digits[i]+10-natural.Digits[i])%10
	}
	return out
}

// FromOffset is the PIN that an offset makes of a natural PIN: OffsetOf the other way round.
func FromOffset(natural *Clear, offset hsm.Offset) Clear {
	out := Clear{N: natural.N}
	for i := range out.Digits[:out.N] {
		out.Digits[i] = (natural.Digits[i] + offset.Digits[i] - '0') % 10
	}
	return out
}
