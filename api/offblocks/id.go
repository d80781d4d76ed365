package offblocks

import (
	"math/big"
	"strings"

	"github.com/google/uuid"
)

// A card's id is a UUID of version 8 (RFC 9562 section 5.8) that holds its token: the token's characters behind the T as one number to the base 36, which fills the 122 bits
// from behind.

const (
	tokenMark   = "T"
	tokenLength = 18 // characters behind the mark
	base        = 36
	lowBits     = 62 // behind the variant
	middleBits  = 12 // between version and variant
)

// cardID is the id of a token.
func cardID(token string) (uuid.UUID, bool) {
	digits, ok := strings.CutPrefix(token, tokenMark)
	n, valid := new(big.Int).SetString(strings.ToLower(digits), base)
	if !ok || !valid || len(digits) != tokenLength {
		return uuid.Nil, false
	}
	low := new(big.Int).And(n, mask(lowBits))
	middle := new(big.Int).And(new(big.Int).Rsh(n, lowBits), mask(middleBits))
	high := new(big.Int).Rsh(n, lowBits+middleBits)
	all := new(big.Int).Lsh(high, 80)
	all.Or(all, new(big.Int).Lsh(big.NewInt(8), 76))
	all.Or(all, middle.Lsh(middle, 64))
	all.Or(all, new(big.Int).Lsh(big.NewInt(2), lowBits))
	all.Or(all, low)
	var id uuid.UUID
	all.FillBytes(id[:])
	return id, true
}

// tokenOf is the token that an id holds; what is no id of a card names no card.
func tokenOf(text string) string {
	id, err := uuid.Parse(text)
	if err != nil || id.String() != text || id.Version() != 8 || id.Variant() != uuid.RFC4122 {
		return ""
	}
	all := new(big.Int).SetBytes(id[:])
	n := new(big.Int).And(all, mask(lowBits))
	middle := new(big.Int).And(new(big.Int).Rsh(all, 64), mask(middleBits))
	n.Or(n, middle.Lsh(middle, lowBits))
	high := new(big.Int).Rsh(all, 80)
	n.Or(n, high.Lsh(high, lowBits+middleBits))
	digits := strings.ToUpper(n.Text(base))
	if len(digits) > tokenLength {
		return ""
	}
	return tokenMark + strings.Repeat("0", tokenLength-len(digits)) + digits
}

func mask(bits uint) *big.Int {
	one := big.NewInt(1)
	return new(big.Int).Sub(new(big.Int).Lsh(one, bits), one)
}
