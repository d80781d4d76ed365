// Package amex computes American Express card security codes.
package amex

import (
	"strings"

	"platen/hsm"
	"platen/hsm/nibbles"
	"platen/hsm/tdes"
)

// Codes are the three card security codes that one calculation gives.
type Codes struct {
	Five  string // magnetic stripe
	Four  string // printed on the front
	Three string // signature panel
}

// Digits is the length of the three codes of a card, one behind the other: five, four and three.
const Digits = 5 + 4 + 3

const panDigits = 15

// Five, Four and Three are the parts of the digits that one calculation gives; none where there are none.
func Five(digits []byte) []byte { return part(digits, 0, 5) }

// Four is the code on the front.
func Four(digits []byte) []byte { return part(digits, 5, 9) }

// Three is the code on the signature panel.
func Three(digits []byte) []byte { return part(digits, 9, Digits) }

func part(digits []byte, from, to int) []byte {
	if len(digits) != Digits {
		return nil
	}
	return digits[from:to]
}

// IsNumber tells whether card numbers are American Express ones: 15 digits of which the first two are 34 or 37.
func IsNumber(pan []byte) bool {
	return len(pan) == panDigits && pan[0] == '3' && (pan[1] == '4' || pan[1] == '7')
}

// Bench is one caller's working storage, so that a card costs no allocation. The digits stand in it until its next use.
type Bench struct {
	block  [tdes.BlockSize]byte
	wide   [2 * tdes.BlockSize]byte
	digits [Digits]byte
}

// Code computes the digits of version 1 of a number that IsNumber and an expiry as YYMM.
func (b *Bench) Code(k *tdes.Key, pan []byte, expiry [4]byte) []byte {
	b.Block(pan, expiry)
	k.Encrypt(b.block[:], b.block[:])
	return b.Value(b.block[:])
}

// Block is what Code enciphers, for those whose cipher is elsewhere: expiry and digits 3 to 14, for 34 the digits first.
func (b *Bench) Block(pan []byte, expiry [4]byte) []byte {
	body := pan[2 : panDigits-1]
	if pan[1] == '4' {
		copy(b.wide[copy(b.wide[:], body):], expiry[:])
	} else {
		copy(b.wide[copy(b.wide[:], expiry[:]):], body)
	}
	nibbles.Join(b.block[:], b.wide[:])
	return b.block[:]
}

// letterShift is where in the block letters begin to stand for other digits.
const letterShift = 5

// Value decimalises the enciphered block: its digits 0 to 9 in order, then, as far as they are too few, A to F as 1 to 6 among its first five places
// and as 6, 7, 8, 9, 0, 1 behind them. That the places differ is known from one source, the Thales simulator of nickntg (RY), whose published values
// show letters of the first five only.
func (b *Bench) Value(block []byte) []byte {
	nibbles.Split(b.wide[:], block)
	n := 0
	for _, d := range b.wide {
		if n < Digits && d < 10 {
			b.digits[n] = '0' + d
			n++
		}
	}
	for i, d := range b.wide {
		if n == Digits {
			break
		}
		if d < 10 {
			continue
		}
		if d -= 9; i >= letterShift {
			d = (d + 5) % 10
		}
		b.digits[n] = '0' + d
		n++
	}
	return b.digits[:]
}

// Version1 is Bench.Code for text, with everything checked: one block of expiry and digits 3 to 14 under the double-length card security code key.
func Version1(k *tdes.Key, pan, expiry string) (Codes, error) {
	if err := check(k, pan, expiry); err != nil {
		return Codes{}, err
	}
	return codesOf(new(Bench).Code(k, []byte(pan), [4]byte([]byte(expiry)))), nil
}

// Version2 is Version1 with the service code in a second block, chained to the first. Its algorithm is known from one source: an issuer confirms
// it with its network's own test pack before it prints such codes.
func Version2(k *tdes.Key, pan, expiry, service string) (Codes, error) {
	if err := hsm.CheckDigits("service_code", service, 3, 3); err != nil {
		return Codes{}, err
	}
	if err := check(k, pan, expiry); err != nil {
		return Codes{}, err
	}
	var b Bench
	block := b.Block([]byte(pan), [4]byte([]byte(expiry)))
	k.Encrypt(block, block)
	var second [tdes.BlockSize]byte
	nibbles.Join(second[:], []byte(service+strings.Repeat("0", 2*tdes.BlockSize-len(service))))
	nibbles.Xor(block, second[:])
	k.Encrypt(block, block)
	return codesOf(b.Value(block)), nil
}

func check(k *tdes.Key, pan, expiry string) error {
	if k.Parts() != 2 {
		return &hsm.InputError{Field: "key", Reason: "must be of double length"}
	}
	if err := hsm.CheckDigits("pan", pan, panDigits, panDigits); err != nil {
		return err
	}
	if !IsNumber([]byte(pan)) {
		return &hsm.InputError{Field: "pan", Reason: "must begin with 34 or 37"}
	}
	return hsm.CheckDigits("expiry", expiry, 4, 4)
}

func codesOf(digits []byte) Codes {
	return Codes{Five: string(Five(digits)), Four: string(Four(digits)), Three: string(Three(digits))}
}
