package thales

import (
	"encoding/hex"
	"strings"

	"platen/hsm"
	"platen/hsm/amex"
	"platen/hsm/cvv"
	"platen/hsm/material"
	"platen/hsm/pin"
	"platen/hsm/pinblock"
	"platen/hsm/tdes"
)

// Answer is what a module with the test LMKs answers to a host command without its message header: commands whose answer follows from the
// request alone. Others are answered with error 68.
func Answer(command string) string {
	name := command[:min(2, len(command))]
	r := &request{rest: command[len(name):]}
	do, ok := map[string]func(*request) (code, fields string){
		"CW": generateCVV, "CY": verifyCVV, "RY": generateCSC, "DG": generatePVV, "DE": generateOffset, "EE": derivePIN,
		"JG": exportPIN, "CC": translatePIN, "BU": checkValue, "B2": echo,
		"M0": encryptData, "M2": decryptData,
	}[name]
	if !ok {
		return ReplyTo(name) + codeDisabled
	}
	code, fields := do(r)
	if r.code != "" {
		return ReplyTo(name) + r.code
	}
	return ReplyTo(name) + code + fields
}

func generateCVV(r *request) (string, string) {
	k := r.pair(slotCVK)
	return codeOK, cardCode(r, k)
}

func verifyCVV(r *request) (string, string) {
	k := r.pair(slotCVK)
	value := r.digits(3)
	if cardCode(r, k) != value {
		return codeVerify, ""
	}
	return codeOK, ""
}

// cardCode reads number; expiry and service code, and computes.
func cardCode(r *request, k *tdes.Key) string {
	pan, expiry, service := r.until(";"), r.digits(4), r.digits(3)
	r.end()
	if r.code != "" {
		return ""
	}
	value, err := cvv.Compute(k, pan, expiry, service)
	if err != nil {
		r.fail(codeInput)
	}
	return value
}

// cscNumber is the room for a card number in RY; 15 digits stand left, zeros behind.
const cscNumber, cscDigits = 19, 15

func generateCSC(r *request) (string, string) {
	mode, flag := r.take(1), r.take(1)
	k := r.pair(slotCVK)
	pan, expiry := r.digits(cscNumber)[:cscDigits], r.digits(4)
	service := ""
	if flag == "2" {
		service = r.digits(3)
	}
	r.end()
	if mode != "3" || flag != "0" && flag != "2" {
		r.fail(codeInput)
	}
	if r.code != "" {
		return "", ""
	}
	codes, err := amex.Version1(k, pan, expiry)
	if flag == "2" {
		codes, err = amex.Version2(k, pan, expiry, service)
	}
	if err != nil {
		r.fail(codeInput)
	}
	return codeOK, mode + codes.Five + codes.Four + codes.Three
}

func generatePVV(r *request) (string, string) {
	k := r.pair(slotPVK)
	p := r.storedPIN(r.front(pin.FieldSize + 1))
	account, index := r.digits(pin.FieldSize), decimal(r.digits(1))
	if pin.CheckPVKI(index) != nil {
		r.fail(codeInput)
	}
	if r.code != "" {
		return "", ""
	}
	value := new(pin.Bench).PVV(k, []byte(account), index, &p)
	return codeOK, string(value[:])
}

// derivation is what DE and EE read behind their first fields, and the natural PIN.
func derivation(r *request, k *tdes.Key) pin.Clear {
	length, account := decimal(r.digits(2)), r.digits(pin.FieldSize)
	table, err := pin.ParseDecTable(r.take(16))
	if err != nil {
		r.fail(codeTable)
	}
	template, err := pin.ParseTemplate(r.take(12))
	if err != nil || length < pin.MinLength || length > pin.MaxLength {
		r.fail(codeInput)
	}
	r.end()
	var natural pin.Clear
	if r.code == "" {
		scheme := pin.Scheme{Table: table, Template: template, Length: length}
		new(pin.Bench).Natural(k, &scheme, []byte(account), &natural)
	}
	return natural
}

// done is the code of success with a PIN verification key.
func done(k *tdes.Key) string {
	if k != nil && k.Parts() > 1 {
		return codeWarning
	}
	return codeOK
}

// derivationFields is how many characters derivation reads.
const derivationFields = 2 + pin.FieldSize + 16 + 12

