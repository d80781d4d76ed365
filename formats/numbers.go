package formats

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/text/language"

	"platen/card"
)

// sign writes + before a number that has no minus.
func (c call) sign(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 0), c.wants(in, number, signed)); err != nil {
		return pipe{}, in, err
	}
	in.valueType = text
	return pipe{
		apply: func(b []byte, start int) ([]byte, error) {
			if b[start] != '-' {
				b = slices.Insert(b, start, '+')
			}
			return b, nil
		},
		invert: func(v []byte) ([]byte, error) {
			switch v[0] {
			case '+':
				return dropFront(v, 1), nil
			case '-':
				return v, nil
			}
			return v, errWrongForm
		},
	}, in, nil
}

// Last digits of a number with its sign on them (zoned decimal as EBCDIC prints it).
const (
	overpunchedPlus  = "{ABCDEFGHI"
	overpunchedMinus = "}JKLMNOPQR"
)

// overpunch writes the sign onto the last digit.
func (c call) overpunch(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 0), c.wants(in, number, signed)); err != nil {
		return pipe{}, in, err
	}
	in.valueType = text
	return pipe{
		apply: func(b []byte, start int) ([]byte, error) {
			set := overpunchedPlus
			if b[start] == '-' {
				b, set = slices.Delete(b, start, start+1), overpunchedMinus
			}
			b[len(b)-1] = set[b[len(b)-1]-'0']
			return b, nil
		},
		invert: func(v []byte) ([]byte, error) {
			last := len(v) - 1
			for sign, set := range []string{overpunchedPlus, overpunchedMinus} {
				for d := range len(set) {
					if set[d] != v[last] {
						continue
					}
					v[last] = byte('0' + d)
					if sign == 1 {
						v = slices.Insert(v, 0, '-')
					}
					return v, nil
				}
			}
			return v, errWrongForm
		},
	}, in, nil
}

var errLuhn = errors.New("its check digit is wrong")

func luhnHolds(v []byte) bool {
	return len(v) > 1 && number.digitsOnly(v) && card.CheckDigit(v[:len(v)-1]) == v[len(v)-1]
}

// digitsOnly tells whether v is digits.
func (valueType) digitsOnly(v []byte) bool {
	for _, c := range v {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// luhn_check refuses digits whose last is not their check digit (ISO/IEC 7812-1, annex B).
func (c call) luhnCheck(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 0), c.wants(in, digits)); err != nil {
		return pipe{}, in, err
	}
	return checking(func(v []byte) error {
		if !luhnHolds(v) {
			return errLuhn
		}
		return nil
	}), in, nil
}

// mod10 writes digits with their check digit.
func (c call) mod10(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(0, 0), c.wants(in, digits, number)); err != nil {
		return pipe{}, in, err
	}
	if in.size > 0 {
		in.size++
	}
	in.valueType = digits
	return pipe{
		apply: func(b []byte, start int) ([]byte, error) { return append(b, card.CheckDigit(b[start:])), nil },
		invert: func(v []byte) ([]byte, error) {
			if !luhnHolds(v) {
				return v, errLuhn
			}
			return v[:len(v)-1], nil
		},
	}, in, nil
}

// bin(n): the first six or eight digits of a card number, which tell the issuer and are public.
func (c call) bin(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 1), c.wants(in, digits)); err != nil {
		return pipe{}, in, err
	}
	n, err := c.width()
	if err != nil || in.field != CardPAN || n != 6 && n != 8 {
		return pipe{}, in, errors.New("function bin: takes 6 or 8 digits of card.pan")
	}
	in.sensitivity, in.size = Public, n
	return pipe{fidelity: hidden, apply: func(b []byte, start int) ([]byte, error) {
		if len(b)-start < n {
			return b, errWrongForm
		}
		return b[:start+n], nil
	}}, in, nil
}

