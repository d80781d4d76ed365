package cmac_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"platen/hsm/cmac"
	"platen/hsm/knownanswers"
)

func TestAESMatchesPublishedCheckValues(t *testing.T) {
	for _, v := range knownanswers.Load(t, "kcv_aes_cmac") {
		mac, err := cmac.AES(v.Bytes(t, "key"), make([]byte, 16))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.ToUpper(hex.EncodeToString(mac[:])); !strings.HasPrefix(got, v.Answer()) {
			t.Errorf("%s: %s, want %s", v.ID, got, v.Answer())
		}
	}
}

// The examples of RFC 4493, section 4: an empty message, one whole block, blocks with a rest, several whole blocks.
func TestAESMatchesRFC4493(t *testing.T) {
	key := knownanswers.Hex(t, "2b7e151628aed2a6abf7158809cf4f3c")
	message := knownanswers.Hex(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	for n, want := range map[int]string{
		0:  "bb1d6929e95937287fa37d129b756746",
		16: "070a16b46b4d4144f79bdd9dd04a287c",
		40: "dfa66747de9ae63030ca32611497c827",
		64: "51f0bebf7e3b9d92fc49741779363cfe",
	} {
		mac, err := cmac.AES(key, message[:n])
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(mac[:]); got != want {
			t.Errorf("%d bytes: %s, want %s", n, got, want)
		}
	}
}

func TestAESRefusesAWrongKeyLength(t *testing.T) {
	if _, err := cmac.AES(make([]byte, 15), nil); err == nil {
		t.Error("a key of 15 bytes was taken")
	}
}
