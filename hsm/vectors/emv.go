package vectors

import (
	"encoding/hex"
	"errors"
	"strings"

	"platen/hsm/emv"
	"platen/hsm/mac"
	"platen/hsm/material"
	"platen/hsm/tdes"
)

func emvCards() []algorithm {
	const card = "imk pan psn? "
	return []algorithm{
		{"emv_mk_option_a", "a card's master key by option A", card, masterKey(emv.MasterKeyA)},
		{"emv_mk_option_b", "a card's master key by option B", card, masterKey(emv.MasterKeyB)},
		{"emv_mk_option_a_kcv", "the check value of a master key by option A", card, masterCheckValue(emv.MasterKeyA)},
		{"emv_mk_option_b_kcv", "the check value of a master key by option B", card, masterCheckValue(emv.MasterKeyB)},
		{"emv_common_session_key", "a session key by the common method", "mk r", sessionKey},
		{"emv_visa_sm_session_key", "Visa's session key for script messages", "mk atc", visaScriptKey},
		{"emv_arqc", "an application cryptogram; sk says how its session key is derived", card + "data padding? method? sk? r? atc? un?", arqc},
		{"emv_arpc1", "an issuer's response by method 1; key is the master key (ICC MK) or a session key", card + "arqc arc key? r? atc? un?", arpc1},
		{"emv_arpc2", "an issuer's response by method 2", card + "arqc csu proprietary? key? r? atc? un?", arpc2},
		{"emv_script_mac", "the MAC of a script message", "imk_smi pan psn? r command", scriptMAC},
		{"emv_pin_change_mchip", "a new PIN for a script message, M/Chip", "imk_smc pan psn? r pin", pinChange},
		{"vis_pin_block", "the clear block of a new PIN, Visa", "icc_mk_ac_from_imk pan psn? pin", visaPINBlock},
	}
}

type derivation = func(issuer *tdes.Key, pan, psn string) (emv.Key, error)

func (in *inputs) master(issuer string, derive derivation) (emv.Key, error) {
	key, err := derive(in.tdes(issuer), in.text("pan"), in.optional("psn", "00"))
	return key, errors.Join(in.err, err)
}

func masterKey(derive derivation) func(in *inputs) (any, error) {
	return func(in *inputs) (any, error) {
		key, err := in.master("imk", derive)
		return binary(key[:]), err
	}
}

func masterCheckValue(derive derivation) func(in *inputs) (any, error) {
	return func(in *inputs) (any, error) {
		key, err := in.master("imk", derive)
		if err != nil {
			return nil, err
		}
		value, err := material.ZerosTDES(key[:])
		return checkValue(value[:]), err
	}
}

func sessionKey(in *inputs) (any, error) {
	key, err := emv.SessionKey(in.double("mk"), in.eight("r"))
	return binary(key[:]), err
}

func visaScriptKey(in *inputs) (any, error) {
	key := emv.VisaScriptKey(in.double("mk"), in.two("atc"))
	return binary(key[:]), nil
}

// counterAt is where the transaction counter stands in the usual data of a cryptogram: amounts, country, results, currency, date, type,
// unpredictable number, interchange profile, counter.
const counterAt = 6 + 6 + 2 + 5 + 2 + 3 + 1 + 4 + 2

// Diversifiers of session keys where an entry says only that there is one: those of the published examples.
const (
	usualDiversifier = "1234567890123456"
	usualCounter     = "3456"
)

