package vectors

import (
	"errors"

	"platen/hsm"
	"platen/hsm/nibbles"
	"platen/hsm/pin"
)

func pins() []algorithm {
	const ibm = "pvk validation_data decimalisation_table "
	return []algorithm{
		{"visa_pvv", "Visa PIN verification value", "pvk pan pvki pin", pvv},
		{"visa_pvv_regression", "Visa PIN verification value", "pvk pan pvki pin", pvv},
		{"visa_pvv_WRONG_in_the_wild", "a published value that is wrong: what is computed must differ from it", "pvk pan pvki pin", wrongPVV},
		{"ibm3624_offset", "IBM 3624 offset of a PIN; a natural_pin that is given must come out too", ibm + "pin natural_pin?", offset},
		{"ibm3624_pin_from_offset", "the PIN that an offset makes", ibm + "offset pin_length?", pinFromOffset},
		{"thales_validation_data", "validation data by a template of twelve characters with one N", "template account12", validationData},
	}
}

func pvv(in *inputs) (any, error) {
	k, pan, index, p := in.tdes("pvk"), in.digits("pan", 13, 19), in.digits("pvki", 1, 1), in.pin()
	if in.err != nil {
		return nil, in.err
	}
	pvki := int(index[0] - '0')
	if err := pin.CheckPVKI(pvki); err != nil {
		return nil, err
	}
	value := new(pin.Bench).PVV(k, pin.AccountField([]byte(pan)), pvki, &p)
	return string(value[:]), nil
}

func wrongPVV(in *inputs) (any, error) {
	value, err := pvv(in)
	if err != nil {
		return nil, err
	}
	return verdict{ok: value != in.expected, note: "a value known to be wrong: it must not come out"}, nil
}

// natural computes the natural PIN of an entry.
func natural(in *inputs, length int) (pin.Clear, error) {
	k, digits := in.tdes("pvk"), hexDigits(in, "validation_data")
	table, err := pin.ParseDecTable(in.text("decimalisation_table"))
	if len(digits) != 16 {
		in.fail("validation_data", "must have 16 hexadecimal digits")
	}
	if in.err != nil || err != nil {
		return pin.Clear{}, errors.Join(in.err, err)
	}
	var out pin.Clear
	new(pin.Bench).NaturalOf(k, (*[16]byte)(digits), &table, length, &out)
	return out, nil
}

func offset(in *inputs) (any, error) {
	p := in.pin()
	n, err := natural(in, p.N)
	if err != nil {
		return nil, err
	}
	if in.has("natural_pin") && in.text("natural_pin") != n.Reveal() {
		return nil, errors.New("another natural PIN came out")
	}
	out := pin.OffsetOf(&p, &n)
	return string(out.Digits[:out.N]), nil
}

func pinFromOffset(in *inputs) (any, error) {
	digits := in.digits("offset", pin.MinLength, pin.MaxLength)
	if in.has("pin_length") && in.number("pin_length", pin.MinLength, pin.MaxLength) != len(digits) {
		in.fail("pin_length", "must be the length of the offset")
	}
	if in.err != nil {
		return nil, in.err
	}
	n, err := natural(in, len(digits))
	if err != nil {
		return nil, err
	}
	given := hsm.Offset{N: uint8(len(digits))}
	copy(given.Digits[:], digits)
	p := pin.FromOffset(&n, given)
	return p.Reveal(), nil
}

func validationData(in *inputs) (any, error) {
	template, err := pin.ParseTemplate(in.text("template"))
	account := in.digits("account12", pin.FieldSize, pin.FieldSize)
	if in.err != nil || err != nil {
		return nil, errors.Join(in.err, err)
	}
	var digits [16]byte
	template.Fill(&digits, []byte(account))
	out := make(binary, 8)
	nibbles.Join(out, digits[:])
	return out, nil
}
