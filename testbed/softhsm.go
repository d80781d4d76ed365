package testbed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// softHSMLibraries are where distributions put SoftHSM2's PKCS#11 library.
var softHSMLibraries = []string{
	"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so",
}

// SoftHSM is a directory of SoftHSM2 tokens.
type SoftHSM struct {
	Library string // path of its PKCS#11 library
	Conf    string // what SOFTHSM2_CONF must name before the library is initialised
	PIN     string // of the user of every token
}

// NewSoftHSM makes tokens of the given labels in a directory. A process that uses them must have SOFTHSM2_CONF in its environment when it first loads
// the library, which reads the list of tokens once.
func NewSoftHSM(dir string, labels ...string) (SoftHSM, error) {
	s := SoftHSM{Conf: filepath.Join(dir, "softhsm2.conf"), PIN: "48151623"}
	for _, path := range softHSMLibraries {
		if _, err := os.Stat(path); err == nil {
			s.Library = path
			break
		}
	}
	util, err := exec.LookPath("softhsm2-util")
	if err != nil || s.Library == "" {
		return s, fmt.Errorf("SoftHSM2 is missing: apt-get install softhsm2")
	}
	tokens := filepath.Join(dir, "tokens")
	if err := os.MkdirAll(tokens, 0o700); err != nil {
		return s, err
	}
	conf := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n", tokens)
	if err := os.WriteFile(s.Conf, []byte(conf), 0o600); err != nil {
		return s, err
	}
	for _, label := range labels {
		c := exec.Command(util, "--init-token", "--free", "--label", label, "--pin", s.PIN, "--so-pin", "87654321")
		c.Env = append(os.Environ(), "SOFTHSM2_CONF="+s.Conf)
		if out, err := c.CombinedOutput(); err != nil {
			return s, fmt.Errorf("make a token: %w\n%s", err, out)
		}
	}
	return s, nil
}

// StartSoftHSM is NewSoftHSM in a directory of the test.
func StartSoftHSM(t testing.TB, labels ...string) SoftHSM {
	t.Helper()
	s, err := NewSoftHSM(t.TempDir(), labels...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
