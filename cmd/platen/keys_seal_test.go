package main_test

import (
	"bytes"
	"path/filepath"
	"testing"
)

func TestSealedKeyFilesServeAsBefore(t *testing.T) {
	t.Parallel()
	dir := keyDesk(t)
	platen(t, "apply", config(dir), "-f", filepath.Join(dir, "programs"))
	names := []string{"keys/platen-pgp.asc", "keys/north-sftp"}
	for _, name := range names {
		if !bytes.Contains(read(t, filepath.Join(dir, name)), []byte("PRIVATE KEY")) {
			t.Fatalf("%s holds no private key to begin with", name)
		}
	}
	platen(t, append([]string{"keys", "seal", config(dir)}, names...)...)
	for _, name := range names {
		if bytes.Contains(read(t, filepath.Join(dir, name)), []byte("PRIVATE KEY")) {
			t.Errorf("%s is still in clear", name)
		}
	}
	type state struct {
		Code     string   `json:"code"`
		Warnings []string `json:"warnings"`
	}
	for _, b := range loose[[]state](t, platen(t, "bureau", "list", "--json", config(dir))) {
		if len(b.Warnings) > 0 {
			t.Errorf("bureau %s: %v", b.Code, b.Warnings)
		}
	}
	// Another file's seal is no seal: what is bound to one name does not open under another.
	put(t, filepath.Join(dir, names[0]), read(t, filepath.Join(dir, names[1])))
	for _, b := range loose[[]state](t, platen(t, "bureau", "list", "--json", config(dir))) {
		if len(b.Warnings) == 0 {
			t.Errorf("bureau %s has no warning of a key file that was exchanged", b.Code)
		}
	}
}
