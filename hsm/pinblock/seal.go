package pinblock

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"platen/hsm"
	"platen/hsm/nibbles"
	"platen/hsm/pin"
	"platen/hsm/tdes"
)

// Key is a PIN encryption key: TDES for formats 0, 1 and 3, AES for format 4.
type Key struct {
	tdes *tdes.Key
	aes  cipher.Block
}

// NewTDESKey makes a key for formats 0, 1 and 3 of 16 or 24 bytes.
func NewTDESKey(key []byte) (Key, error) {
	if len(key) == 8 {
		return Key{}, &hsm.InputError{Field: "key", Reason: "must be of double or triple length"}
	}
	k, err := tdes.New(key)
	return Key{tdes: k}, err
}

// NewAESKey makes a key for format 4.
func NewAESKey(key []byte) (Key, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return Key{}, &hsm.InputError{Field: "key", Reason: "must be an AES key of 16, 24 or 32 bytes"}
	}
	return Key{aes: block}, nil
}

func (k Key) serves(format hsm.PINFormat) error {
	switch {
	case format == ISO4 && k.aes != nil, (format == ISO0 || format == ISO1 || format == ISO3) && k.tdes != nil:
		return nil
	case format == ISO2:
		return &hsm.InputError{Field: "format", Reason: "2 goes to a card's chip and under no zone key"}
	}
	return &hsm.InputError{Field: "key", Reason: fmt.Sprintf("does not serve PIN blocks of format %d", format)}
}

// checkAccount refuses account numbers that a format cannot be bound to.
func checkAccount(format hsm.PINFormat, account string) error {
	switch format {
	case ISO0, ISO3:
		return hsm.CheckDigits("pan", account, 13, 19)
	case ISO4:
		return hsm.CheckDigits("pan", account, 1, 19)
	}
	return nil
}

// Clear makes the block of a PIN before encryption: 8 bytes of format 0, 1, 2 or 3. Random is what Bench says of its Random; formats 0 and 2
// use none. Format 4 is never in the clear.
func Clear(format hsm.PINFormat, p pin.Clear, account string, random [16]byte) ([]byte, error) {
	if err := checkAccount(format, account); err != nil {
		return nil, err
	}
	b := &Bench{PIN: p, Random: random}
	switch format {
	case ISO0:
		return b.ClearISO0([]byte(account)), nil
	case ISO1:
		return b.put(b.field(1, nibbles.Word(random[:]))), nil
	case ISO2:
		return b.put(b.field(2, allF)), nil
	case ISO3:
		for _, d := range random[2+p.N:] {
			if d < 0xA {
				return nil, &hsm.InputError{Field: "random", Reason: "must be digits A to F for format 3"}
			}
		}
		return b.put(b.field(3, nibbles.Word(random[:])) ^ accountISO0([]byte(account))), nil
	}
	return nil, &hsm.InputError{Field: "format", Reason: "must be 0, 1, 2 or 3"}
}

// Read inverts Clear. It fails with hsm.ErrPINBlock for every malformed block.
func Read(format hsm.PINFormat, block []byte, account string) (pin.Clear, error) {
	if err := checkAccount(format, account); err != nil {
		return pin.Clear{}, err
	}
	if len(block) != tdes.BlockSize {
		return pin.Clear{}, hsm.ErrPINBlock
	}
	b := new(Bench)
	copy(b.Block[:], block)
	if !b.ReadClear(format, []byte(account)) {
		return pin.Clear{}, hsm.ErrPINBlock
	}
	return b.PIN, nil
}

// ReadClear reads the deciphered block of a format of 8 bytes in Block.
func (b *Bench) ReadClear(format hsm.PINFormat, account []byte) bool {
	switch field := b.get(); format {
	case ISO0:
		return b.ReadISO0(account)
	case ISO1:
		return b.read(field, 1, 0)
	case ISO2:
		return b.read(field, 2, field^allF)
	case ISO3:
		field ^= accountISO0(account)
		return b.read(field, 3, tops&^letters(field))
	}
	return false
}

// Seal makes the encrypted block of a PIN.
func Seal(format hsm.PINFormat, k Key, p pin.Clear, account string, random [16]byte) ([]byte, error) {
	if err := k.serves(format); err != nil {
		return nil, err
	}
	if format == ISO4 {
		if err := checkAccount(format, account); err != nil {
			return nil, err
		}
		b := &Bench{PIN: p, Random: random}
		return b.BuildISO4(k.aes, []byte(account)), nil
	}
	block, err := Clear(format, p, account, random)
	if err != nil {
		return nil, err
	}
	k.tdes.Encrypt(block, block)
	return block, nil
}

// Open inverts Seal. It fails with hsm.ErrPINBlock for every malformed block.
func Open(format hsm.PINFormat, k Key, sealed []byte, account string) (pin.Clear, error) {
	if err := k.serves(format); err != nil {
		return pin.Clear{}, err
	}
	if len(sealed) != Size(format) {
		return pin.Clear{}, hsm.ErrPINBlock
	}
	if format != ISO4 {
		block := make([]byte, tdes.BlockSize)
		defer clear(block)
		k.tdes.Decrypt(block, sealed)
		return Read(format, block, account)
	}
	if err := checkAccount(format, account); err != nil {
		return pin.Clear{}, err
	}
	b := new(Bench)
	if !b.OpenISO4(k.aes, sealed, []byte(account)) {
		return pin.Clear{}, hsm.ErrPINBlock
	}
	return b.PIN, nil
}
