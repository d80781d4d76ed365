package api

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
)

// keyPrefix marks a client key, so that scanners of leaked secrets know one.
const keyPrefix = "plk_"

var keyEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewClientKey makes the key of an API client, "plk_" and 32 random bytes in base 32, and its SHA-256, which is all that may be stored.
func NewClientKey() (key string, sum []byte, err error) {
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return "", nil, fmt.Errorf("make a client key: %w", err)
	}
	key = keyPrefix + keyEncoding.EncodeToString(secret[:])
	return key, sumOf(key), nil
}

// sumOf is what is stored of a key. A key has 256 random bits, so that no slow hash is needed and looking its hash up tells nothing by its time.
func sumOf(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

// bearerKey reads the key from the values of the Authorization header (RFC 6750 section 2.1); false unless there is exactly one of the right form.
func bearerKey(headers []string) (string, bool) {
	if len(headers) != 1 {
		return "", false
	}
	scheme, key, ok := strings.Cut(headers[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	body, ok := strings.CutPrefix(key, keyPrefix)
	return key, ok && len(body) == keyEncoding.EncodedLen(32)
}
