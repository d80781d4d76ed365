package vectors

import (
	"platen/card"
	"platen/hsm"
	"platen/hsm/amex"
	"platen/hsm/cvv"
	"platen/hsm/dynamic"
	"platen/hsm/emv"
	"platen/hsm/nibbles"
)

func cardCodes() []algorithm {
	const plainCVV = "cvk pan expiry service_code"
	return []algorithm{
		{"luhn_check_digit", "the check digit of a number without it (ISO/IEC 7812-1)", "partial", luhn},
		{"cvv", "Visa CVV, Mastercard CVC 1; expiry as the value wants it", plainCVV, code},
		{"cvv_second_pass", "a CVV whose last block has too few decimal digits", plainCVV, code},
		{"cvv_family_regression", "CVV, CVV2 or iCVV of one card; the expiry of kind cvv2 is in printed order (MMYY)", plainCVV + " kind?", codeOfKind},
		{"cavv_visa", "the three digits in a Visa CAVV", "cvk pan atn4 auth_result second_factor", cavv},
		{"dcvv2_dynamic_service_code_regression", "CVV2 with a service code for a window of time", "cvk pan expiry service_code_for_window window_index?", windowCode},
		{"dcvv_visa_atc", "Visa dCVV of a transaction; mk_method B hashes card numbers of every length", "imk pan psn? expiry service_code atc mk_method?", visaDCVV},
		{"cvc3_paypass", "Mastercard CVC3", "imk pan psn? un atc digits? ivcvc3|track1_ascii|track2", cvc3},
		{"decimalise_visa", "decimal digits of hexadecimal ones, A to F as 0 to 5 in a second pass", "hex n", decimalise},
		{"amex_csc_v1", "American Express codes of five, four and three digits", "csck pan expiry_yymm", csc1},
		{"amex_csc_v1_34_regression", "American Express codes of numbers beginning 34", "csck pan expiry_yymm", csc1},
		{"amex_csc_v2_regression", "American Express codes, version 2", "csck pan expiry_yymm service_code", csc2},
		{"amex_csc_shape", "a code whose key is secret: only its form is checked", "pan length", cscShape},
	}
}

func luhn(in *inputs) (any, error) {
	return string(card.CheckDigit([]byte(in.digits("partial", 1, 64)))), nil
}

func code(in *inputs) (any, error) {
	return cvv.Compute(in.tdes("cvk"), in.text("pan"), in.text("expiry"), in.text("service_code"))
}

func codeOfKind(in *inputs) (any, error) {
	expiry := in.digits("expiry", 4, 4)
	if in.err != nil {
		return nil, in.err
	}
	month := func(two string) bool { return two >= "01" && two <= "12" }
	if in.optional("kind", "") == "cvv2" && !month(expiry[:2]) && month(expiry[2:]) {
		expiry = expiry[2:] + expiry[:2]
	}
	return cvv.Compute(in.tdes("cvk"), in.text("pan"), expiry, in.text("service_code"))
}

func cavv(in *inputs) (any, error) {
	return cvv.CAVV(in.tdes("cvk"), in.text("pan"), in.text("atn4"), in.text("auth_result"), in.text("second_factor"))
}

func windowCode(in *inputs) (any, error) {
	return cvv.Compute(in.tdes("cvk"), in.text("pan"), in.text("expiry"), in.text("service_code_for_window"))
}

func visaDCVV(in *inputs) (any, error) {
	derive := emv.MasterKeyA
	if in.optional("mk_method", "A") == "B" {
		derive = emv.MasterKeyHashed
	}
	key, err := derive(in.tdes("imk"), in.text("pan"), in.optional("psn", "00"))
	if err != nil {
		return nil, err
	}
	return dynamic.VisaDCVV(key, in.text("pan"), in.text("expiry"), in.text("service_code"), in.text("atc"))
}

func cvc3(in *inputs) (any, error) {
	key, err := emv.MasterKeyA(in.tdes("imk"), in.text("pan"), in.optional("psn", "00"))
	if err != nil {
		return nil, err
	}
	var static [2]byte
	if in.has("ivcvc3") {
		static = in.two("ivcvc3")
	} else if static, err = dynamic.StaticCVC3(key, in.data("track1_ascii", "track2")); err != nil {
		return nil, err
	}
	digits := 5
	if in.has("digits") {
		digits = in.number("digits", 1, 5)
	}
	return dynamic.CVC3(key, static, in.four("un"), in.two("atc"), digits)
}

func decimalise(in *inputs) (any, error) {
	digits := hexDigits(in, "hex")
	out := make([]byte, in.number("n", 1, 64))
	nibbles.Decimalise(out, digits)
	for _, c := range out {
		if c == 0 {
			return nil, &hsm.InputError{Field: "hex", Reason: "has too few digits"}
		}
	}
	return string(out), nil
}

// hexDigits reads hexadecimal digits, one a byte, however many.
func hexDigits(in *inputs, name string) []byte {
	var out []byte
	for _, c := range []byte(in.text(name)) {
		switch {
		case c >= '0' && c <= '9':
			out = append(out, c-'0')
		case c >= 'A' && c <= 'F':
			out = append(out, c-'A'+10)
		case c >= 'a' && c <= 'f':
			out = append(out, c-'a'+10)
		default:
			in.fail(name, "must be hexadecimal")
		}
	}
	return out
}

func cscList(c amex.Codes, err error) (any, error) {
	return []any{c.Five, c.Four, c.Three}, err
}

func csc1(in *inputs) (any, error) {
	return cscList(amex.Version1(in.tdes("csck"), in.text("pan"), in.text("expiry_yymm")))
}

func csc2(in *inputs) (any, error) {
	return cscList(amex.Version2(in.tdes("csck"), in.text("pan"), in.text("expiry_yymm"), in.text("service_code")))
}

func cscShape(in *inputs) (any, error) {
	pan, length := in.digits("pan", 15, 15), in.number("length", 3, 5)
	if in.err != nil {
		return nil, in.err
	}
	value, _ := in.expected.(string)
	luhnOK := card.CheckDigit([]byte(pan[:14])) == pan[14]
	return verdict{ok: luhnOK && hsm.CheckDigits("code", value, length, length) == nil, form: true, note: "the key is not known"}, nil
}
