package card

import (
	"errors"
	"fmt"
)

// ID is a card's identity: a 23-bit range number above a 40-bit sequence. Its PAN and its token are two views of it
// under two keys, so the number itself shows nothing; it is the primary key of cards.
type ID int64

// Limits of an ID's two parts.
const (
	MaxRange    = 1<<23 - 1
	MaxSequence = 1<<40 - 1
)

// ErrID says that a range number or sequence does not fit a card identity.
var ErrID = errors.New("card identity out of bounds")

// NewID joins a range number (1 to MaxRange) and a sequence (0 to MaxSequence).
func NewID(rangeNumber int32, sequence int64) (ID, error) {
	if rangeNumber < 1 || rangeNumber > MaxRange || sequence < 0 || sequence > MaxSequence {
		return 0, fmt.Errorf("range %d sequence %d: %w", rangeNumber, sequence, ErrID)
	}
	return ID(int64(rangeNumber)<<40 | sequence), nil
}

// Range is the number of the PAN range that the card belongs to.
func (id ID) Range() int32 { return int32(id >> 40) }

// Sequence is the card's place in its range.
func (id ID) Sequence() int64 { return int64(id) & MaxSequence }

// Expiry is the month at whose end a card stops working, in the years 2000 to 2099.
type Expiry struct {
	Year  int // four digits
	Month int // 1 to 12
}

// ErrExpiry says that an expiry is not a month of this century.
var ErrExpiry = errors.New("expiry must be a month between 2000-01 and 2099-12")

// NewExpiry validates a four-digit year and a month.
func NewExpiry(year, month int) (Expiry, error) {
	if year < 2000 || year > 2099 || month < 1 || month > 12 {
		return Expiry{}, ErrExpiry
	}
	return Expiry{Year: year, Month: month}, nil
}

// ParseExpiry reads YYMM as it stands on a track.
func ParseExpiry(yymm string) (Expiry, error) {
	if len(yymm) != 4 {
		return Expiry{}, ErrExpiry
	}
	n := 0
	for _, c := range []byte(yymm) {
		if c < '0' || c > '9' {
			return Expiry{}, ErrExpiry
		}
		n = n*10 + int(c-'0')
	}
	return ExpiryFromInt(n)
}

// ExpiryFromInt reads the number YYMM, the form in which the store keeps it.
func ExpiryFromInt(yymm int) (Expiry, error) { return NewExpiry(2000+yymm/100, yymm%100) }

// Int returns the number YYMM.
func (e Expiry) Int() int { return (e.Year-2000)*100 + e.Month }

// YYMM returns the four digits of a track (ISO/IEC 7813).
func (e Expiry) YYMM() [4]byte {
	y := e.Year - 2000
	return [4]byte{byte('0' + y/10), byte('0' + y%10), byte('0' + e.Month/10), byte('0' + e.Month%10)}
}

// MMYY returns the four digits in the printed order.
func (e Expiry) MMYY() [4]byte {
	d := e.YYMM()
	return [4]byte{d[2], d[3], d[0], d[1]}
}

// String prints YYYY-MM.
func (e Expiry) String() string { return fmt.Sprintf("%04d-%02d", e.Year, e.Month) }

// Before tells whether e ends before f does.
func (e Expiry) Before(f Expiry) bool { return e.Int() < f.Int() }

// AddMonths moves the expiry by n months; past 2099 it fails.
func (e Expiry) AddMonths(n int) (Expiry, error) {
	m := e.Year*12 + e.Month - 1 + n
	return NewExpiry(m/12, m%12+1)
}

// PSN is the PAN sequence number of an issue, 0 to 99 (EMV tag 5F34).
type PSN uint8

// ErrPSN says that a PAN sequence number is over 99.
var ErrPSN = errors.New("PAN sequence number must be 0 to 99")

// NewPSN validates n.
func NewPSN(n int) (PSN, error) {
	if n < 0 || n > 99 {
		return 0, ErrPSN
	}
	return PSN(n), nil
}

// Next is the PSN of the issue after this one; after 99 it fails.
func (p PSN) Next() (PSN, error) { return NewPSN(int(p) + 1) }

// String prints two digits.
func (p PSN) String() string { return fmt.Sprintf("%02d", uint8(p)) }

// ServiceCode is the three-digit service code of a track (ISO/IEC 7813): interchange and technology,
// authorization, services and PIN.
type ServiceCode [3]byte

// ErrServiceCode says that a service code is not three digits with a known first one.
var ErrServiceCode = errors.New("service code must be three digits, the first of 1 2 5 6 7 9")

// ParseServiceCode validates three digits.
func ParseServiceCode(s string) (ServiceCode, error) {
	if len(s) != 3 {
		return ServiceCode{}, ErrServiceCode
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return ServiceCode{}, ErrServiceCode
		}
	}
	switch s[0] {
	case '1', '2', '5', '6', '7', '9':
		return ServiceCode{s[0], s[1], s[2]}, nil
	}
	return ServiceCode{}, ErrServiceCode
}

// Chip tells whether the code announces an integrated circuit (first digit 2 or 6).
func (c ServiceCode) Chip() bool { return c[0] == '2' || c[0] == '6' }

// String prints the three digits.
func (c ServiceCode) String() string { return string(c[:]) }
