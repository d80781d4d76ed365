// Package keyblock wraps and unwraps keys in the key-block form of ANSI X9.143 (TR-31): version D under an AES key-block protection key
// (KBPK), version B under a TDES one, both with a MAC over header and key. Whatever a header says of a key cannot be changed without the
// KBPK. The deprecated versions A and C are read for import only.
package keyblock

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Usage is what a key is for: the two characters of X9.143 table 2. Two digits are proprietary.
type Usage string

// The usages that Platen gives to keys. A ZPK never serves as a storage key nor the other way round: their usages differ.
const (
	CVK        Usage = "C0" // card verification values
	IBMPVK     Usage = "V1" // IBM 3624 PINs and offsets
	VisaPVK    Usage = "V2" // Visa PIN verification values
	ZPK        Usage = "P0" // PIN blocks on their way to a bureau
	Data       Usage = "D0" // card-number permutation and tokens
	ZEK        Usage = "D3" // sensitive data on their way to a bureau or a client: a zone encryption key
	KEK        Usage = "K0" // keys under a variant: what payShield calls a ZMK
	Protection Usage = "K1" // keys in key blocks
	PINStorage Usage = "10" // PINs at rest in Platen's own store; proprietary
)

// Algorithm is what cipher a key is for (X9.143 table 3).
type Algorithm byte

// The algorithms that Platen's own keys have. Other letters can be read.
const (
	TDES Algorithm = 'T'
	AES  Algorithm = 'A'
)

// Exportability says whether a key may leave under another key (X9.143 table 6).
type Exportability byte

// The exportabilities.
const (
	Exportable    Exportability = 'E'
	NotExportable Exportability = 'N'
	Sensitive     Exportability = 'S'
)

// Optional is one optional block: a two-character id and printable ASCII data.
type Optional struct {
	ID   string
	Data string
}

// Method is a version of key block: how the KBPK protects it.
type Method byte

// The methods. A and C share one; they differ in a letter and are never written.
const (
	MethodA Method = 'A'
	MethodB Method = 'B'
	MethodC Method = 'C'
	MethodD Method = 'D'
)

// block is the length of a cipher block of the method in bytes; header and optional blocks take a multiple of it.
func (m Method) block() int {
	if m == MethodD {
		return 16
	}
	return 8
}

// mac is the length of its MAC in bytes.
func (m Method) mac() int {
	switch m {
	case MethodD:
		return 16
	case MethodB:
		return 8
	}
	return 4
}

// Header is what a key block says of its key.
type Header struct {
	Method        Method // zero stands for D
	Usage         Usage
	Algorithm     Algorithm
	Mode          byte   // X9.143 table 4: B encrypt and decrypt, C generate and verify, N any, ...
	Version       string // two characters; 00 = not used
	Exportability Exportability
	Optional      []Optional // without the pad block, which is made and dropped here
}

// Find returns the data of the first optional block with an id.
func (h *Header) Find(id string) (string, bool) {
	i := slices.IndexFunc(h.Optional, func(o Optional) bool { return o.ID == id })
	if i < 0 {
		return "", false
	}
	return h.Optional[i].Data, true
}

const (
	headerSize   = 16
	padBlockID   = "PB"
	maxBlockSize = 9999
)

// errHeader says that a header is malformed. Callers see ErrKeyBlock.
var errHeader = errors.New("header is malformed")

// encode writes the header for a whole block whose encrypted part and MAC take tail characters.
func (h *Header) encode(tail int) (string, error) {
	if err := h.check(); err != nil {
		return "", err
	}
	var blocks string
	for _, o := range h.Optional {
		b, err := o.encode()
		if err != nil {
			return "", err
		}
		blocks += b
	}
	count := len(h.Optional)
	size := h.Method.block()
	if rest := len(blocks) % size; rest != 0 {
		count++
		// The pad block itself takes four characters.
		fill := (2*size - rest - 4) % size
		blocks += fmt.Sprintf("%s%02X%0*d", padBlockID, fill+4, fill, 0)[:4+fill]
	}
	total := headerSize + len(blocks) + tail
	if total > maxBlockSize || count > 99 {
		return "", fmt.Errorf("%w: %d characters in %d optional blocks", errHeader, total, count)
	}
	return fmt.Sprintf("%c%04d%s%c%c%s%c%02d00", h.Method, total, h.Usage, h.Algorithm, h.Mode, h.Version, h.Exportability, count) + blocks, nil
}

