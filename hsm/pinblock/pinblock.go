// Package pinblock builds, opens and translates the PIN blocks of ISO 9564-1. Every malformed block is refused with hsm.ErrPINBlock, whatever
// is wrong with it: a wrong key, a wrong account and a changed block look alike.
package pinblock

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"platen/hsm"
	"platen/hsm/nibbles"
	"platen/hsm/pin"
	"platen/hsm/tdes"
)

// Formats beside those that travel to bureaus.
const (
	ISO0               = hsm.ISO0
	ISO1               = hsm.ISO1 // not bound to an account; for migration
	ISO2 hsm.PINFormat = 2        // towards a card's chip only
	ISO3               = hsm.ISO3 // as format 0, with random fill
	ISO4               = hsm.ISO4
)

// FillLabel is what the CMAC of an AES zone key is computed over to derive the key of repeatable fill. Files rest on it: it may not change.
const FillLabel = "platen PIN block fill"

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
}

// BuildISO0 makes a format 0 block: length, PIN and fill F, added to twelve digits of the account number, under TDES.
func (b *Bench) BuildISO0(k *tdes.Key, account []byte) []byte {
	block := b.ClearISO0(account)
	k.Encrypt(block, block)
	return block
}

// ClearISO0 is BuildISO0 without encryption.
func (b *Bench) ClearISO0(account []byte) []byte {
	return b.put(b.field(0, allF) ^ accountISO0(account))
}

// OpenISO0 opens a format 0 block.
func (b *Bench) OpenISO0(k *tdes.Key, sealed, account []byte) bool {
	return b.OpenTDES(k, ISO0, sealed, account)
}

// OpenTDES opens a block of format 0, 1 or 3.
func (b *Bench) OpenTDES(k *tdes.Key, format hsm.PINFormat, sealed, account []byte) bool {
	if len(sealed) != tdes.BlockSize {
		return false
	}
	k.Decrypt(b.Block[:tdes.BlockSize], sealed)
	return b.ReadClear(format, account)
}

// ReadISO0 is OpenISO0 for the deciphered block in Block.
func (b *Bench) ReadISO0(account []byte) bool {
	field := b.get() ^ accountISO0(account)
	return b.read(field, 0, field^allF)
}

// accountISO0 is four zeros and the account field.
func accountISO0(account []byte) uint64 { return nibbles.Word(pin.AccountField(account)) }

// BuildISO4 makes a format 4 block: length, PIN, fill A and 8 bytes of random under AES, added to the account number, under AES again.
func (b *Bench) BuildISO4(k cipher.Block, account []byte) []byte {
	k.Encrypt(b.Block[:], b.FieldISO4())
	AccountISO4(b.account[:], account)
	nibbles.Xor(b.Block[:], b.account[:])
	k.Encrypt(b.Block[:], b.Block[:])
	return b.Block[:]
}

// FieldISO4 is the PIN field of format 4 that BuildISO4 begins with, for those whose cipher is elsewhere.
func (b *Bench) FieldISO4() []byte {
	b.put(b.field(4, allA))
	copy(b.Block[8:], b.Random[:8])
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
	return b.ReadISO4()
}

// ReadISO4 inverts FieldISO4: it reads the deciphered PIN field in Block.
func (b *Bench) ReadISO4() bool {
	copy(b.Random[:8], b.Block[8:])
	field := b.get()
	return b.read(field, 4, field^allA)
}

// AccountISO4 writes the account field of format 4 into the 16 bytes of dst: how much longer than twelve the number is, the number from the
// left, zeros. A number shorter than twelve has zeros in front. It has 19 ASCII digits at most.
func AccountISO4(dst, account []byte) {
	const beside = 15 // digits in the first eight bytes beside the length
	front := account[:min(len(account), beside)]
	rest := account[len(front):]
	length := uint64(max(0, len(account)-12))
	binary.BigEndian.PutUint64(dst, length<<60|nibbles.Word(front)<<(4*(beside-max(12, len(front)))))
	binary.BigEndian.PutUint64(dst[8:], nibbles.Word(rest)<<(64-4*len(rest)))
}

// A PIN field is sixteen digits in a word: control, length, PIN, fill.
const (
	allF   = 0xFFFFFFFFFFFFFFFF
	allA   = 0xAAAAAAAAAAAAAAAA
	behind = 1<<56 - 1 // behind control and length
)

// put leaves a word as the block of 8 bytes; get takes it.
func (b *Bench) put(word uint64) []byte {
	binary.BigEndian.PutUint64(b.Block[:tdes.BlockSize], word)
	return b.Block[:tdes.BlockSize]
}

func (b *Bench) get() uint64 { return binary.BigEndian.Uint64(b.Block[:tdes.BlockSize]) }

// field is the PIN field of the PIN in hand, with the digits of fill behind the PIN.
func (b *Bench) field(control, fill uint64) uint64 {
	n := b.PIN.N
	left := 56 - 4*n // bits
	return control<<60 | uint64(n)<<56 | nibbles.Word(b.PIN.Digits[:n])<<left | fill&(1<<left-1)
}

// read reads what field wrote. wrong has bits set in every digit that cannot be fill. It does the same work for every content.
func (b *Bench) read(field, control, wrong uint64) bool {
	n := int(field>>56) & 0xF
	fill := uint64(behind) >> (4 * n)
	digits := field & behind &^ fill
	bad := field>>60 ^ control | below(n, pin.MinLength) | below(pin.MaxLength, n) | letters(digits) | wrong&fill
	for i := range b.PIN.Digits {
		b.PIN.Digits[i] = byte(digits>>(52-4*i)) & 0x0F
	}
	b.PIN.N = n
	if bad != 0 {
		b.PIN = pin.Clear{}
	}
	return bad == 0
}

// tops is the highest bit of every digit.
const tops = 0x8888888888888888

// letters has the highest bit of every digit that is A to F.
func letters(word uint64) uint64 { return word & (word<<1 | word<<2) & tops }

// below is 1 when a < b and 0 otherwise, without a branch, for small numbers.
func below(a, b int) uint64 { return uint64(a-b) >> 63 }
