package software

import (
	"crypto/aes"
	"crypto/des"

	"platen/hsm"
)

// The PIN blocks of ISO 9564-1. Building takes the PIN from b.pin and leaves the encrypted block in b.block; opening does the reverse.
// Opening looks at every digit whatever it finds and tells only whether all is well.

// blockSizeOf is the length in bytes of an encrypted block.
func blockSizeOf(format hsm.PINFormat) int {
	if format == hsm.ISO4 {
		return aes.BlockSize
	}
	return des.BlockSize
}

// buildISO0 makes a format 0 block: length, PIN and fill F, added to twelve digits of the account number, under TDES.
func (k *tdesKey) buildISO0(b *bench, account []byte) []byte {
	block := b.block[:des.BlockSize]
	plainISO0(b, block, account)
	k.double.Encrypt(block, block)
	return block
}

func plainISO0(b *bench, block, account []byte) {
	b.writePIN(0, 0xF)
	joinNibbles(block, b.nibbles[:])
	other := b.account[:des.BlockSize]
	accountISO0(other, account)
	xorInto(block, other)
}

// openISO0 opens a format 0 block into b.pin.
func (k *tdesKey) openISO0(b *bench, sealed, account []byte) bool {
	if len(sealed) != des.BlockSize {
		return false
	}
	block := b.block[:des.BlockSize]
	k.double.Decrypt(block, sealed)
	other := b.account[:des.BlockSize]
	accountISO0(other, account)
	xorInto(block, other)
	splitNibbles(b.nibbles[:], block)
	return b.readPIN(0, 0xF)
}

// accountISO0 writes four zeros and the twelve rightmost digits of an account number without its check digit.
func accountISO0(dst, account []byte) {
	var nibbles [16]byte
	field := accountField(account)
	for i, c := range field {
		nibbles[4+i] = c - '0'
	}
	joinNibbles(dst, nibbles[:])
}

// accountField is the twelve rightmost digits without the check digit. A card number has thirteen at least.
func accountField(account []byte) []byte { return account[len(account)-13 : len(account)-1] }

// buildISO4 makes a format 4 block: length, PIN, fill A and 8 bytes of random under AES, added to the account number, under AES again.
// The random bytes are taken from b.random.
func (k *aesKey) buildISO4(b *bench, account []byte) []byte {
	b.writePIN(4, 0xA)
	joinNibbles(b.block[:8], b.nibbles[:])
	copy(b.block[8:], b.random[:8])
	accountISO4(b.account[:], account)
	k.block.Encrypt(b.block[:], b.block[:])
	xorInto(b.block[:], b.account[:])
	k.block.Encrypt(b.block[:], b.block[:])
	return b.block[:]
}

// openISO4 opens a format 4 block into b.pin and its random bytes into b.random.
func (k *aesKey) openISO4(b *bench, sealed, account []byte) bool {
	if len(sealed) != aes.BlockSize {
		return false
	}
	accountISO4(b.account[:], account)
	k.block.Decrypt(b.block[:], sealed)
	xorInto(b.block[:], b.account[:])
	k.block.Decrypt(b.block[:], b.block[:])
	splitNibbles(b.nibbles[:], b.block[:8])
	copy(b.random[:8], b.block[8:])
	return b.readPIN(4, 0xA)
}

// accountISO4 writes how much longer than twelve an account number is, the number from the left, and zeros.
func accountISO4(dst, account []byte) {
	var nibbles [32]byte
	at := 1
	if len(account) > 12 {
		nibbles[0] = byte(len(account) - 12)
	} else {
		at += 12 - len(account)
	}
	for i, c := range account {
		nibbles[at+i] = c - '0'
	}
	joinNibbles(dst, nibbles[:])
}

// setFill puts repeatable fill for a block to an account into b.random: a keyed function of the account, so that the same file always
// has the same bytes.
func (k *aesKey) setFill(b *bench, account []byte) {
	accountISO4(b.block[:], account)
	k.fill.Encrypt(b.block[:], b.block[:])
	copy(b.random[:8], b.block[:8])
}

// writePIN writes control, length, PIN and fill as sixteen nibbles.
func (b *bench) writePIN(control, fill byte) {
	for i := range b.nibbles {
		b.nibbles[i] = fill
	}
	b.nibbles[0], b.nibbles[1] = control, byte(b.pin.n)
	copy(b.nibbles[2:], b.pin.digits[:b.pin.n])
}

// readPIN reads what writePIN wrote. It does the same work for every content.
func (b *bench) readPIN(control, fill byte) bool {
	n := int(b.nibbles[1])
	bad := b.nibbles[0] ^ control
	bad |= below(n, minPIN) | below(maxPIN, n)
	for i, d := range b.nibbles[2:] {
		inPIN := below(i, n)
		bad |= inPIN & below(9, int(d))
		bad |= (inPIN ^ 1) & (below(int(d), int(fill)) | below(int(fill), int(d)))
		if i < maxPIN {
			b.pin.digits[i] = d * inPIN
		}
	}
	b.pin.n = n
	if bad != 0 {
		b.pin = clearPIN{}
	}
	return bad == 0
}

// below is 1 when a < b and 0 otherwise, without a branch, for small numbers.
func below(a, b int) byte { return byte(uint32(a-b) >> 31) }
