// Package pinopener opens PIN blocks in the clear, for tests that must know a PIN to prove that it leaked nowhere. Every function wants a test;
// nothing but tests imports it.
package pinopener

import (
	"crypto/aes"
	"crypto/des"
	"encoding/hex"
	"strings"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
)

// Opened is a PIN and the clear forms that it has inside the block it was taken from.
type Opened struct {
	PIN   string
	Field []byte // 8 bytes: control, length, PIN and fill (ISO 9564-1, 9.2.1)
	Block []byte // format 0 only: the field added to the account number, as it is enciphered
}

// Zone opens a block that travels to a bureau under its zone key.
func Zone(t testing.TB, keys *keystore.Store, zpk card.KeyLabel, format hsm.PINFormat, account card.PAN, block []byte) Opened {
	t.Helper()
	if format == hsm.ISO4 {
		return open4(t, keys, card.KeyRef{Label: zpk}, keyblock.ZPK, account, block)
	}
	return open0(t, keys, card.KeyRef{Label: zpk}, account, block)
}

// Stored opens a PIN as the software module stores it: tag, key version, format 4 block.
func Stored(t testing.TB, keys *keystore.Store, storage card.KeyLabel, account card.PAN, stored []byte) Opened {
	t.Helper()
	if len(stored) != 2+aes.BlockSize {
		t.Fatalf("a stored PIN has %d bytes", len(stored))
	}
	return open4(t, keys, card.KeyRef{Label: storage, Version: int(stored[1])}, keyblock.PINStorage, account, stored[2:])
}

// open4 opens ISO 9564 format 4: decrypt, add the account number, decrypt.
func open4(t testing.TB, keys *keystore.Store, ref card.KeyRef, usage keyblock.Usage, account card.PAN, block []byte) Opened {
	t.Helper()
	clear := make([]byte, aes.BlockSize)
	digits := string(account.Reveal())
	number := fromHex(t, string(byte('0'+len(digits)-12))+digits+strings.Repeat("0", 31-len(digits)))
	err := keys.Use(ref, usage, keyblock.AES, func(key []byte) error {
		c, err := aes.NewCipher(key)
		if err != nil {
			return err
		}
		c.Decrypt(clear, block)
		add(clear, number)
		c.Decrypt(clear, clear)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return read(t, clear[:8], '4', 'A')
}

// open0 opens ISO 9564 format 0 under a double-length TDES key.
func open0(t testing.TB, keys *keystore.Store, ref card.KeyRef, account card.PAN, block []byte) Opened {
	t.Helper()
	clear := make([]byte, des.BlockSize)
	err := keys.Use(ref, keyblock.ZPK, keyblock.TDES, func(key []byte) error {
		c, err := des.NewTripleDESCipher(append(append([]byte(nil), key...), key[:8]...))
		if err != nil {
			return err
		}
		c.Decrypt(clear, block)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	field := append([]byte(nil), clear...)
	digits := string(account.Reveal())
	add(field, fromHex(t, "0000"+digits[len(digits)-13:len(digits)-1]))
	o := read(t, field, '0', 'F')
	o.Block = clear
	return o
}

// read takes a PIN field apart and proves its form.
func read(t testing.TB, field []byte, control, fill byte) Opened {
	t.Helper()
	text := strings.ToUpper(hex.EncodeToString(field))
	n := strings.IndexByte("0123456789ABCDEF", text[1])
	if text[0] != control || n < 4 || n > 12 {
		t.Fatal("the PIN block does not open")
	}
	pin := text[2 : 2+n]
	if strings.Trim(pin, "0123456789") != "" || strings.Trim(text[2+n:], string(fill)) != "" {
		t.Fatal("the PIN block does not open")
	}
	return Opened{PIN: pin, Field: field}
}

func add(to, other []byte) {
	for i := range to {
		to[i] ^= other[i]
	}
}

func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