func (h *Header) check() error {
	fields := string(h.Usage) + string([]byte{byte(h.Algorithm), h.Mode}) + h.Version + string([]byte{byte(h.Exportability)})
	if len(h.Usage) != 2 || len(h.Version) != 2 || !alphanumeric(fields) {
		return errHeader
	}
	return nil
}

// encode writes an optional block with a short length, or with the extended one of X9.143 (two characters of length of length).
func (o Optional) encode() (string, error) {
	if len(o.ID) != 2 || !alphanumeric(o.ID) || o.ID == padBlockID || !printable(o.Data) {
		return "", fmt.Errorf("%w: optional block %q", errHeader, o.ID)
	}
	if n := len(o.Data) + 4; n <= 0xFF {
		return fmt.Sprintf("%s%02X%s", o.ID, n, o.Data), nil
	}
	n := len(o.Data) + 10
	if n > 0xFFFF {
		return "", fmt.Errorf("%w: optional block %q is too long", errHeader, o.ID)
	}
	return fmt.Sprintf("%s0004%04X%s", o.ID, n, o.Data), nil
}

// parseHeader reads the header at the front of block and returns it with its length in characters.
func parseHeader(block string) (Header, int, error) {
	if len(block) < headerSize || !printable(block) || block[0] < byte(MethodA) || block[0] > byte(MethodD) {
		return Header{}, 0, errHeader
	}
	total, err := decimal(block[1:5])
	if err != nil || total != len(block) {
		return Header{}, 0, errHeader
	}
	h := Header{
		Method: Method(block[0]), Usage: Usage(block[5:7]), Algorithm: Algorithm(block[7]), Mode: block[8],
		Version: block[9:11], Exportability: Exportability(block[11]),
	}
	count, err := decimal(block[12:14])
	if err != nil || h.check() != nil {
		return Header{}, 0, errHeader
	}
	at := headerSize
	for range count {
		o, size, err := parseOptional(block[at:])
		if err != nil {
			return Header{}, 0, err
		}
		at += size
		if o.ID != padBlockID {
			h.Optional = append(h.Optional, o)
		}
	}
	if (at-headerSize)%h.Method.block() != 0 {
		return Header{}, 0, errHeader
	}
	return h, at, nil
}

func parseOptional(s string) (Optional, int, error) {
	if len(s) < 4 {
		return Optional{}, 0, errHeader
	}
	front := 4
	size, err := hexadecimal(s[2:4])
	if err != nil {
		return Optional{}, 0, errHeader
	}
	if size == 0 {
		// Extended: how long the length is, then the length. Some count the first in byte pairs; both mean four digits here.
		if len(s) < 10 || (s[4:6] != "04" && s[4:6] != "02") {
			return Optional{}, 0, errHeader
		}
		if size, err = hexadecimal(s[6:10]); err != nil {
			return Optional{}, 0, errHeader
		}
		front = 10
	}
	if size < front || size > len(s) {
		return Optional{}, 0, errHeader
	}
	return Optional{ID: s[:2], Data: s[front:size]}, size, nil
}

func decimal(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err
}

func hexadecimal(s string) (int, error) {
	n, err := strconv.ParseUint(s, 16, 16)
	return int(n), err
}

func printable(s string) bool {
	for _, c := range []byte(s) {
		if c < 0x20 || c > 0x7E {
			return false
		}
	}
	return true
}

func alphanumeric(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
