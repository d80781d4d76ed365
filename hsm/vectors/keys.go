package vectors

import (
	"bytes"
	"encoding/hex"
	"errors"

	"platen/hsm/keyblock"
	"platen/hsm/mac"
	"platen/hsm/material"
	"platen/hsm/tdes"
)

func keys() []algorithm {
	return []algorithm{
		{"kcv_des", "check value of a DES or TDES key; 4 digits or more are compared", "key", desCheckValue},
		{"kcv_aes_cmac", "check value of an AES key by CMAC; 4 digits or more are compared", "key", aesCheckValue},
		{"key_components_xor", "check value of the TDES key that components make; a result that is given must come out too", "components result?", components},
		{"des_odd_parity_regression", "a DES key with odd parity in every byte", "key", oddParity},
		{"tdes_ecb_ede2", "blocks under a TDES key", "key plain", encryptECB},
		{"tdes_ecb_ede2_regression", "blocks under a TDES key", "key plain", encryptECB},
	}
}

func zerosUnder(key []byte) (any, error) {
	value, err := material.ZerosTDES(key)
	return checkValue(value[:]), err
}

func desCheckValue(in *inputs) (any, error) { return zerosUnder(in.bytes("key")) }

func aesCheckValue(in *inputs) (any, error) {
	value, err := material.CMACAES(in.bytes("key"))
	return checkValue(value[:]), err
}

func components(in *inputs) (any, error) {
	var parts [][]byte
	for _, text := range in.list("components") {
		part, err := hex.DecodeString(text)
		if err != nil {
			in.fail("components", "must be hexadecimal")
		}
		parts = append(parts, part)
	}
	key, err := material.Combine(parts...)
	if err != nil {
		return nil, err
	}
	if in.has("result") && !bytes.Equal(key, in.bytes("result")) {
		return nil, errors.New("another key came out")
	}
	return zerosUnder(key)
}

func oddParity(in *inputs) (any, error) {
	key := in.bytes("key")
	material.SetOddParity(key)
	return binary(key), nil
}

func encryptECB(in *inputs) (any, error) {
	out, err := in.tdes("key").EncryptECB(in.bytes("plain"))
	return binary(out), err
}

func keyBlocks() []algorithm {
	out := []algorithm{
		{"tr31_kdf_ac", "the encryption and authentication keys of a KBPK, versions A and C", "kbpk", deriveKeys(keyblock.MethodA)},
		{"tr31_kdf_b", "the encryption and authentication keys of a KBPK, version B", "kbpk", deriveKeys(keyblock.MethodB)},
		{"tr31_kdf_d", "the encryption and authentication keys of a KBPK, version D", "kbpk", deriveKeys(keyblock.MethodD)},
	}
	for name, method := range map[string]keyblock.Method{"a": keyblock.MethodA, "b": keyblock.MethodB, "c": keyblock.MethodC, "d": keyblock.MethodD} {
		out = append(out, algorithm{"tr31_unwrap_" + name, "the key in an X9.143 (TR-31) block of version " + string(method), "kbpk key_block", unwrap(method)})
	}
	return out
}

func deriveKeys(method keyblock.Method) func(in *inputs) (any, error) {
	return func(in *inputs) (any, error) {
		encryption, authentication, err := keyblock.DeriveKeys(method, in.bytes("kbpk"))
		return []any{binary(encryption), binary(authentication)}, err
	}
}

func unwrap(method keyblock.Method) func(in *inputs) (any, error) {
	return func(in *inputs) (any, error) {
		header, key, err := keyblock.UnwrapAny(in.bytes("kbpk"), in.text("key_block"))
		if err == nil && header.Method != method {
			return nil, keyblock.ErrKeyBlock
		}
		return binary(key), err
	}
}

func macs() []algorithm {
	return []algorithm{
		{"mac_iso9797_alg1_tdes", "ISO 9797-1 algorithm 1 under a TDES key", "key padding data|data_ascii", mac1},
		{"mac_iso9797_alg3", "ISO 9797-1 algorithm 3", "key padding data|data_ascii", mac3},
		{"mac_iso9797_alg3_psec", "ISO 9797-1 algorithm 3 with two keys of their own", "k1 k2 padding data|data_ascii", mac3Two},
	}
}

func (in *inputs) padding() mac.Padding { return mac.Padding(in.number("padding", 1, 2)) }

func fullMAC(value [mac.Size]byte, err error) (any, error) { return binary(value[:]), err }

func mac1(in *inputs) (any, error) {
	return fullMAC(mac.Algorithm1(in.tdes("key"), in.data("data_ascii", "data"), in.padding()))
}

func mac3(in *inputs) (any, error) {
	return fullMAC(mac.Algorithm3(in.tdes("key"), in.data("data_ascii", "data"), in.padding()))
}

func mac3Two(in *inputs) (any, error) {
	return fullMAC(mac.Retail(in.tdes("k1"), in.tdes("k2"), in.data("data_ascii", "data"), in.padding()))
}

// keyOf makes ciphers of a key that was computed.
func keyOf(key []byte) *tdes.Key {
	k, err := tdes.New(key)
	if err != nil {
		panic("vectors: computed key of a wrong length")
	}
	return k
}
