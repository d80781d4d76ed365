package emv

import (
	"platen/hsm/mac"
	"platen/hsm/nibbles"
	"platen/hsm/pin"
	"platen/hsm/pinblock"
	"platen/hsm/tdes"
)

// Cryptogram is what a card answers, or its issuer.
type Cryptogram = [mac.Size]byte

// ApplicationCryptogram computes an ARQC, TC or AAC over transaction data: the retail MAC under a session key (under the card's master key for
// Visa's version 10), padded by the method of the card's cryptogram version.
func ApplicationCryptogram(key Key, data []byte, padding mac.Padding) (Cryptogram, error) {
	k, err := tdes.New(key[:])
	if err != nil {
		return Cryptogram{}, err
	}
	return mac.Algorithm3(k, data, padding)
}

// ResponseMethod1 computes an ARPC of the issuer's response code (EMV Book 2, 8.2.1).
func ResponseMethod1(key Key, request Cryptogram, code [2]byte) (Cryptogram, error) {
	k, err := tdes.New(key[:])
	if err != nil {
		return Cryptogram{}, err
	}
	nibbles.Xor(request[:2], code[:])
	k.Encrypt(request[:], request[:])
	return request, nil
}

// ResponseMethod2 computes the four bytes of an ARPC over the card status update and up to 8 bytes of proprietary authentication data
// (EMV Book 2, 8.2.2).
func ResponseMethod2(key Key, request Cryptogram, status [4]byte, proprietary []byte) ([4]byte, error) {
	data := append(append(request[:], status[:]...), proprietary...)
	full, err := ApplicationCryptogram(key, data, mac.Bit)
	if err != nil {
		return [4]byte{}, err
	}
	return [4]byte(full[:4]), nil
}

// ScriptMAC computes the MAC of a script message under a session key of script integrity (EMV Book 2, 9.2). The card may want its first four
// to eight bytes.
func ScriptMAC(key Key, message []byte) (Cryptogram, error) {
	return ApplicationCryptogram(key, message, mac.Bit)
}

// PINChange enciphers a new PIN for a script message the M/Chip way: a format 2 block under a session key of script confidentiality, in ECB.
func PINChange(key Key, p pin.Clear) ([]byte, error) {
	k, err := tdes.New(key[:])
	if err != nil {
		return nil, err
	}
	block, err := pinblock.Clear(pinblock.ISO2, p, "", [16]byte{})
	if err != nil {
		return nil, err
	}
	return k.EncryptECB(block)
}

// VisaPINBlock is the clear block of a new PIN the Visa way (VIS): length, PIN and fill F, added to the last four bytes of the left half of the
// card's master key for cryptograms.
func VisaPINBlock(master Key, p pin.Clear) []byte {
	var digits [16]byte
	for i := range digits {
		digits[i] = 0xF
	}
	digits[0], digits[1] = 0, byte(p.N)
	copy(digits[2:], p.Digits[:p.N])
	out := make([]byte, tdes.BlockSize)
	nibbles.Join(out, digits[:])
	nibbles.Xor(out[4:], master[4:8])
	return out
}
