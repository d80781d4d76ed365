package thales

import (
	"encoding/hex"
	"strings"

	"platen/hsm"
	"platen/hsm/material"
	"platen/hsm/pin"
	"platen/hsm/tdes"
)

// Error codes of host commands.
const (
	codeOK       = "00"
	codeVerify   = "01" // verification failed
	codeWarning  = "02" // double-length key where a single one was foreseen: done all the same
	codeParity   = "10"
	codePIN      = "14" // PIN under LMK is not one
	codeInput    = "15"
	codeBlock    = "20" // PIN block is not valid
	codeFormat   = "23" // PIN block format
	codeTable    = "25" // decimalisation table
	codeNotPair  = "27" // key is not of double length
	codeLength   = "80" // data are not of the length they say
	codeDisabled = "68" // command is not one that can be computed here
)

// request reads the fields of a command from the front. After the first fault it holds its code and reads nothing more.
type request struct {
	rest string
	code string
}

func (r *request) fail(code string) {
	if r.code == "" {
		r.code = code
	}
}

// take cuts n characters.
func (r *request) take(n int) string {
	if r.code != "" || n < 0 || len(r.rest) < n {
		r.fail(codeInput)
		return strings.Repeat("0", max(0, n))
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

// digits cuts n decimal digits.
func (r *request) digits(n int) string {
	out := r.take(n)
	if hsm.CheckDigits("field", out, n, n) != nil {
		r.fail(codeInput)
		return strings.Repeat("0", n)
	}
	return out
}

// until cuts what stands before a separator, and the separator.
func (r *request) until(separator string) string {
	out, rest, ok := strings.Cut(r.rest, separator)
	if !ok {
		r.fail(codeInput)
		return ""
	}
	r.rest = rest
	return out
}

// end refuses what was not read.
func (r *request) end() {
	if r.rest != "" {
		r.fail(codeInput)
	}
}

// key cuts a key of a slot and opens it. double says how long a key without a scheme is.
func (r *request) key(slot Slot, double bool) *tdes.Key {
	k, _ := r.clearKey(slot, double)
	return k
}

func (r *request) clearKey(slot Slot, double bool) (*tdes.Key, []byte) {
	scheme, digits, rest, ok := cutKey(r.rest, double)
	raw, err := hex.DecodeString(digits)
	if !ok || err != nil || r.code != "" {
		r.fail(codeInput)
		return nil, nil
	}
	clearKey, err := slot.each(scheme, raw, (*tdes.Key).Decrypt)
	if err != nil {
		r.fail(codeInput)
		return nil, nil
	}
	if !material.OddParity(clearKey) {
		r.fail(codeParity)
		return nil, nil
	}
	k, err := tdes.New(clearKey)
	if err != nil {
		r.fail(codeInput)
		return nil, nil
	}
	r.rest = rest
	return k, clearKey
}

// pair is key for keys that must have double length.
func (r *request) pair(slot Slot) *tdes.Key {
	k := r.key(slot, true)
	if k != nil && k.Parts() != 2 {
		r.fail(codeNotPair)
	}
	return k
}

// storedPIN reads a PIN as simulators keep it under an LMK: a zero and its digits. Real modules encipher it in a way that is not public.
func (r *request) storedPIN(text string) pin.Clear {
	p, err := pin.Parse(strings.TrimPrefix(text, "0"))
	if err != nil || !strings.HasPrefix(text, "0") {
		r.fail(codePIN)
	}
	return p
}

// front cuts all but the last n characters.
func (r *request) front(n int) string { return r.take(len(r.rest) - n) }
