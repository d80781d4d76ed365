package rsasign_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"platen/card"
	"platen/hsm/jwe"
	"platen/hsm/rsasign"
)

func TestASignatureIsThatOfItsBodyAndKey(t *testing.T) {
	key, text, err := rsasign.Generate()
	if err != nil {
		t.Fatal(err)
	}
	again, err := rsasign.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	public, err := again.Public()
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := rsasign.ParsePublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := key.Sign([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify([]byte("{}"), signature); err != nil {
		t.Error(err)
	}
	for body, wrong := range map[string]string{"{ }": signature, "{}": signature[4:], "": signature, "{}x": "", "x": "!"} {
		if err := verifier.Verify([]byte(body), wrong); !errors.Is(err, rsasign.ErrSignature) {
			t.Errorf("%q: %v", body, err)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, key); got != "[private key]" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

// What openssl makes is taken, and it verifies what is signed here.
func TestKeysAndSignaturesAreThoseOfOpenssl(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) {
		c := exec.CommandContext(t.Context(), "openssl", args...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	put := func(name string, body []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "key")
	run("pkey", "-in", "key", "-pubout", "-out", "public")
	text, err := os.ReadFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsasign.ParseKey(card.NewSecret(text))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := key.Sign([]byte("body"))
	if err != nil {
		t.Fatal(err)
	}
	put("body", []byte("body"))
	put("signature", []byte(signature+"\n"))
	run("base64", "-d", "-A", "-in", "signature", "-out", "raw")
	run("dgst", "-sha256", "-verify", "public", "-signature", "raw", "body")

	// A value that is encrypted to a client's key is read by it.
	public, err := os.ReadFile(filepath.Join(dir, "public"))
	if err != nil {
		t.Fatal(err)
	}
	to, err := jwe.ParseKey(string(public))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := to.EncryptField(card.NewSecret([]byte("4000001234567899")))
	if err != nil {
		t.Fatal(err)
	}
	put("sealed", []byte(sealed+"\n"))
	run("base64", "-d", "-A", "-in", "sealed", "-out", "cipher")
	run("pkeyutl", "-decrypt", "-inkey", "key", "-pkeyopt", "rsa_padding_mode:pkcs1", "-in", "cipher", "-out", "clear")
	if clear, err := os.ReadFile(filepath.Join(dir, "clear")); err != nil || string(clear) != "4000001234567899" {
		t.Errorf("%q, %v", clear, err)
	}
}

func TestWhatIsNoKeyIsRefused(t *testing.T) {
	for _, text := range []string{"", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := rsasign.ParseKey(card.NewSecret([]byte(text))); !errors.Is(err, rsasign.ErrKey) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := (rsasign.Key{}).Sign(nil); !errors.Is(err, rsasign.ErrKey) {
		t.Error(err)
	}
	if err := (rsasign.PublicKey{}).Verify(nil, ""); !errors.Is(err, jwe.ErrKey) {
		t.Error(err)
	}
}
