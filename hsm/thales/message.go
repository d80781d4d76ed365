package thales

import (
	"encoding/binary"

	"platen/hsm"
)

// maxMessage is the longest message that a frame can hold.
const maxMessage = 0xFFFF

// Frame puts a header and a command into a frame: two bytes of length, which do not count themselves, then both.
func Frame(header, command string) ([]byte, error) {
	n := len(header) + len(command)
	if len(command) < 2 || n > maxMessage {
		return nil, &hsm.InputError{Field: "command", Reason: "must have two characters or more and fit a frame"}
	}
	out := binary.BigEndian.AppendUint16(make([]byte, 0, 2+n), uint16(n))
	return append(append(out, header...), command...), nil
}

// Reply is an answer, taken apart.
type Reply struct {
	Command string // two characters: that of the request with the second letter one further
	Error   string // two characters; 00 is success
	Fields  string
}

// ParseReply takes an answer without its header apart.
func ParseReply(text string) (Reply, bool) {
	if len(text) < 4 {
		return Reply{}, false
	}
	return Reply{Command: text[:2], Error: text[2:4], Fields: text[4:]}, true
}

// ReplyTo is the command that answers a command.
func ReplyTo(command string) string {
	if len(command) < 2 {
		return ""
	}
	return string([]byte{command[0], command[1] + 1})
}

// Answers tells whether a reply has the form that a request wants: the right command, a success, and the length of its fields. It is all that
// can be told of traffic whose LMK is not known.
func (r Reply) Answers(request string) bool {
	if r.Command != ReplyTo(request) || r.Error != "00" {
		return false
	}
	n := len(r.Fields)
	switch request[:min(2, len(request))] {
	case "CW":
		return n == 3
	case "DG":
		return n == 4
	case "JA":
		return n >= 5 && n <= 13
	case "JG":
		return n == 16 || n == 32
	case "CY", "DC", "EC":
		return n == 0
	}
	return true
}

// KeyBlockHeader is the clear front of a Thales key block (scheme S). The key itself is opaque.
type KeyBlockHeader struct {
	Version        string // 0: TDES LMK, 1: AES LMK
	Length         string
	Usage          string
	Algorithm      string
	Mode           string
	KeyVersion     string
	Exportability  string
	OptionalBlocks string
	LMK            string
	Encrypted      string
	MAC            string
}

// ParseKeyBlock takes a Thales key block without optional blocks apart.
func ParseKeyBlock(text string) (KeyBlockHeader, error) {
	malformed := &hsm.InputError{Field: "key block", Reason: "is malformed"}
	const front = 17 // S and the header
	if len(text) < front || text[0] != 'S' {
		return KeyBlockHeader{}, malformed
	}
	h := KeyBlockHeader{
		Version: text[1:2], Length: text[2:6], Usage: text[6:8], Algorithm: text[8:9], Mode: text[9:10], KeyVersion: text[10:12],
		Exportability: text[12:13], OptionalBlocks: text[13:15], LMK: text[15:17],
	}
	check := map[string]int{"0": 8, "1": 16}[h.Version]
	if hsm.CheckDigits("length", h.Length, 4, 4) != nil || h.OptionalBlocks != "00" || check == 0 || len(text) < front+check {
		return KeyBlockHeader{}, malformed
	}
	if total := decimal(h.Length); total != len(text)-1 {
		return KeyBlockHeader{}, malformed
	}
	h.Encrypted, h.MAC = text[front:len(text)-check], text[len(text)-check:]
	return h, nil
}

// decimal is the value of ASCII decimal digits that were checked.
func decimal(digits string) int {
	n := 0
	for _, c := range []byte(digits) {
		n = 10*n + int(c-'0')
	}
	return n
}
