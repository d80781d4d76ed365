package software

import (
	"crypto/subtle"
	"errors"
	"fmt"

	"platen/hsm"
	"platen/hsm/pin"
)

// errSelfTest says that this build or machine computes wrong results.
var errSelfTest = errors.New("self-test failed")

// selfTest computes a known answer with each cipher that cards rest on: the first CVV and PVV of hsm/vectors/testdata/vectors.json, and a format 4
// block there and back.
func selfTest() error {
	raw := [16]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10}
	double, err := newTDESKey(raw[:])
	if err != nil {
		return fmt.Errorf("TDES: %w", err)
	}
	b := new(bench)
	code := b.codes.Code(double, []byte("4123456789012345"), [4]byte{'8', '7', '0', '1'}, [3]byte{'1', '0', '1'})
	if subtle.ConstantTimeCompare(code, []byte("561")) != 1 {
		return fmt.Errorf("card verification value: %w", errSelfTest)
	}
	account, want := []byte("1122334455667788"), pin.Clear{N: 4, Digits: [pin.MaxLength]byte{4, 5, 2, 4}}
	*b.pin() = want
	if b.pins.PVV(double, pin.AccountField(account), 1, b.pin()) != (hsm.PVV{'8', '5', '2', '3'}) {
		return fmt.Errorf("PIN verification value: %w", errSelfTest)
	}
	aes, err := newAESKey(raw[:])
	if err != nil {
		return fmt.Errorf("AES: %w", err)
	}
	sealed := append([]byte(nil), b.blocks.BuildISO4(aes.block, account)...)
	*b.pin() = pin.Clear{}
	if !b.blocks.OpenISO4(aes.block, sealed, account) || *b.pin() != want {
		return fmt.Errorf("PIN block: %w", errSelfTest)
	}
	return nil
}
