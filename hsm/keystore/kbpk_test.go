package keystore_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"platen/hsm"
	"platen/hsm/keystore"
)

func TestLoadKBPKReadsWhatCreateWrote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kbpk")
	made, err := keystore.CreateKBPK(path, hsm.SystemEntropy())
	if err != nil {
		t.Fatal(err)
	}
	read, err := keystore.LoadKBPK("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if len(made.Reveal()) != 32 || !bytes.Equal(made.Reveal(), read.Reveal()) {
		t.Error("the key differs")
	}
	if _, err := keystore.CreateKBPK(path, hsm.SystemEntropy()); !errors.Is(err, keystore.ErrExists) {
		t.Errorf("a second one: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := keystore.LoadKBPK("file:" + path); !errors.Is(err, keystore.ErrMode) {
		t.Errorf("open mode: %v", err)
	}
}

func TestLoadKBPKReadsTheEnvironment(t *testing.T) {
	const digits = "000102030405060708090A0B0C0D0E0F"
	t.Setenv("PLATEN_TEST_KBPK", digits+"\n")
	if k, err := keystore.LoadKBPK("env:PLATEN_TEST_KBPK"); err != nil || len(k.Reveal()) != 16 {
		t.Errorf("got %v, %v", k, err)
	}
	for _, bad := range []string{digits[:30], digits + "zz", strings.Repeat("00", 16), digits + "00"} {
		t.Setenv("PLATEN_TEST_KBPK", bad)
		if _, err := keystore.LoadKBPK("env:PLATEN_TEST_KBPK"); err == nil || strings.Contains(err.Error(), bad[:8]) {
			t.Errorf("a bad key of %d digits: %v", len(bad), err)
		}
	}
	for _, spec := range []string{"", "env:", "file:", "env:PLATEN_NO_SUCH_VARIABLE", digits, "hex:" + digits} {
		if _, err := keystore.LoadKBPK(spec); err == nil || strings.Contains(err.Error(), digits[:8]) {
			t.Errorf("a bad source: %v", err)
		}
	}
}
