package finhub

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"platen/card"
	"platen/sql/store"
)

// Empty is the body of an operation that asks for nothing in particular.
type Empty struct{}

// Amount is an amount as clients send it: a number, or the same as text. Its digits are kept as they came.
type Amount string

// UnmarshalJSON implements json.Unmarshaler.
func (a *Amount) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var text string
		if err := json.Unmarshal(b, &text); err != nil {
			return errors.New("an amount is a number or text")
		}
		*a = Amount(text)
		return nil
	}
	*a = Amount(bytes.TrimSpace(b))
	return nil
}

// Schema implements huma.SchemaProvider.
func (Amount) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeNumber}, {Type: huma.TypeString, MaxLength: new(64)}}}
}

// hidden is text that nobody else may see: it masks itself.
type hidden struct{ card.Secret }

// UnmarshalJSON implements json.Unmarshaler.
func (h *hidden) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		return errors.New("must be text")
	}
	h.Secret = card.NewSecret([]byte(text))
	return nil
}

// PINDigits is a PIN of six digits.
type PINDigits struct{ hidden }

// Schema implements huma.SchemaProvider.
func (PINDigits) Schema(huma.Registry) *huma.Schema { return patterned(`^[0-9]{6}$`) }

// ActiveCode is an activation code.
type ActiveCode struct{ hidden }

// Schema implements huma.SchemaProvider.
func (ActiveCode) Schema(huma.Registry) *huma.Schema { return patterned(`^[0-9]{4,10}$`) }

// Printed is a card number as it is printed, with or without blanks.
type Printed struct{ hidden }

// Schema implements huma.SchemaProvider.
func (Printed) Schema(huma.Registry) *huma.Schema { return patterned(`^[0-9 ]{12,25}$`) }

// pan reads the number; the zero PAN where none was given.
func (p Printed) pan() (card.PAN, error) {
	if p.IsZero() {
		return card.PAN{}, nil
	}
	return card.NewPAN(bytes.ReplaceAll(p.Reveal(), []byte(" "), nil))
}

func patterned(pattern string) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Pattern: pattern}
	s.PrecomputeMessages()
	return s
}

// OnCard names a card by its token; the service's documents have two names for it.
type OnCard struct {
	CardNo string `json:"cardNo,omitempty" maxLength:"64"`
	CardID string `json:"cardId,omitempty" maxLength:"64"`
}

// token is the card's, whichever name it came under.
func (o OnCard) token() (string, error) { return one("cardNo", o.CardNo, o.CardID) }

// Asked is the client's own number of what it asks for.
type Asked struct {
	MerchantOrderNo string `json:"merchantOrderNo" minLength:"15" maxLength:"65"`
}

// one is the value of a member that has two names.
func one(name, first, second string) (string, error) {
	switch {
	case first != "" && second != "" && first != second:
		return "", invalid(name, "is there twice, with two values")
	case first == "" && second == "":
		return "", invalid(name, "is needed")
	}
	return first + strings.Repeat(second, map[bool]int{true: 1}[first == ""]), nil
}

// idOf reads the id of an object; empty is uuid.Nil.
func idOf(text string) (uuid.UUID, error) {
	if text == "" {
		return uuid.Nil, nil
	}
	id, err := uuid.Parse(text)
	if err != nil || id.String() != text || id == uuid.Nil {
		return uuid.Nil, store.ErrNotFound
	}
	return id, nil
}

// Paged asks for a page of a list.
type Paged struct {
	PageNum  int `json:"pageNum,omitempty" minimum:"1" maximum:"1000"`
	PageSize int `json:"pageSize,omitempty" minimum:"1" maximum:"100"`
}

// Page is one page of a list, newest first.
type Page[T any] struct {
	PageNum  int  `json:"pageNum"`
	PageSize int  `json:"pageSize"`
	HasMore  bool `json:"hasMore"`
	Records  []T  `json:"records"`
}

const usualPage = 10

// pageOf reads one page of a list that is read from a position on; pages are counted by the client.
func pageOf[R, T any](p Paged, list func(before int64, limit int) ([]R, error), position func(R) int64, show func(R) (T, error)) (Page[T], error) {
	if p.PageNum == 0 {
		p.PageNum = 1
	}
	if p.PageSize == 0 {
		p.PageSize = usualPage
	}
	v := Page[T]{PageNum: p.PageNum, PageSize: p.PageSize, Records: []T{}}
	before := int64(0)
	for n := 1; ; n++ {
		rows, err := list(before, p.PageSize+1)
		if err != nil {
			return v, err
		}
		more := len(rows) > p.PageSize
		rows = rows[:min(len(rows), p.PageSize)]
		if n < p.PageNum && more {
			before = position(rows[len(rows)-1])
			continue
		}
		if n < p.PageNum {
			return v, nil
		}
		v.HasMore = more
		for _, r := range rows {
			shown, err := show(r)
			if err != nil {
				return v, err
			}
			v.Records = append(v.Records, shown)
		}
		return v, nil
	}
}
