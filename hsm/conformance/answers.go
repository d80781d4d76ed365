package conformance

import (
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/amex"
	"platen/hsm/cvv"
	"platen/hsm/pin"
	"platen/hsm/pinblock"
	"platen/hsm/tdes"
)

// The right answers, computed from the clear test keys.

func tdesKey(t testing.TB, label card.KeyLabel) *tdes.Key {
	t.Helper()
	k, err := tdes.New(Material(label))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Code is the card verification value that a request must get.
func Code(t testing.TB, r hsm.CodeRequest) string {
	t.Helper()
	expiry := r.Expiry.YYMM()
	if r.MMYY {
		expiry = r.Expiry.MMYY()
	}
	value, err := cvv.Compute(tdesKey(t, CVK), string(r.PAN.Reveal()), string(expiry[:]), string(r.ServiceCode[:]))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// CSC is the digits of the card security codes that a card must get.
func CSC(t testing.TB, pan card.PAN, e card.Expiry) string {
	t.Helper()
	expiry := e.YYMM()
	codes, err := amex.Version1(tdesKey(t, CVK), string(pan.Reveal()), string(expiry[:]))
	if err != nil {
		t.Fatal(err)
	}
	return codes.Five + codes.Four + codes.Three
}

// Natural is the natural PIN that a card must get.
func Natural(t testing.TB, parameters hsm.IBM3624, pan card.PAN) pin.Clear {
	t.Helper()
	s, err := pin.NewScheme(parameters)
	if err != nil {
		t.Fatal(err)
	}
	var out pin.Clear
	new(pin.Bench).Natural(tdesKey(t, IBMPVK), &s, pin.AccountField(pan.Reveal()), &out)
	return out
}

// PVV is the verification value that a PIN must get.
func PVV(t testing.TB, pvki int, pan card.PAN, p pin.Clear) hsm.PVV {
	t.Helper()
	return new(pin.Bench).PVV(tdesKey(t, VisaPVK), pin.AccountField(pan.Reveal()), pvki, &p)
}

// Block is the encrypted block of a PIN, with zeros where format 4 wants random fill.
func Block(t testing.TB, format hsm.PINFormat, account card.PAN, p pin.Clear) []byte {
	t.Helper()
	block, err := pinblock.Seal(format, blockKey(t, format), p, string(account.Reveal()), [16]byte{})
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// filled is the encrypted block of a PIN in a format with random fill.
func filled(t testing.TB, format hsm.PINFormat, account card.PAN, p pin.Clear, seed int) []byte {
	t.Helper()
	var fill [16]byte
	for i := range fill {
		fill[i] = byte(10 + (seed+i)%6)
	}
	block, err := pinblock.Seal(format, blockKey(t, hsm.ISO0), p, string(account.Reveal()), fill)
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// opened is the PIN of an encrypted block.
func opened(t testing.TB, format hsm.PINFormat, account card.PAN, block []byte) pin.Clear {
	t.Helper()
	p, err := pinblock.Open(format, blockKey(t, format), block, string(account.Reveal()))
	if err != nil {
		t.Fatalf("format %d: the block does not open: %v", format, err)
	}
	return p
}

func blockKey(t testing.TB, format hsm.PINFormat) pinblock.Key {
	t.Helper()
	build := pinblock.NewTDESKey
	if format == hsm.ISO4 {
		build = pinblock.NewAESKey
	}
	k, err := build(Material(zoneKey(format)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}
