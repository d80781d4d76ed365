package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// configFile writes a platen.yaml beside a key file that only its owner reads.
func configFile(t *testing.T, yaml string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "kbpk.hex"), "00", 0o600)
	write(t, filepath.Join(dir, "open.hex"), "00", 0o644)
	path := filepath.Join(dir, "platen.yaml")
	write(t, path, yaml, 0o600)
	return path
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func TestLoadLaysTheFileOverTheDefaultsAndTheEnvironmentOverTheFile(t *testing.T) {
	path := configFile(t, "kbpk: file:kbpk.hex\nworkers: 3\nhttp:\n  listen: 0.0.0.0:9000\npoll:\n  queue: 250ms\n")
	got, err := Load(path, []string{"HOME=/nowhere", "PLATEN_HTTP__LISTEN=127.0.0.1:0", "PLATEN_WORKERS=7", "PLATEN_MODULE__ALLOW_REAL_BINS=true", "PLATEN_TEST_POSTGRES_DSN=x"})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	want := Default()
	want.BaseDir = dir
	want.Database = "sqlite:" + filepath.Join(dir, "platen.db")
	want.Spool, want.Ledger, want.Keystore = filepath.Join(dir, "spool"), filepath.Join(dir, "ledger"), filepath.Join(dir, "keys/keystore.json")
	want.KBPK = "file:" + filepath.Join(dir, "kbpk.hex")
	want.PayShield.Keys = filepath.Join(dir, "keys/payshield.json")
	want.HTTP.Listen, want.Workers, want.Module.AllowRealBINs, want.Poll.Queue = "127.0.0.1:0", 7, true, 250*time.Millisecond
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadTakesTheFormsOfADatabase(t *testing.T) {
	for database, want := range map[string]string{
		"postgres://u:p@db/platen?sslmode=verify-full": "postgres://u:p@db/platen?sslmode=verify-full",
		"sqlite:data/x.db":  "sqlite:DIR/data/x.db",
		"data/x.db":         "sqlite:DIR/data/x.db",
		"sqlite:/data/x.db": "sqlite:/data/x.db",
	} {
		path := configFile(t, fmt.Sprintf("kbpk: file:kbpk.hex\ndatabase: %q\n", database))
		got, err := Load(path, nil)
		if err != nil {
			t.Errorf("%s: %v", database, err)
			continue
		}
		if want = strings.ReplaceAll(want, "DIR", filepath.Dir(path)); got.Database != want {
			t.Errorf("%s became %s, want %s", database, got.Database, want)
		}
	}
}

func TestLoadRefusesWithALineThatNamesTheKey(t *testing.T) {
	const kbpk = "kbpk: file:kbpk.hex\n"
	for name, c := range map[string]struct {
		yaml    string
		environ []string
		want    string
	}{
		"unknown key":               {yaml: kbpk + "wokers: 3\n", want: `platen.yaml:2: unknown key wokers`},
		"unknown nested key":        {yaml: kbpk + "http:\n  lisen: x\n", want: `platen.yaml:3: unknown key http.lisen`},
		"group as value":            {yaml: kbpk + "http: x\n", want: `platen.yaml:2: unknown key http`},
		"value as group":            {yaml: kbpk + "workers:\n  a: 1\n", want: `platen.yaml:3: unknown key workers.a`},
		"doubled key":               {yaml: kbpk + "spool: a\nspool: b\n", want: `platen.yaml:3: spool stands twice`},
		"no value":                  {yaml: kbpk + "spool:\n", want: `platen.yaml:2: spool has no value`},
		"list":                      {yaml: kbpk + "spool: [a]\n", want: `platen.yaml:2: spool must be keys and values`},
		"not YAML":                  {yaml: "a: [\n", want: `platen.yaml: `},
		"two documents":             {yaml: kbpk + "---\nspool: a\n", want: `more than one document`},
		"unknown variable":          {yaml: kbpk, environ: []string{"PLATEN_HTTP_LISTEN=x"}, want: `PLATEN_HTTP_LISTEN: there is no key http_listen`},
		"bad variable":              {yaml: kbpk, environ: []string{"PLATEN_WORKERS=many"}, want: `PLATEN_WORKERS: workers: must be a whole number`},
		"text for a number":         {yaml: kbpk + "workers: \"3\"\n", want: `platen.yaml:2: workers: must be a whole number`},
		"number for text":           {yaml: kbpk + "instance: 5\n", want: `platen.yaml:2: instance: must be text`},
		"yes for true":              {yaml: kbpk + "module:\n  allow_real_bins: yes\n", want: `module.allow_real_bins: must be true or false`},
		"duration without a unit":   {yaml: kbpk + "poll:\n  queue: 10\n", want: `poll.queue: must be a duration`},
		"workers":                   {yaml: kbpk + "workers: 0\n", want: `workers: must be 1 to 256`},
		"poll":                      {yaml: kbpk + "poll:\n  returns: 1ns\n", want: `poll.returns: must be 10ms to 1h`},
		"log level":                 {yaml: kbpk + "log:\n  level: loud\n", want: `log.level: must be one of debug, info, warn, error`},
		"log format":                {yaml: kbpk + "log:\n  format: xml\n", want: `log.format: must be one of json, console`},
		"listen":                    {yaml: kbpk + "http:\n  listen: \"8080\"\n", want: `http.listen: must be HOST:PORT`},
		"half of TLS":               {yaml: kbpk + "http:\n  tls_key: k\n", want: `http.tls_cert: and http.tls_key belong together`},
		"module":                    {yaml: kbpk + "module:\n  kind: payshield9\n", want: `module.kind: must be software, payshield or pkcs11`},
		"key label":                 {yaml: kbpk + "keys:\n  token: A B\n", want: `keys.token: key label must be`},
		"one key for two":           {yaml: kbpk + "keys:\n  token: pin-storage\n", want: `keys.token: must differ`},
		"seed with real cards":      {yaml: kbpk + "seed: s\nmodule:\n  allow_real_bins: true\n", want: `seed: is for tests`},
		"empty path":                {yaml: kbpk + "spool: \"\"\n", want: `spool: is missing`},
		"no kbpk":                   {yaml: "", want: `kbpk: is missing: give file:PATH, env:NAME or pkcs11:LABEL`},
		"kbpk file absent":          {yaml: "kbpk: file:nowhere\n", want: `kbpk: there is no file nowhere`},
		"kbpk file open":            {yaml: "kbpk: file:open.hex\n", want: `kbpk: file open.hex may be read by others`},
		"kbpk variable absent":      {yaml: "kbpk: env:MASTER\n", want: `kbpk: the environment variable MASTER is not set`},
		"kbpk variable of ours":     {yaml: "kbpk: env:PLATEN_MASTER\n", want: `kbpk: the variable must not begin with PLATEN_`},
		"kbpk itself":               {yaml: "kbpk: \"00112233445566778899aabbccddeeff\"\n", want: `kbpk: must be file:PATH or env:NAME`},
		"database without sslmode":  {yaml: kbpk + "database: postgres://u:sesame@h/d\n", want: `database: must say sslmode`},
		"database without a name":   {yaml: kbpk + "database: postgres://u:sesame@h/?sslmode=disable\n", want: `database: must have the form`},
		"database of another kind":  {yaml: kbpk + "database: mysql://u:sesame@h/d\n", want: `database: must be postgres://... or sqlite:PATH`},
		"database of an empty path": {yaml: kbpk + "database: \"sqlite:\"\n", want: `database: is missing`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(configFile(t, c.yaml), c.environ)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q in it", err, c.want)
			}
			if regexp.MustCompile(`sesame|00112233|many`).MatchString(err.Error()) {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}

func TestLoadTellsEverythingThatIsWrongAtOnce(t *testing.T) {
	_, err := Load(configFile(t, "workers: 0\nlog:\n  level: loud\n"), nil)
	for _, want := range []string{"kbpk: is missing", "workers: must be", "log.level: must be"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestLoadTakesAKBPKFromTheEnvironment(t *testing.T) {
	config, err := Load(configFile(t, "kbpk: env:MASTER_KEY\n"), []string{"MASTER_KEY=00"})
	if err != nil || config.KBPK != "env:MASTER_KEY" {
		t.Fatalf("%q, %v", config.KBPK, err)
	}
}

func TestConfigNeverPrintsItsSecrets(t *testing.T) {
	config := Default()
	config.Database, config.Seed = "postgres://u:sesame@h/d", "sesame"
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		if out := fmt.Sprintf(verb, config); strings.Contains(out, "sesame") {
			t.Errorf("%s prints %s", verb, out)
		}
	}
}

// The example is the reference of the keys: it loads, has every key and shows every default.
func TestTheExampleConfigurationIsWholeAndTrue(t *testing.T) {
	example, err := os.ReadFile("../../docs/platen.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeConfig("platen.example.yaml", example, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.KBPK == "" {
		t.Error("the example names no kbpk")
	}
	got.KBPK = ""
	if diff := cmp.Diff(Default(), got); diff != "" {
		t.Errorf("the example is not the default configuration: %s", diff)
	}
	written, err := readYAML("", example)
	if err != nil {
		t.Fatal(err)
	}
	inFile := map[string]bool{}
	for _, s := range written {
		inFile[s.key] = true
	}
	for key := range knownKeys(t) {
		if !inFile[key] {
			t.Errorf("the example lacks %s", key)
		}
	}
}

// knownKeys are the keys that an empty environment is checked against.
func knownKeys(t *testing.T) map[string]any {
	t.Helper()
	known, err := defaults()
	if err != nil {
		t.Fatal(err)
	}
	return known.All()
}

func FuzzDecodeConfig(f *testing.F) {
	f.Add([]byte("http:\n  listen: 127.0.0.1:1\n"), "PLATEN_WORKERS=1")
	f.Add([]byte("a: &a [*a]\n"), "PLATEN_")
	f.Add([]byte("? [a]\n: b\n"), "PLATEN___=")
	f.Fuzz(func(t *testing.T, file []byte, variable string) {
		config, err := decodeConfig("f", file, []string{variable})
		if err != nil && config != (Config{}) {
			t.Error("a refused configuration is not empty")
		}
	})
}
