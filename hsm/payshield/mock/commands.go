package mock

import (
	"crypto/rand"
	"encoding/hex"
	"math/big"
	"strings"

	"platen/hsm"
	"platen/hsm/material"
	"platen/hsm/pin"
	"platen/hsm/pinblock"
	"platen/hsm/thales"
)

// A real module enciphers PINs under its LMK in a way that is not public. This one returns what an AES LMK's look like from outside: J and 32
// hexadecimal digits, here a format 4 block of the twelve account digits under a key of its own, so that a wrong account shows.
const (
	pinMark    = "J"
	pinSize    = 1 + 32
	accountLen = pin.FieldSize
)

func underLMK() pinblock.Key {
	k, err := pinblock.NewAESKey([]byte("platen test mock"))
	if err != nil {
		panic("mock: the key of stored PINs is malformed")
	}
	return k
}

func randomDigits(base int64) (out [16]byte) {
	for i := range out {
		n, err := rand.Int(rand.Reader, big.NewInt(base))
		if err != nil {
			panic("mock: no randomness")
		}
		out[i] = byte(n.Int64())
	}
	return out
}

func keep(p pin.Clear, account string) string {
	block, err := pinblock.Seal(pinblock.ISO4, underLMK(), p, account, randomDigits(256))
	if err != nil {
		return ""
	}
	return pinMark + strings.ToUpper(hex.EncodeToString(block))
}

func open(stored, account string) (pin.Clear, bool) {
	block, err := hex.DecodeString(strings.TrimPrefix(stored, pinMark))
	if len(stored) != pinSize || err != nil {
		return pin.Clear{}, false
	}
	p, err := pinblock.Open(pinblock.ISO4, underLMK(), block, account)
	return p, err == nil
}

// keySize is how long the key at the front of fields is, and plain how long one without a letter.
func keySize(fields string, plain int) int {
	if fields == "" {
		return plain
	}
	if n, ok := map[byte]int{'Z': 17, 'U': 33, 'X': 33, 'T': 49, 'Y': 49}[fields[0]]; ok {
		return n
	}
	return plain
}

// Do answers a command under the test LMKs.
func Do(command string) string {
	name, fields := command[:2], command[2:]
	refused := func(code string) string { return thales.ReplyTo(name) + code }
	switch name {
	case "NC":
		return "ND00" + "9E3AC2F16B4D8075" + "0007-E000"
	case "JA":
		return draw(fields)
	case "DG":
		return clearly(name, fields, keySize(fields, 32), 13, 0)
	case "DE":
		return clearly(name, fields, keySize(fields, 16), 2+accountLen+16+12, 2)
	case "EE":
		at := keySize(fields, 16) + pin.MaxLength + 2
		reply := thales.Answer(command)
		if len(reply) < 5 || len(fields) < at+accountLen {
			return reply
		}
		p, err := pin.Parse(reply[5:]) // behind EF, the code and the zero of simulators
		if err != nil {
			return refused("15")
		}
		return reply[:4] + keep(p, fields[at:at+accountLen])
	case "A6":
		return takeIn(fields)
	case "JG":
		return seal(fields)
	case "JE":
		return unseal(fields)
	case "CC":
		if reply, done := fromUnbound(fields); done {
			return reply
		}
	}
	return thales.Answer(command)
}

func draw(fields string) string {
	if len(fields) != accountLen+2 {
		return "JB15"
	}
	p := pin.Clear{N: int(fields[accountLen]-'0')*10 + int(fields[accountLen+1]-'0')}
	if p.N < pin.MinLength || p.N > pin.MaxLength {
		return "JB24"
	}
	for {
		digits := randomDigits(10)
		copy(p.Digits[:p.N], digits[:])
		if !pin.NotTrivial.Refuses(&p, []byte(fields[:accountLen])) {
			return "JB00" + keep(p, fields[:accountLen])
		}
	}
}

// clearly lets thales answer a command in which a stored PIN stands between a key and so many last characters, with the account at some place
// of those. thales knows PINs only as simulators keep them.
func clearly(name, fields string, front, back, accountAt int) string {
	end := len(fields) - back
	if end < front {
		return thales.ReplyTo(name) + "15"
	}
	p, ok := open(fields[front:end], fields[end+accountAt:end+accountAt+accountLen])
	if !ok {
		return thales.ReplyTo(name) + "14"
	}
	if pin.NotTrivial.Refuses(&p, nil) { // its table of excluded PINs
		return thales.ReplyTo(name) + "86"
	}
	return thales.Answer(name + fields[:front] + "0" + p.Reveal() + fields[end:])
}