// ss_es(on): a track between its start and end sentinels: % before the letter that track 1 begins with, ; before the digits of track 2, ? behind.
// ss_es(off) is a track as it stands.
func (c call) sentinels(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 1), c.wants(in, text)); err != nil {
		return pipe{}, in, err
	}
	bare := func(v []byte) error {
		if len(v) > 0 && (v[0] == '%' || v[0] == ';') || bytes.IndexByte(v, '?') >= 0 {
			return errWrongForm
		}
		return nil
	}
	switch c.args[0] {
	case "off":
		return checking(bare), in, nil
	case "on":
	default:
		return pipe{}, in, errors.New("function ss_es: takes on or off")
	}
	start := func(c byte) byte {
		if c >= '0' && c <= '9' {
			return ';'
		}
		return '%'
	}
	if in.size > 0 {
		in.size += 2
	}
	return pipe{
		apply: func(b []byte, at int) ([]byte, error) {
			if err := bare(b[at:]); err != nil {
				return b, err
			}
			return append(slices.Insert(b, at, start(b[at])), '?'), nil
		},
		invert: func(v []byte) ([]byte, error) {
			if len(v) < 3 || v[len(v)-1] != '?' || v[0] != start(v[1]) {
				return v, errWrongForm
			}
			v = dropFront(v[:len(v)-1], 1)
			return v, bare(v)
		},
	}, in, nil
}

// lrc(1), lrc(2): a track between its sentinels with its longitudinal redundancy check character behind it (ISO/IEC 7811-2).
func (c call) lrc(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 1), c.wants(in, text)); err != nil {
		return pipe{}, in, err
	}
	bits, base := byte(0x3f), byte(0x20)
	switch c.args[0] {
	case "1":
	case "2":
		bits, base = 0x0f, 0x30
	default:
		return pipe{}, in, fmt.Errorf("function lrc: there is no track %q", c.args[0])
	}
	check := func(v []byte) (byte, error) {
		sum := byte(0)
		for _, c := range v {
			if c < base || c-base > bits {
				return 0, errCharset
			}
			sum ^= c - base
		}
		return base + sum, nil
	}
	return pipe{
		apply: func(b []byte, start int) ([]byte, error) {
			sum, err := check(b[start:])
			return append(b, sum), err
		},
		invert: func(v []byte) ([]byte, error) {
			if sum, err := check(v[:len(v)-1]); err != nil || sum != v[len(v)-1] {
				return v, errWrongForm
			}
			return v[:len(v)-1], nil
		},
	}, in, nil
}

// add(k): a number with k added, where a bureau counts otherwise.
func (c call) add(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 1), c.wants(in, number)); err != nil {
		return pipe{}, in, err
	}
	k, err := c.width()
	if err != nil {
		return pipe{}, in, err
	}
	return pipe{
		apply: func(b []byte, start int) ([]byte, error) {
			return strconv.AppendInt(b[:start], decimal(b[start:])+int64(k), 10), nil
		},
		invert: func(v []byte) ([]byte, error) {
			n := int64(-1)
			if number.fits(v) {
				n = decimal(v) - int64(k)
			}
			if n < 0 {
				return v, errWrongForm
			}
			return strconv.AppendInt(v[:0], n, 10), nil
		},
	}, in, nil
}

// country(numeric), country(alpha3): a country's two letters as its other code of ISO 3166-1.
func (c call) country(in flow) (pipe, flow, error) {
	if err := errors.Join(c.count(1, 1), c.wants(in, text)); err != nil {
		return pipe{}, in, err
	}
	if c.args[0] != "numeric" && c.args[0] != "alpha3" {
		return pipe{}, in, errors.New("function country: takes numeric or alpha3")
	}
	isNumeric := c.args[0] == "numeric"
	in.size = 3
	return pipe{
		apply: func(b []byte, start int) ([]byte, error) {
			r, err := language.ParseRegion(string(b[start:]))
			if err != nil || !r.IsCountry() || r.String() != string(b[start:]) || isNumeric && r.M49() == 0 {
				return b, errNoCountry
			}
			if isNumeric {
				return fmt.Appendf(b[:start], "%03d", r.M49()), nil
			}
			return append(b[:start], r.ISO3()...), nil
		},
		invert: func(v []byte) ([]byte, error) {
			if len(v) != 3 || number.digitsOnly(v) != isNumeric {
				return v, errNoCountry
			}
			r, err := language.ParseRegion(string(v))
			if err != nil || !r.IsCountry() {
				return v, errNoCountry
			}
			return append(v[:0], r.String()...), nil
		},
	}, in, nil
}

var errNoCountry = errors.New("is no country of ISO 3166-1")
