package main_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/pin"
	"platen/hsm/pinblock"
	"platen/hsm/pinopener"
)

// zpkOfHolders is the key of the zone through which a holder's PINs come and go.
const zpkOfHolders = "zpk-pos"

// declareZones lets clients send PIN blocks of format 0, and be told security values.
func declareZones(t *testing.T, dir string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	must(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	put(t, filepath.Join(dir, "programs", "zones.yaml"), []byte("- code: pos\n  key: "+zpkOfHolders+"\n  pin_format: 0\n- code: vault\n  public_key: |\n    "+
		strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n    ")+"\n"))
}

// holder does with one card all that a holder of a card does with its PIN and its security values, writes the answers down, and adds the PINs to the hoard.
func holder(t *testing.T, s *service, dir, said string, h hoard) {
	t.Helper()
	s.key = loose[struct{ Key string }](t, platen(t, "client", "create", "holders", "--roles", "pin", "--json", config(dir))).Key
	ring := h.keystore(t, filepath.Join(dir, "keys", "kbpk.hex"), filepath.Join(dir, "keys", "keystore.json"))
	of := cardWithPIN(t, dir, h)
	account := number(t, of.pan)
	block := func(digits string) string { return hex.EncodeToString(sealed(t, ring, account, digits)) }
	asked := 0
	ask := func(what, body string) map[string]any {
		t.Helper()
		a := s.do(http.MethodPost, "/v1/cards/"+of.token+"/"+what, map[string]string{"Content-Type": "application/json"}, strings.NewReader(body))
		if a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", what, a.status, a.body)
		}
		asked++
		put(t, filepath.Join(said, fmt.Sprintf("holder %d.txt", asked)), []byte(a.String()))
		return loose[map[string]any](t, a.body)
	}
	const wrong, set, changed = "947205183662", "580317469283", "316094827518"
	first := h.text[pins][of.uid]
	for digits, right := range map[string]bool{first: true, wrong: false} {
		if v := ask("pin/verify", fmt.Sprintf(`{"zone":"pos","pin_block":%q}`, block(digits))); v["verified"] != right {
			t.Errorf("the PIN is tried with %v, want %v", v["verified"], right)
		}
	}
	ask("pin/set", fmt.Sprintf(`{"zone":"pos","pin_block":%q,"reason":"forgotten"}`, block(set)))
	if v := ask("pin/change", fmt.Sprintf(`{"zone":"pos","pin_block":%q,"new_pin_block":%q}`, block(set), block(changed))); v["verified"] != true {
		t.Error("the PIN that was set is not taken")
	}
	told, ok := ask("pin/export", `{"zone":"pos","reason":"asked for"}`)["pin_block"].(string)
	exported, err := hex.DecodeString(told)
	must(t, err)
	if o := pinopener.Zone(t, ring, zpkOfHolders, hsm.ISO0, account, exported); !ok || o.PIN != changed {
		t.Error("another PIN than the changed one is told")
	}
	for _, digits := range []string{wrong, set, changed} {
		h.pin(t, "of the holder "+digits[:2], pinopener.Zone(t, ring, zpkOfHolders, hsm.ISO0, account, sealed(t, ring, account, digits)))
	}
	ask("security-values", `{"zone":"vault"}`)
	ask("cvv2/verify", `{"cvv2":"123"}`)
}

// cardWithPIN is a card that a bureau got, whose number and PIN are known.
func cardWithPIN(t *testing.T, dir string, h hoard) printed {
	t.Helper()
	for _, p := range cardRecords(takenFiles(t, dir)) {
		if p.token != "" && h.text[pins][p.uid] != "" {
			return p
		}
	}
	t.Fatal("no card with a PIN is known")
	return printed{}
}

// sealed is a block of format 0 under the zone's key.
func sealed(t *testing.T, ring *keystore.Store, account card.PAN, digits string) (block []byte) {
	t.Helper()
	p, err := pin.Parse(digits)
	must(t, err)
	must(t, ring.Use(card.KeyRef{Label: zpkOfHolders}, keyblock.ZPK, keyblock.TDES, func(raw []byte) error {
		k, err := pinblock.NewTDESKey(raw)
		if err != nil {
			return err
		}
		block, err = pinblock.Seal(hsm.ISO0, k, p, string(account.Reveal()), [16]byte{})
		return err
	}))
	return block
}