// zoneKey opens a ZPK under its LMK pair.
func zoneKey(text string) (pinblock.Key, bool) {
	raw, err := thales.Slot{Pair: "06-07"}.Decrypt(text)
	if err != nil {
		return pinblock.Key{}, false
	}
	k, err := pinblock.NewTDESKey(raw)
	return k, err == nil
}

const (
	formatUnbound = "05"
	formatISO3    = "47"
)

// seal is JG; thales has no randomness for format 05.
func seal(fields string) string {
	at := keySize(fields, 16)
	if len(fields) < at+2+accountLen {
		return "JH15"
	}
	format, account := fields[at:at+2], fields[at+2:at+2+accountLen]
	p, ok := open(fields[at+2+accountLen:], account)
	if !ok {
		return "JH14"
	}
	if format != formatUnbound {
		return thales.Answer("JG" + fields[:at+2+accountLen] + "0" + p.Reveal())
	}
	k, ok := zoneKey(fields[:at])
	if !ok {
		return "JH10"
	}
	block, err := pinblock.Seal(pinblock.ISO1, k, p, "", randomDigits(16))
	if err != nil {
		return "JH15"
	}
	return "JH00" + strings.ToUpper(hex.EncodeToString(block))
}

// opened reads a block of format 01, 05 or 47.
func opened(key, block, format, account string) (pin.Clear, string) {
	k, ok := zoneKey(key)
	raw, err := hex.DecodeString(block)
	if !ok || err != nil {
		return pin.Clear{}, "15"
	}
	kind, known := map[string]hsm.PINFormat{"01": pinblock.ISO0, formatUnbound: pinblock.ISO1, formatISO3: pinblock.ISO3}[format]
	if !known {
		return pin.Clear{}, "23"
	}
	number := account + "0" // the check digit, which is not looked at
	p, err := pinblock.Open(kind, k, raw, number)
	if err != nil {
		return pin.Clear{}, "20"
	}
	return p, "00"
}

// unseal is JE.
func unseal(fields string) string {
	at := keySize(fields, 16)
	if len(fields) != at+16+2+accountLen {
		return "JF15"
	}
	account := fields[at+18:]
	p, code := opened(fields[:at], fields[at:at+16], fields[at+16:at+18], account)
	if code != "00" {
		return "JF" + code
	}
	return "JF00" + keep(p, account)
}

// fromUnbound is CC from formats 05 and 47 to 01; thales does the others.
func fromUnbound(fields string) (reply string, done bool) {
	from := keySize(fields, 16)
	if len(fields) < from {
		return "", false
	}
	to := keySize(fields[from:], 16)
	if len(fields) != from+to+2+16+2+2+accountLen {
		return "", false
	}
	source := fields[from+to+18 : from+to+20]
	if source != formatUnbound && source != formatISO3 {
		return "", false
	}
	rest := fields[from+to+2:]
	account := rest[20:]
	p, code := opened(fields[:from], rest[:16], source, account)
	if code != "00" {
		return "CD" + code, true
	}
	k, ok := zoneKey(fields[from : from+to])
	if !ok || rest[18:20] != "01" {
		return "CD23", true
	}
	block, err := pinblock.Seal(pinblock.ISO0, k, p, account+"0", [16]byte{})
	if err != nil {
		return "CD15", true
	}
	return "CD00" + string([]byte{'0' + byte(p.N/10), '0' + byte(p.N%10)}) + strings.ToUpper(hex.EncodeToString(block)) + "01", true
}

// lmkPairs are the pairs of the test LMK that the last two digits of a key type name.
var lmkPairs = map[string]string{"00": "04-05", "01": "06-07", "02": "14-15", "0A": "30-31"}

// takeIn is A6: key type, ZMK, key under it, scheme.
func takeIn(fields string) string {
	const typeSize, schemeU = 3, "U"
	if len(fields) < typeSize+2 {
		return "A715"
	}
	kind, rest := fields[:typeSize], fields[typeSize:]
	at := keySize(rest, 32)
	if len(rest) < at+2 || rest[len(rest)-1:] != schemeU {
		return "A726"
	}
	zmk, err := thales.Slot{Pair: lmkPairs["00"]}.Decrypt(rest[:at])
	if err != nil {
		return "A710"
	}
	key, err := thales.DecryptUnder(zmk, rest[at:len(rest)-1])
	if err != nil || !material.OddParity(key) {
		return "A710"
	}
	pair, known := lmkPairs[kind[1:]]
	under, err := thales.Slot{Pair: pair, Variant: int(kind[0] - '0')}.Encrypt('U', key)
	if err != nil || !known {
		return "A715"
	}
	value, err := material.ZerosTDES(key)
	if err != nil {
		return "A715"
	}
	return "A700" + under + strings.ToUpper(hex.EncodeToString(value[:material.CheckValueSize]))
}
