// Package pinblock builds, opens and translates the PIN blocks of ISO 9564-1. Every malformed block is refused with hsm.ErrPINBlock, whatever
// is wrong with it: a wrong key, a wrong account and a changed block look alike.
package pinblock

import (
	"crypto/aes"
	"crypto/cipher"

	"platen/hsm"
	"platen/hsm/nibbles"
	"platen/hsm/pin"
	"platen/hsm/tdes"
)

// Formats beside those that travel to bureaus.
const (
	ISO0               = hsm.ISO0
	ISO1 hsm.PINFormat = 1 // not bound to an account; for migration
	ISO2 hsm.PINFormat = 2 // towards a card's chip only
	ISO3 hsm.PINFormat = 3 // as format 0, with random fill
	ISO4               = hsm.ISO4
)

// Size is the length in bytes of an encrypted block of a format.
func Size(format hsm.PINFormat) int {
	if format == ISO4 {
		return aes.BlockSize
	}
	return tdes.BlockSize
}

// Bench is one caller's working storage. Building takes the PIN from PIN and leaves the block in Block; opening does the reverse. Opening looks
// at every digit whatever it finds and tells only whether all is well. It may hold a clear PIN: its owner wipes it.
type Bench struct {
	PIN    pin.Clear
	Block  [aes.BlockSize]byte // 8 bytes of it for all formats but 4
	Random [16]byte            // format 4: 8 random bytes; formats 1 and 3: fill, one hexadecimal digit a byte, 10 to 15 for format 3

	account [aes.BlockSize]byte
	digits  [16]byte
}

// BuildISO0 makes a format 0 block: length, PIN and fill F, added to twelve digits of the account number, under TDES.
func (b *Bench) BuildISO0(k *tdes.Key, account []byte) []byte {
	block := b.ClearISO0(account)
	k.Encrypt(block, block)
	return block
}

// ClearISO0 is BuildISO0 without encryption.
func (b *Bench) ClearISO0(account []byte) []byte {
	b.write(0, 0xF)
	return b.bind(account)
}

// OpenISO0 opens a format 0 block.
func (b *Bench) OpenISO0(k *tdes.Key, sealed, account []byte) bool {
	if len(sealed) != tdes.BlockSize {
		return false
	}
	k.Decrypt(b.Block[:tdes.BlockSize], sealed)
	return b.readISO0(account)
}

func (b *Bench) readISO0(account []byte) bool {
	b.unbind(account)
	return b.read(0, 0xF, 0xF)
}

// bind adds the account to the digits and leaves them as a block of 8 bytes.
func (b *Bench) bind(account []byte) []byte {
	block := b.Block[:tdes.BlockSize]
	nibbles.Join(block, b.digits[:])
	b.accountISO0(account)
	nibbles.Xor(block, b.account[:tdes.BlockSize])
	return block
}

// unbind inverts bind.
func (b *Bench) unbind(account []byte) {
	block := b.Block[:tdes.BlockSize]
	b.accountISO0(account)
	nibbles.Xor(block, b.account[:tdes.BlockSize])
	nibbles.Split(b.digits[:], block)
}

// accountISO0 writes four zeros and the account field.
func (b *Bench) accountISO0(account []byte) {
	var digits [16]byte
	nibbles.FromASCII(digits[4:], pin.AccountField(account))
	nibbles.Join(b.account[:tdes.BlockSize], digits[:])
}

// BuildISO4 makes a format 4 block: length, PIN, fill A and 8 bytes of random under AES, added to the account number, under AES again.
func (b *Bench) BuildISO4(k cipher.Block, account []byte) []byte {
	b.write(4, 0xA)
	nibbles.Join(b.Block[:8], b.digits[:])
	copy(b.Block[8:], b.Random[:8])
	AccountISO4(b.account[:], account)
	k.Encrypt(b.Block[:], b.Block[:])
	nibbles.Xor(b.Block[:], b.account[:])
	k.Encrypt(b.Block[:], b.Block[:])
	return b.Block[:]
}

// OpenISO4 opens a format 4 block, and its random bytes into Random.
func (b *Bench) OpenISO4(k cipher.Block, sealed, account []byte) bool {
	if len(sealed) != aes.BlockSize {
		return false
	}
	AccountISO4(b.account[:], account)
	k.Decrypt(b.Block[:], sealed)
	nibbles.Xor(b.Block[:], b.account[:])
	k.Decrypt(b.Block[:], b.Block[:])
	nibbles.Split(b.digits[:], b.Block[:8])
	copy(b.Random[:8], b.Block[8:])
	return b.read(4, 0xA, 0xA)
}

// AccountISO4 writes the account field of format 4 into the 16 bytes of dst: how much longer than twelve the number is, the number from the
// left, zeros. A number shorter than twelve has zeros in front. It has 19 ASCII digits at most.
func AccountISO4(dst, account []byte) {
	var digits [32]byte
	at := 1
	if len(account) > 12 {
		digits[0] = byte(len(account) - 12)
	} else {
		at += 12 - len(account)
	}
	nibbles.FromASCII(digits[at:], account)
	nibbles.Join(dst, digits[:])
}

// write puts control, length, PIN and one fill into the digits.
func (b *Bench) write(control, fill byte) {
	for i := range b.digits {
		b.digits[i] = fill
	}
	b.front(control)
}

// writeFilled is write with the fill of Random.
func (b *Bench) writeFilled(control byte) {
	b.digits = b.Random
	b.front(control)
}

func (b *Bench) front(control byte) {
	b.digits[0], b.digits[1] = control, byte(b.PIN.N)
	copy(b.digits[2:], b.PIN.Digits[:b.PIN.N])
}

// read reads what write wrote; fill may be least to most. It does the same work for every content.
func (b *Bench) read(control byte, least, most int) bool {
	n := int(b.digits[1])
	bad := b.digits[0] ^ control
	bad |= below(n, pin.MinLength) | below(pin.MaxLength, n)
	for i, d := range b.digits[2:] {
		inPIN := below(i, n)
		bad |= inPIN & below(9, int(d))
		bad |= (inPIN ^ 1) & (below(int(d), least) | below(most, int(d)))
		if i < pin.MaxLength {
			b.PIN.Digits[i] = d * inPIN
		}
	}
	b.PIN.N = n
	if bad != 0 {
		b.PIN = pin.Clear{}
	}
	return bad == 0
}

// below is 1 when a < b and 0 otherwise, without a branch, for small numbers.
func below(a, b int) byte { return byte(uint32(a-b) >> 31) }