// session derives the key that text says of: nothing or "none" for the master key itself; "R=" and 16 hexadecimal digits; otherwise the common
// method by the entry's r, or its atc (and un, for M/Chip), or the counter in its data.
func (in *inputs) session(master emv.Key, text string) (emv.Key, error) {
	lower := strings.ToLower(text)
	if text == "" || strings.HasPrefix(lower, "none") || strings.HasPrefix(lower, "icc mk") {
		return master, nil
	}
	var r [8]byte
	_, given, found := strings.Cut(text, "R=")
	raw, err := hex.DecodeString(strings.TrimSpace(given))
	switch {
	case in.has("r"):
		r = in.eight("r")
	case found && err == nil && len(raw) == len(r):
		r = [8]byte(raw)
	case in.has("atc"):
		counter := in.two("atc")
		copy(r[:], counter[:])
		if in.has("un") {
			number := in.four("un")
			copy(r[4:], number[:])
		}
	case in.has("data"):
		data := in.bytes("data")
		if len(data) < counterAt+2 {
			in.fail("atc", "is missing")
			return master, in.err
		}
		copy(r[:], data[counterAt:counterAt+2])
	default:
		return in.linked(master, text)
	}
	return emv.SessionKey(master, r)
}

// linked is the session key of the entry in the same file whose cryptogram this entry answers, or the usual one.
func (in *inputs) linked(master emv.Key, text string) (emv.Key, error) {
	for i := range in.file {
		e := &in.file[i]
		request, ok := e.Expected.(string)
		other := &inputs{values: e.Inputs}
		if ok && e.Algo == "emv_arqc" && request == in.text("arqc") && other.text("imk") == in.text("imk") && other.text("pan") == in.text("pan") {
			return other.session(master, other.optional("sk", ""))
		}
	}
	usual := usualDiversifier
	if strings.EqualFold(text, "CSK") {
		usual = usualCounter + "000000000000"
	}
	other := &inputs{values: map[string]any{"r": usual}}
	return other.session(master, text)
}

// byMethod is the derivation that an entry names: A unless B.
func (in *inputs) byMethod() derivation {
	if in.optional("method", "A") == "B" {
		return emv.MasterKeyB
	}
	return emv.MasterKeyA
}

func arqc(in *inputs) (any, error) {
	master, err := in.master("imk", in.byMethod())
	if err != nil {
		return nil, err
	}
	key, err := in.session(master, in.optional("sk", ""))
	if err != nil {
		return nil, err
	}
	padding := mac.Bit
	if in.has("padding") {
		padding = in.padding()
	}
	return fullMAC(emv.ApplicationCryptogram(key, in.bytes("data"), padding))
}

// answering is the key of a response.
func (in *inputs) answering() (emv.Key, error) {
	master, err := in.master("imk", in.byMethod())
	if err != nil {
		return master, err
	}
	return in.session(master, in.optional("key", ""))
}

func arpc1(in *inputs) (any, error) {
	key, err := in.answering()
	if err != nil {
		return nil, err
	}
	return fullMAC(emv.ResponseMethod1(key, in.eight("arqc"), in.two("arc")))
}

func arpc2(in *inputs) (any, error) {
	key, err := in.answering()
	if err != nil {
		return nil, err
	}
	var proprietary []byte
	if in.has("proprietary") {
		proprietary = in.bytes("proprietary")
	}
	value, err := emv.ResponseMethod2(key, in.eight("arqc"), in.four("csu"), proprietary)
	return binary(value[:]), err
}

// scriptKey is the session key of a script message.
func (in *inputs) scriptKey(issuer string) (emv.Key, error) {
	master, err := in.master(issuer, emv.MasterKeyA)
	if err != nil {
		return master, err
	}
	return emv.SessionKey(master, in.eight("r"))
}

func scriptMAC(in *inputs) (any, error) {
	key, err := in.scriptKey("imk_smi")
	if err != nil {
		return nil, err
	}
	return fullMAC(emv.ScriptMAC(key, in.bytes("command")))
}

func pinChange(in *inputs) (any, error) {
	key, err := in.scriptKey("imk_smc")
	if err != nil {
		return nil, err
	}
	out, err := emv.PINChange(key, in.pin())
	return binary(out), err
}

func visaPINBlock(in *inputs) (any, error) {
	master, err := in.master("icc_mk_ac_from_imk", emv.MasterKeyA)
	return binary(emv.VisaPINBlock(master, in.pin())), err
}
