package programs

import (
	"errors"
	"strings"

	"platen/card"
)

// rangeForm is a PAN range as ranges.yaml writes it.
type rangeForm struct {
	Code           string        `json:"code"`
	Prefix         string        `json:"prefix"` // BIN/IIN digits, in quotes
	Length         int           `json:"length"` // digits of the whole card number
	First          int64         `json:"first"`  // first number between prefix and check digit
	Size           int64         `json:"size"`   // how many
	PermutationKey card.KeyLabel `json:"permutation_key"`
	TokenKey       card.KeyLabel `json:"token_key"`
	AcceptSmall    bool          `json:"accept_small"`
	Imported       bool          `json:"imported,omitempty"`
}

func (f rangeForm) asRange() Range {
	return Range{
		Range:          card.Range{Code: f.Code, Prefix: f.Prefix, Length: f.Length, First: f.First, Size: f.Size},
		PermutationKey: f.PermutationKey,
		TokenKey:       f.TokenKey,
		AcceptSmall:    f.AcceptSmall,
		Imported:       f.Imported,
	}
}

func formOf(r Range) rangeForm {
	return rangeForm{
		Code: r.Code, Prefix: r.Prefix, Length: r.Length, First: r.First, Size: r.Size,
		PermutationKey: r.PermutationKey, TokenKey: r.TokenKey, AcceptSmall: r.AcceptSmall, Imported: r.Imported,
	}
}

func (l *loader) checkRanges() {
	l.checkNoTwins("range", l.from.ranges, func(i int) string { return l.set.Ranges[i].Code })
	for i, r := range l.set.Ranges {
		from := l.from.ranges[i]
		l.checkLabel(from, r.PermutationKey, "to make card numbers", "permutation_key")
		l.checkLabel(from, r.TokenKey, "to make card tokens", "token_key")
		if err := r.Check(); err != nil {
			l.at(from)("%s", strings.TrimSuffix(err.Error(), ": "+errors.Unwrap(err).Error()))
			continue
		}
		if r.Size < card.MinRangeSize && !r.AcceptSmall {
			l.at(from, "size")("size: fewer than %d numbers can be guessed: say accept_small: true if that is meant", card.MinRangeSize)
		}
		for j, other := range l.set.Ranges[:i] {
			if other.Check() == nil && r.Overlaps(other.Range) {
				l.at(from)("range %s overlaps range %s (%s:%d)", r.Code, other.Code, l.from.ranges[j].file, l.from.ranges[j].line())
			}
		}
	}
}
