// Package nibbles is arithmetic on hexadecimal digits, one a byte: the form in which card algorithms are written. Nothing here allocates, and
// sixteen digits, a block of the card schemes, take a few instructions.
package nibbles

import "encoding/binary"

// Split writes the hexadecimal digits of src into dst, which is twice as long.
func Split(dst, src []byte) {
	for len(src) >= 8 {
		block := binary.BigEndian.Uint64(src)
		binary.BigEndian.PutUint64(dst, spread(block>>32))
		binary.BigEndian.PutUint64(dst[8:], spread(block&0xFFFFFFFF))
		dst, src = dst[16:], src[8:]
	}
	for i, c := range src {
		dst[2*i], dst[2*i+1] = c>>4, c&0x0F
	}
}

// Join inverts Split: it fills dst from twice as many digits. An ASCII decimal digit stands for its value.
func Join(dst, src []byte) {
	for len(dst) >= 8 {
		block := gather(binary.BigEndian.Uint64(src))<<32 | gather(binary.BigEndian.Uint64(src[8:]))
		binary.BigEndian.PutUint64(dst, block)
		dst, src = dst[8:], src[16:]
	}
	for i := range dst {
		dst[i] = src[2*i]<<4 | src[2*i+1]&0x0F
	}
}

// Word is up to sixteen digits as one number of four bits each; the last stands lowest. An ASCII decimal digit stands for its value.
func Word(digits []byte) uint64 {
	word := uint64(0)
	for len(digits) >= 8 {
		word = word<<32 | gather(binary.BigEndian.Uint64(digits))
		digits = digits[8:]
	}
	if len(digits) >= 4 {
		word = word<<16 | gather(uint64(binary.BigEndian.Uint32(digits)))
		digits = digits[4:]
	}
	for _, d := range digits {
		word = word<<4 | uint64(d&0x0F)
	}
	return word
}

// spread moves the eight digits of x apart, one a byte.
func spread(x uint64) uint64 {
	x = (x | x<<16) & 0x0000FFFF0000FFFF
	x = (x | x<<8) & 0x00FF00FF00FF00FF
	return (x | x<<4) & 0x0F0F0F0F0F0F0F0F
}

// gather inverts spread, whatever the upper halves of the bytes hold.
func gather(x uint64) uint64 {
	x &= 0x0F0F0F0F0F0F0F0F
	x = (x | x>>4) & 0x00FF00FF00FF00FF
	x = (x | x>>8) & 0x0000FFFF0000FFFF
	return (x | x>>16) & 0x00000000FFFFFFFF
}

// Xor adds src to dst bit by bit.
func Xor(dst, src []byte) {
	for len(src) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(dst)^binary.LittleEndian.Uint64(src))
		dst, src = dst[8:], src[8:]
	}
	for i, c := range src {
		dst[i] ^= c
	}
}

// Decimalise fills out with ASCII digits: first the digits 0 to 9 in order, then, when they are too few, the digits A to F as 0 to 5
// (the Visa rule, which Mastercard shares). Where there are too few digits altogether, zero bytes end it.
func Decimalise(out, digits []byte) {
	// Every digit is written and only those that count are kept: which do is chance, and a wrong guess of the processor costs more.
	n := 0
	for _, d := range digits {
		if n == len(out) {
			return
		}
		out[n] = '0' + d
		n += int((d - 10) >> 7)
	}
	for _, d := range digits {
		if n == len(out) {
			return
		}
		out[n] = '0' + d - 10
		n += int((9 - d) >> 7)
	}
	clear(out[n:])
}
