package hsm

import "fmt"

// DataMode is how data are enciphered under a zone encryption key (ZEK).
type DataMode uint8

// The modes. CBC begins with a block of zeros, so that the same data always become the same bytes; it hides which blocks of one value are
// alike, and not which values are.
const (
	TDESECB DataMode = iota + 1 // each block for itself, as EMV CPS enciphers secret data groupings
	TDESCBC
	AESECB
	AESCBC
)

// MaxData is the most bytes of one value that a module enciphers.
const MaxData = 1024

var dataModeNames = [...]string{TDESECB: "tdes-ecb", TDESCBC: "tdes-cbc", AESECB: "aes-ecb", AESCBC: "aes-cbc"}

// ParseDataMode reads a mode by its name.
func ParseDataMode(name string) (DataMode, bool) {
	for m := TDESECB; m <= AESCBC; m++ {
		if dataModeNames[m] == name {
			return m, true
		}
	}
	return 0, false
}

// String is the mode's name.
func (m DataMode) String() string {
	if m < TDESECB || m > AESCBC {
		return fmt.Sprintf("unknown(%d)", uint8(m))
	}
	return dataModeNames[m]
}

// IsAES tells whether the mode is one of AES, and not of TDES.
func (m DataMode) IsAES() bool { return m == AESECB || m == AESCBC }

// Chains tells whether each block depends on the one before.
func (m DataMode) Chains() bool { return m == TDESCBC || m == AESCBC }

// BlockSize is how many bytes a block of the mode has; 0 for no mode.
func (m DataMode) BlockSize() int {
	switch m {
	case TDESECB, TDESCBC:
		return 8
	case AESECB, AESCBC:
		return 16
	}
	return 0
}