func generateOffset(r *request) (string, string) {
	k := r.key(slotPVK, false)
	p := r.storedPIN(r.front(derivationFields))
	natural := derivation(r, k)
	if r.code == "" && p.N != natural.N {
		r.fail(codeInput)
	}
	if r.code != "" {
		return "", ""
	}
	offset := pin.OffsetOf(&p, &natural)
	return done(k), string(offset.Digits[:offset.N]) + strings.Repeat("F", pin.MaxLength-int(offset.N))
}

func derivePIN(r *request) (string, string) {
	k := r.key(slotPVK, false)
	digits := strings.TrimRight(r.take(pin.MaxLength), "F")
	natural := derivation(r, k)
	if r.code == "" && hsm.CheckDigits("offset", digits, natural.N, natural.N) != nil {
		r.fail(codeInput)
	}
	if r.code != "" {
		return "", ""
	}
	offset := hsm.Offset{N: uint8(natural.N)}
	copy(offset.Digits[:], digits)
	p := pin.FromOffset(&natural, offset)
	return done(k), "0" + p.Reveal()
}

// The PIN block formats that need no randomness, by their Thales numbers.
const (
	formatISO0    = "01"
	formatDiebold = "03" // PIN and fill F, nothing else
)

// clearBlock makes the block of a PIN in a Thales format.
func clearBlock(r *request, format string, p pin.Clear, account string) []byte {
	switch format {
	case formatISO0:
		block, err := pinblock.Clear(pinblock.ISO0, p, account+"0", [16]byte{})
		if err == nil {
			return block
		}
	case formatDiebold:
		digits := [16]byte{15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15}
		copy(digits[:], p.Digits[:p.N])
		return packDigits(digits)
	}
	r.fail(codeFormat)
	return nil
}

func exportPIN(r *request) (string, string) {
	k := r.key(slotZPK, false)
	format, account := r.digits(2), r.digits(pin.FieldSize)
	p := r.storedPIN(r.front(0))
	if r.code != "" {
		return "", ""
	}
	block := clearBlock(r, format, p, account)
	if r.code != "" {
		return "", ""
	}
	k.Encrypt(block, block)
	return codeOK, upper(block)
}

func translatePIN(r *request) (string, string) {
	from, to := r.key(slotZPK, false), r.key(slotZPK, false)
	longest := decimal(r.digits(2))
	block, err := hex.DecodeString(r.take(2 * tdes.BlockSize))
	source, target, account := r.digits(2), r.digits(2), r.digits(pin.FieldSize)
	r.end()
	if err != nil {
		r.fail(codeInput)
	}
	if source != formatISO0 {
		r.fail(codeFormat)
	}
	if r.code != "" {
		return "", ""
	}
	from.Decrypt(block, block)
	p, err := pinblock.Read(pinblock.ISO0, block, account+"0")
	if err != nil || p.N > longest {
		r.fail(codeBlock)
		return "", ""
	}
	out := clearBlock(r, target, p, account)
	if r.code != "" {
		return "", ""
	}
	to.Encrypt(out, out)
	length := string([]byte{'0' + byte(p.N/10), '0' + byte(p.N%10)})
	return codeOK, length + upper(out) + target
}

// checkValue answers BU: key type of a variant and the place of an LMK pair, length flag, key, and how long the value shall be.
func checkValue(r *request) (string, string) {
	kind, flag := r.take(2), r.take(1)
	pairs := []string{"04-05", "06-07", "14-15", "16-17", "", "20-21", "22-23", "24-25", "26-27", "28-29", "30-31", "32-33"}
	place := strings.IndexByte("0123456789AB", kind[1])
	if hsm.CheckDigits("variant", kind[:1], 1, 1) != nil || place < 0 || pairs[place] == "" || flag < "0" || flag > "2" {
		r.fail(codeInput)
		return "", ""
	}
	_, clearKey := r.clearKey(Slot{Pair: pairs[place], Variant: decimal(kind[:1])}, flag == "1")
	short := strings.HasPrefix(r.rest, ";00") && strings.HasSuffix(r.rest, "1")
	if r.code != "" {
		return "", ""
	}
	value, err := material.ZerosTDES(clearKey)
	if err != nil {
		r.fail(codeInput)
		return "", ""
	}
	if short {
		return codeOK, upper(value[:material.CheckValueSize])
	}
	return codeOK, upper(value[:])
}

func echo(r *request) (string, string) {
	size, err := hex.DecodeString(r.take(4))
	if err != nil || len(size) != 2 || int(size[0])<<8|int(size[1]) != len(r.rest) {
		r.fail(codeInput)
		return "", ""
	}
	return codeOK, r.rest
}

func upper(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
