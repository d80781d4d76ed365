package thales

import (
	"crypto/cipher"
	"encoding/hex"
	"fmt"

	"platen/hsm"
	"platen/hsm/datablock"
	"platen/hsm/tdes"
)

func encryptData(r *request) (string, string) {
	return dataBlock(r, func(k cipher.Block, mode hsm.DataMode, data []byte) (last string) {
		datablock.Encrypt(k, mode, data)
		return lastBlock(data)
	})
}

func decryptData(r *request) (string, string) {
	return dataBlock(r, func(k cipher.Block, mode hsm.DataMode, data []byte) (last string) {
		last = lastBlock(data)
		datablock.Decrypt(k, mode, data)
		return last
	})
}

func lastBlock(data []byte) string { return upper(data[len(data)-tdes.BlockSize:]) }

// dataBlock answers M0 and M2 for keys of type 00A (ZEK) and data as hexadecimal digits both ways: mode 00 is ECB, 01 CBC, with an initial block before
// the length and, in the answer, the one that the next part of a message would go on with.
func dataBlock(r *request, do func(cipher.Block, hsm.DataMode, []byte) string) (string, string) {
	flag, forms, kind := r.digits(2), r.digits(2), r.take(3)
	mode, known := map[string]hsm.DataMode{"00": hsm.TDESECB, "01": hsm.TDESCBC}[flag]
	if !known || forms != "11" || kind != "00A" {
		r.fail(codeInput)
	}
	k := r.pair(slotZEK)
	before := ""
	if mode.Chains() {
		before = r.take(2 * tdes.BlockSize)
	}
	length, data := r.take(4), ""
	if n, err := hex.DecodeString(length); err == nil && len(n) == 2 {
		data = r.take(int(n[0])<<8 | int(n[1]))
	}
	r.end()
	raw, err := hex.DecodeString(data)
	if err != nil || len(raw) == 0 || len(raw)%tdes.BlockSize != 0 || before != "" && before != fmt.Sprintf("%016d", 0) {
		r.fail(codeLength)
	}
	if r.code != "" {
		return "", ""
	}
	last := do(k.Block(), mode, raw)
	if !mode.Chains() {
		last = ""
	}
	return codeOK, last + length + upper(raw)
}
