package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheShellOfTheManualSignsARequest runs the lines of docs/api.md as they stand there, with openssl and curl, in a directory that has the samples.
func TestTheShellOfTheManualSignsARequest(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"openssl", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is missing: apt-get install %s", tool, tool)
		}
	}
	_, after, ok := strings.Cut(string(read(t, filepath.Join("..", "..", "docs", "api.md"))), "With a shared secret, in a shell:\n\n")
	script, _, ends := strings.Cut(after, "\n\n#")
	if !ok || !ends {
		t.Fatal("docs/api.md does not show how to sign")
	}
	s, dir := freshService(t)
	made := loose[struct{ ID, Key string }](t, platen(t, "client", "create", "partner", "--secret", "--roles", "submit", "--json", config(dir)))
	send := func(keyID, key string) string {
		shell := exec.CommandContext(t.Context(), "sh", "-euc", strings.ReplaceAll(script, "http://127.0.0.1:8080", s.base))
		shell.Dir = filepath.Join("..", "..")
		shell.Env = append(os.Environ(), "KEYID="+keyID, "SECRET="+key)
		told, err := shell.Output()
		must(t, err)
		return string(told)
	}
	if told := send(made.ID, "AAAA"+made.Key[4:]); !strings.Contains(told, `"code":"bad_signature"`) {
		t.Errorf("another secret: %s", told)
	}
	if told := send(made.ID, made.Key); !strings.Contains(told, `"reference":"MASS-2026-12"`) || !strings.Contains(told, `"requested":10000`) {
		t.Errorf("the right one: %s", told)
	}
	platen(t, "client", "revoke", "partner", config(dir))
	if told := send(made.ID, made.Key); !strings.Contains(told, `"code":"bad_signature"`) {
		t.Errorf("after it was revoked: %s", told)
	}
	if listed := platen(t, "client", "list", config(dir)); !strings.Contains(listed, made.ID) || !strings.Contains(listed, "revoked") {
		t.Errorf("the list of clients: %s", listed)
	}
}

func TestAClientWhoseKeyIsAPairHasNoSecretHere(t *testing.T) {
	t.Parallel()
	dir := prepare(t, sizes{mass: 1, bulk: 1, actions: 1})
	platen(t, "init", dir)
	platen(t, "db", "migrate", config(dir))
	platen(t, "apply", config(dir), "-f", filepath.Join(dir, "programs"))
	private := filepath.Join(t.TempDir(), "private.pem")
	public := private + ".pub"
	for _, args := range [][]string{{"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", private}, {"pkey", "-in", private, "-pubout", "-out", public}} {
		if out, err := exec.CommandContext(t.Context(), "openssl", args...).CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v %s", args[0], err, out)
		}
	}
	told := platen(t, "client", "create", "partner", "--public-key", public, config(dir))
	if strings.Contains(told, "secret") || !strings.Contains(told, "keyid") {
		t.Error(told)
	}
	for name, args := range map[string][]string{
		"a private key":   {"--public-key", private},
		"no such file":    {"--public-key", private + ".none"},
		"both":            {"--public-key", public, "--secret"},
		"unknown role":    {"--roles", "root"},
		"a negative rate": {"--rate", "-1"},
	} {
		if o := run(t, append([]string{"client", "create", "other", config(dir)}, args...)...); o.code == 0 || o.stderr == "" {
			t.Errorf("%s: exit code %d, %q", name, o.code, o.stderr)
		}
	}
	if o := run(t, "client", "create", "partner", config(dir)); o.code == 0 || !strings.Contains(o.stderr, "take another name") {
		t.Errorf("a second client of one name: %d %q", o.code, o.stderr)
	}
}
