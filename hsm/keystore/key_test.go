package keystore

import (
	"encoding/hex"
	"strings"
	"testing"

	"platen/hsm/keyblock"
	"platen/hsm/knownanswers"
	"platen/hsm/material"
)

func TestCheckValuesMatchPublishedOnes(t *testing.T) {
	for _, v := range knownanswers.Load(t, "kcv_des", "kcv_aes_cmac") {
		alg := keyblock.TDES
		if v.Algo == "kcv_aes_cmac" {
			alg = keyblock.AES
		}
		kcv, _, err := CheckValue(alg, v.Bytes(t, "key"))
		if err != nil {
			t.Fatal(err)
		}
		if kcv != v.Answer()[:6] {
			t.Errorf("%s: %s, want %s", v.ID, kcv, v.Answer()[:6])
		}
	}
}

func TestOddParityMatchesPublishedKeys(t *testing.T) {
	for _, v := range knownanswers.Load(t, "des_odd_parity_regression") {
		key := v.Bytes(t, "key")
		material.SetOddParity(key)
		if got := strings.ToUpper(hex.EncodeToString(key)); got != v.Answer() {
			t.Errorf("%s: %s", v.ID, got)
		}
	}
}
