package vectors

import (
	"crypto/aes"
	"fmt"
	"strings"

	"platen/hsm"
	"platen/hsm/cps"
	"platen/hsm/ff1"
	"platen/hsm/tdes"
)

func personalization() []algorithm {
	return []algorithm{
		{"cps_card_key_kcv", "the check value of a card's key (EMV CPS); purpose is KENC, KMAC or KDEK", "kmc keydata purpose", cardKey(cps.CardKey)},
		{"gp_visa2_card_key_kcv", "the check value of a card's key by the older Visa2 derivation", "kmc keydata purpose", cardKey(cps.VisaCardKey)},
		{"scp02_session_key_kcv", "the check value of a session key (SCP02)", "static_key constant sequence_counter", personalizationSession},
		{"cps_key_dgi_encrypt", "secret data of a grouping under the session key for data", "kdek_static sequence_counter clear_key", encryptGrouping},
	}
}

func cardKey(derive func(master *tdes.Key, keyData []byte, purpose cps.Purpose) (cps.Key, error)) func(in *inputs) (any, error) {
	return func(in *inputs) (any, error) {
		purpose := map[string]cps.Purpose{"KENC": cps.Encryption, "KMAC": cps.Authentication, "KDEK": cps.DataEncryption}[in.text("purpose")]
		key, err := derive(in.tdes("kmc"), in.bytes("keydata"), purpose)
		if err != nil {
			return nil, err
		}
		return zerosUnder(key[:])
	}
}

func personalizationSession(in *inputs) (any, error) {
	key, err := cps.SessionKey(in.tdes("static_key"), in.two("constant"), in.two("sequence_counter"))
	if err != nil {
		return nil, err
	}
	return zerosUnder(key[:])
}

func encryptGrouping(in *inputs) (any, error) {
	key, err := cps.SessionKey(in.tdes("kdek_static"), cps.SessionData, in.two("sequence_counter"))
	if err != nil {
		return nil, err
	}
	out, err := cps.EncryptGrouping(keyOf(key[:]), in.bytes("clear_key"))
	return binary(out), err
}

func permutations() []algorithm {
	return []algorithm{
		{"ff1", "FF1 (NIST SP 800-38G) of a numeral of digits 0-9 and a-z", "key plaintext radix tweak", ff1Numeral},
		{"ff1_pan_middle6_regression", "FF1 of decimal digits with a tweak of text", "key_hex plaintext tweak_ascii", ff1Middle},
	}
}

const numerals = "0123456789abcdefghijklmnopqrstuvwxyz"

func ff1Numeral(in *inputs) (any, error) {
	return permute(in.bytes("key"), in.text("plaintext"), in.number("radix", 2, len(numerals)), in.bytes("tweak"), in)
}

func ff1Middle(in *inputs) (any, error) {
	return permute(in.bytes("key_hex"), in.text("plaintext"), 10, []byte(in.text("tweak_ascii")), in)
}

func permute(key []byte, text string, radix int, tweak []byte, in *inputs) (any, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, &hsm.InputError{Field: "key", Reason: "must be an AES key of 16, 24 or 32 bytes"}
	}
	f, err := ff1.New(block, uint64(radix), len(text), tweak)
	if err != nil {
		return nil, err
	}
	u := len(text) / 2
	left, right := numeral(in, text[:u], radix), numeral(in, text[u:], radix)
	if in.err != nil {
		return nil, in.err
	}
	a, b := f.Encrypt(new(ff1.Scratch), left, right)
	return written(a, radix, u) + written(b, radix, len(text)-u), nil
}

func numeral(in *inputs, text string, radix int) uint64 {
	n := uint64(0)
	for _, c := range []byte(text) {
		d := strings.IndexByte(numerals[:radix], c)
		if d < 0 {
			in.fail("plaintext", fmt.Sprintf("must be digits of radix %d", radix))
			return 0
		}
		n = n*uint64(radix) + uint64(d)
	}
	return n
}

func written(n uint64, radix, digits int) string {
	out := make([]byte, digits)
	for i := digits - 1; i >= 0; i-- {
		out[i] = numerals[n%uint64(radix)]
		n /= uint64(radix)
	}
	return string(out)
}
