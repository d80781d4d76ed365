// Package nibbles is arithmetic on hexadecimal digits, one a byte: the form in which card algorithms are written. Nothing here allocates.
package nibbles

// Split writes the hexadecimal digits of src into dst, which is twice as long.
func Split(dst, src []byte) {
	for i, c := range src {
		dst[2*i], dst[2*i+1] = c>>4, c&0x0F
	}
}

// Join inverts Split: it fills dst from twice as many digits.
func Join(dst, src []byte) {
	for i := range dst {
		dst[i] = src[2*i]<<4 | src[2*i+1]
	}
}

// FromASCII writes the values of ASCII decimal digits into dst and returns how many they are.
func FromASCII(dst, digits []byte) int {
	for i, c := range digits {
		dst[i] = c - '0'
	}
	return len(digits)
}

// Xor adds src to dst bit by bit.
func Xor(dst, src []byte) {
	for i, c := range src {
		dst[i] ^= c
	}
}

// Decimalise fills out with ASCII digits: first the digits 0 to 9 in order, then, when they are too few, the digits A to F as 0 to 5
// (the Visa rule, which Mastercard shares).
func Decimalise(out, digits []byte) { decimalise(out, digits, 0) }

// DecimaliseFromOne is Decimalise with the digits A to F as 1 to 6 (the American Express rule).
func DecimaliseFromOne(out, digits []byte) { decimalise(out, digits, 1) }

func decimalise(out, digits []byte, a byte) {
	n := 0
	for _, d := range digits {
		if d < 10 && n < len(out) {
			out[n] = '0' + d
			n++
		}
	}
	for _, d := range digits {
		if d >= 10 && n < len(out) {
			out[n] = '0' + d - 10 + a
			n++
		}
	}
}
