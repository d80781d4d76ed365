package keystore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"platen/card"
	"platen/hsm/keyblock"
	"platen/hsm/material"
)

// Errors of a ceremony.
var (
	ErrCustodian = errors.New("each component needs a custodian of its own, with a name")
	ErrName      = errors.New("what was given for a name looks like a component: it was not shown or kept; begin again, with the name first")
	ErrNotHex    = errors.New("must be hex digits")
)

// Ceremony joins the components of two or three custodians to a key that none of them knows. Components and sum are held in memory that
// Close wipes; the sum leaves only as a key block of the store.
type Ceremony struct {
	store      *Store
	key        Key
	alg        Algorithm
	count      int
	custodians []string
	parts      [][]byte
	sum        []byte
	adjusted   bool
}

// NewCeremony begins the entry of a key of a new label in 2 or 3 components.
func (s *Store) NewCeremony(in Incoming, alg Algorithm, count int) (*Ceremony, error) {
	if count < 2 || count > 3 {
		return nil, &FieldError{"components", errors.New("must be 2 or 3")}
	}
	p, err := checkPairing(in.Usage, alg)
	if err != nil {
		return nil, &FieldError{"usage", err}
	}
	if _, err := card.NewKeyLabel(string(in.Label)); err != nil {
		return nil, &FieldError{"label", err}
	}
	if k, err := s.lookup(card.KeyRef{Label: in.Label, Version: 1}); err == nil {
		return nil, fmt.Errorf("import key %s: %w", k.Label, ErrExists)
	}
	k := Key{Label: in.Label, Usage: in.Usage, Exportable: p.export, Period: in.Period}
	return &Ceremony{store: s, key: k, alg: alg, count: count}, nil
}

// Admit checks the name of the next custodian: one who entered a component enters no other. A component that is given for a name is refused with
// ErrName, and custodian is wiped in any case.
func (c *Ceremony) Admit(custodian []byte) error {
	defer clear(custodian)
	if looksLikeComponent(custodian) {
		return &FieldError{"custodian", ErrName}
	}
	name := strings.Join(strings.Fields(string(custodian)), " ")
	if name == "" || len(name) > 64 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return &FieldError{"custodian", ErrCustodian}
	}
	for _, other := range c.custodians {
		if strings.EqualFold(other, name) {
			return &FieldError{"custodian", ErrCustodian}
		}
	}
	if len(c.custodians) == c.count || len(c.custodians) != len(c.parts) {
		return &FieldError{"custodian", errors.New("is not awaited")}
	}
	c.custodians = append(c.custodians, name)
	return nil
}

// leastComponent is the hex digits of a part of a single-length key, of which nobody's name has as many.
const leastComponent = 16

// looksLikeComponent tells whether a text holds as many hex digits as a component, in one run or with decimal ones among them.
func looksLikeComponent(text []byte) bool {
	run, longest, all, decimal := 0, 0, 0, false
	for _, b := range text {
		switch {
		case b >= '0' && b <= '9', b >= 'a' && b <= 'f', b >= 'A' && b <= 'F':
			run++
			all++
			decimal = decimal || b <= '9'
		default:
			run = 0
		}
		longest = max(longest, run)
	}
	return longest >= leastComponent || decimal && all >= leastComponent
}

// Enter takes the component of the custodian who was admitted last, in hex digits that may stand in groups, and wipes text. It
// returns the component's check value. Entering again replaces the component until the next custodian is admitted.
func (c *Ceremony) Enter(text []byte) (kcv string, err error) {
	defer clear(text)
	if len(c.custodians) == 0 {
		return "", &FieldError{"custodian", ErrCustodian}
	}
	digits := make([]byte, 0, len(text))
	defer func() { clear(digits[:cap(digits)]) }()
	for _, field := range bytes.Fields(text) {
		digits = append(digits, field...)
	}
	part := make([]byte, hex.DecodedLen(len(digits)))
	keep := false
	defer func() {
		if !keep {
			clear(part)
		}
	}()
	if _, err := hex.Decode(part, digits); err != nil {
		return "", &FieldError{"component", ErrNotHex}
	}
	if kcv, err = componentKCV(c.alg, part); err != nil {
		return "", err
	}
	at := len(c.custodians) - 1
	if at > 0 && len(part) != len(c.parts[0]) {
		return "", &FieldError{"component", material.ErrComponents}
	}
	if at < len(c.parts) {
		clear(c.parts[at])
		c.parts = c.parts[:at]
	}
	keep = true
	c.parts = append(c.parts, part)
	return kcv, nil
}

// Sum adds the components and returns the check value of the key. A sum of even parity is adjusted where the components cannot have another, which
// Adjusted tells then, and refused otherwise; a weak or a half-equal one is refused.
func (c *Ceremony) Sum() (kcv string, err error) {
	if len(c.parts) != c.count {
		return "", &FieldError{"components", material.ErrComponents}
	}
	if c.sum, err = material.Combine(c.parts...); err != nil {
		return "", &FieldError{"components", err}
	}
	p, err := checkPairing(c.key.Usage, c.alg)
	if err != nil {
		return "", err
	}
	if c.alg == keyblock.TDES && !material.OddParity(c.sum) {
		c.adjusted = material.AdjustParity(c.sum, c.parts...)
	}
	if err := checkMaterial(p, c.alg, c.sum); err != nil {
		if errors.Is(err, ErrParity) {
			err = fmt.Errorf("%w: a component was mistyped, or has bytes of even parity that the others do not make up for; take components of odd parity", err)
		}
		return "", &FieldError{"key", err}
	}
	kcv, _, err = CheckValue(c.alg, c.sum)
	return kcv, err
}

// Commit puts the key into the store and ends the ceremony.
func (c *Ceremony) Commit() (Key, error) {
	defer c.Close()
	if len(c.sum) == 0 {
		return Key{}, &FieldError{"components", material.ErrComponents}
	}
	return c.store.take(c.key, c.alg, "", card.NewSecret(c.sum))
}

// Adjusted tells whether the sum was given odd parity.
func (c *Ceremony) Adjusted() bool { return c.adjusted }

// Custodians are the names, in the order of their components.
func (c *Ceremony) Custodians() []string { return c.custodians }

// Close wipes what was entered. It may be called again.
func (c *Ceremony) Close() {
	for _, p := range c.parts {
		clear(p)
	}
	clear(c.sum)
	c.parts, c.sum = nil, nil
}
