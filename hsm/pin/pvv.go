package pin

import (
	"encoding/binary"
	"fmt"

	"platen/hsm"
	"platen/hsm/nibbles"
	"platen/hsm/tdes"
)

// MaxPVKI is the highest PIN verification key index.
const MaxPVKI = 6

// CheckPVKI refuses a PIN verification key index outside 0 to 6 with an hsm.InputError.
func CheckPVKI(pvki int) error {
	if pvki < 0 || pvki > MaxPVKI {
		return &hsm.InputError{Field: "pvki", Reason: fmt.Sprintf("must be 0 to %d", MaxPVKI)}
	}
	return nil
}

// Bench is one caller's working storage. Ciphers make their arguments escape, so it is kept and not put on the stack. It may hold what leads
// to a clear PIN and is wiped by its owner.
type Bench struct {
	block   [tdes.BlockSize]byte
	nibbles [16]byte
}

// PVV computes the Visa PIN verification value of a PIN (ABA PVV): eleven digits of the card number without its check digit, the key index and
// the first four digits of the PIN under the key, decimalised. field is AccountField of the card number.
func (b *Bench) PVV(k *tdes.Key, field []byte, pvki int, p *Clear) hsm.PVV {
	k.Encrypt(b.block[:], b.PVVBlock(field, pvki, p))
	return b.PVVOf(b.block[:])
}

// PVVBlock is the block that PVV enciphers, for those whose cipher is elsewhere.
func (b *Bench) PVVBlock(field []byte, pvki int, p *Clear) []byte {
	binary.BigEndian.PutUint64(b.block[:], nibbles.Word(field[1:FieldSize])<<20|uint64(pvki)<<16|nibbles.Word(p.Digits[:4]))
	return b.block[:]
}

// PVVOf decimalises the enciphered block of PVV.
func (b *Bench) PVVOf(block []byte) (out hsm.PVV) {
	nibbles.Split(b.nibbles[:], block)
	nibbles.Decimalise(out[:], b.nibbles[:])
	return out
}

// FieldSize is the length of an account field.
const FieldSize = 12

// AccountField is the twelve rightmost digits of a card number without its check digit: what PIN blocks and PIN verification bind a PIN to. The
// number has thirteen digits at least.
func AccountField(pan []byte) []byte { return pan[len(pan)-FieldSize-1 : len(pan)-1] }
