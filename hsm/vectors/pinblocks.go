package vectors

import (
	"errors"

	"platen/hsm"
	"platen/hsm/pinblock"
)

func pinBlocks() []algorithm {
	return []algorithm{
		{"pinblock_iso0", "clear PIN block of format 0", "pin pan", clearBlock(pinblock.ISO0)},
		{"pinblock_iso0_encrypted", "PIN block of format 0 under a TDES key", "key pin pan", sealedISO0},
		{"pinblock_iso1_decode", "the PIN in a clear block of format 1", "block", readBlock(pinblock.ISO1)},
		{"pinblock_iso2", "clear PIN block of format 2", "pin", clearBlock(pinblock.ISO2)},
		{"pinblock_iso3_decode", "the PIN in a clear block of format 3", "block pan", readBlock(pinblock.ISO3)},
		{"pinblock_iso4", "PIN block of format 4 under an AES key", "key pin pan random8", sealedISO4},
		{"pinblock_iso4_decode", "the PIN in a block of format 4", "key block pan", openISO4},
		{"pinblock_iso4_pan_field", "the account field of format 4", "pan", accountISO4},
		{"pin_translate_iso0_tdes_regression", "a block of format 0 under another TDES key", "zpk_in zpk_out block_in pan", translateISO0},
		{"pin_translate_iso0_to_iso4_regression", "a block of format 0 under TDES as format 4 under AES", "zpk_in aes_out block_in pan random8", translateISO4},
	}
}

func clearBlock(format hsm.PINFormat) func(in *inputs) (any, error) {
	return func(in *inputs) (any, error) {
		pan := in.optional("pan", "")
		block, err := pinblock.Clear(format, in.pin(), pan, [16]byte{})
		return binary(block), err
	}
}

func readBlock(format hsm.PINFormat) func(in *inputs) (any, error) {
	return func(in *inputs) (any, error) {
		p, err := pinblock.Read(format, in.bytes("block"), in.optional("pan", ""))
		return p.Reveal(), err
	}
}

// random8 reads the random half of a format 4 block as Bench wants it.
func random8(in *inputs) (out [16]byte) {
	half := in.eight("random8")
	copy(out[:], half[:])
	return out
}

func (in *inputs) zone(name string, make func([]byte) (pinblock.Key, error)) pinblock.Key {
	k, err := make(in.bytes(name))
	if err != nil {
		in.fail(name, "must be a key for its PIN block format")
	}
	return k
}

func sealedISO0(in *inputs) (any, error) {
	k, p, pan := in.zone("key", pinblock.NewTDESKey), in.pin(), in.text("pan")
	if in.err != nil {
		return nil, in.err
	}
	block, err := pinblock.Seal(pinblock.ISO0, k, p, pan, [16]byte{})
	return binary(block), err
}

func sealedISO4(in *inputs) (any, error) {
	k, p, pan, random := in.zone("key", pinblock.NewAESKey), in.pin(), in.text("pan"), random8(in)
	if in.err != nil {
		return nil, in.err
	}
	block, err := pinblock.Seal(pinblock.ISO4, k, p, pan, random)
	return binary(block), err
}

func openISO4(in *inputs) (any, error) {
	k, block, pan := in.zone("key", pinblock.NewAESKey), in.bytes("block"), in.text("pan")
	if in.err != nil {
		return nil, in.err
	}
	p, err := pinblock.Open(pinblock.ISO4, k, block, pan)
	return p.Reveal(), err
}

func accountISO4(in *inputs) (any, error) {
	pan := in.digits("pan", 1, 19)
	if in.err != nil {
		return nil, in.err
	}
	out := make(binary, 16)
	pinblock.AccountISO4(out, []byte(pan))
	return out, nil
}

func translateISO0(in *inputs) (any, error) {
	to := pinblock.Sealed{Format: pinblock.ISO0, Key: in.zone("zpk_out", pinblock.NewTDESKey)}
	return translate(in, to, [16]byte{})
}

func translateISO4(in *inputs) (any, error) {
	to := pinblock.Sealed{Format: pinblock.ISO4, Key: in.zone("aes_out", pinblock.NewAESKey)}
	return translate(in, to, random8(in))
}

func translate(in *inputs, to pinblock.Sealed, random [16]byte) (any, error) {
	from := pinblock.Sealed{Format: pinblock.ISO0, Key: in.zone("zpk_in", pinblock.NewTDESKey)}
	block, pan := in.bytes("block_in"), in.text("pan")
	if in.err != nil {
		return nil, in.err
	}
	out, err := pinblock.Translate(from, to, block, pan, random)
	return binary(out), errors.Join(err)
}
