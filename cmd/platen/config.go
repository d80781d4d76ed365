package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"platen/card"
)

// Config is what one Platen process needs to know: platen.yaml, overridden by PLATEN_* variables. What the running system does is
// declared elsewhere, in programs.
type Config struct {
	Database         string          `koanf:"database"` // postgres://... or sqlite:PATH
	Spool            string          `koanf:"spool"`    // directory of encrypted files
	Ledger           string          `koanf:"ledger"`   // directory of the high-water ledger
	Keystore         string          `koanf:"keystore"` // file of key blocks
	KBPK             string          `koanf:"kbpk"`     // file:PATH, env:NAME or pkcs11:LABEL
	Keys             KeysConfig      `koanf:"keys"`
	Module           ModuleConfig    `koanf:"module"`
	PayShield        PayShieldConfig `koanf:"payshield"`
	PKCS11           PKCS11Config    `koanf:"pkcs11"`
	HTTP             HTTPConfig      `koanf:"http"`
	Workers          int             `koanf:"workers"`
	InstitutionFiles int             `koanf:"institution_files"` // files of one institution built at once, by all processes together; 0 = any number
	Poll             PollConfig      `koanf:"poll"`
	Webhooks         WebhooksConfig  `koanf:"webhooks"`
	Log              LogConfig       `koanf:"log"`
	Instance         string          `koanf:"instance"` // this process's name among others; empty = made from host and process number
	Seed             string          `koanf:"seed"`     // tests only: everything random becomes a function of it

	BaseDir string `koanf:"-"` // directory of platen.yaml, absolute; relative paths of the configuration and of programs start here
}

// KeysConfig are the labels of the keys that belong to no product or bureau.
type KeysConfig struct {
	PINStorage card.KeyLabel `koanf:"pin_storage"`
	Token      card.KeyLabel `koanf:"token"`
	Secrets    card.KeyLabel `koanf:"secrets"`
}

// ModuleConfig chooses the security module.
type ModuleConfig struct {
	Kind          string `koanf:"kind"`
	AllowRealBINs bool   `koanf:"allow_real_bins"`
}

// PayShieldConfig is where a payShield is and how it is spoken to.
type PayShieldConfig struct {
	Addresses   string        `koanf:"addresses"` // HOST:PORT, several with commas between them
	TLSCA       string        `koanf:"tls_ca"`    // PEM of who signs the module's certificate; empty = plain TCP
	TLSCert     string        `koanf:"tls_cert"`
	TLSKey      string        `koanf:"tls_key"`
	Connections int           `koanf:"connections"`
	InFlight    int           `koanf:"in_flight"`
	Header      int           `koanf:"header"`
	LMK         string        `koanf:"lmk"`
	Timeout     time.Duration `koanf:"timeout"`
	Keys        string        `koanf:"keys"` // file of keys under the LMK
	ZMK         card.KeyLabel `koanf:"zmk"`
	Transfer    card.KeyLabel `koanf:"transfer"`
}

// PKCS11Config is where a PKCS#11 token is.
type PKCS11Config struct {
	Library  string `koanf:"library"`
	Token    string `koanf:"token"` // its label
	PIN      string `koanf:"pin"`   // file:PATH or env:NAME
	Sessions int    `koanf:"sessions"`
}

// HTTPConfig is where the API listens; both TLS files or none.
type HTTPConfig struct {
	Listen    string `koanf:"listen"`
	TLSCert   string `koanf:"tls_cert"`
	TLSKey    string `koanf:"tls_key"`
	PublicURL string `koanf:"public_url"`
}

// PollConfig is how often a process looks: at bureaus for returns, at the database for work.
type PollConfig struct {
	Returns time.Duration `koanf:"returns"`
	Queue   time.Duration `koanf:"queue"`
}

// WebhooksConfig is where messages to subscribers may go besides public addresses, and whose certificates are trusted besides.
type WebhooksConfig struct {
	Allow  string `koanf:"allow"` // networks with commas between
	CAFile string `koanf:"ca_file"`
}

// allowed reads the list of networks.
func (w WebhooksConfig) allowed() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for text := range strings.SplitSeq(w.Allow, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() {
			return nil, fmt.Errorf("%q is no network such as 10.20.0.0/16", text)
		}
		all = append(all, p)
	}
	return all, nil
}

// LogConfig is how much is logged, and in which form.
type LogConfig struct {
	Level  string `koanf:"level"`
	Format string `koanf:"format"`
}

// Default is the configuration of an empty platen.yaml. It names no key-block protection key, which has no default.
func Default() Config {
	return Config{
		Database:  "sqlite:platen.db",
		Spool:     "spool",
		Ledger:    "ledger",
		Keystore:  "keys/keystore.json",
		Keys:      KeysConfig{PINStorage: "pin-storage", Token: "token", Secrets: "secrets"},
		Module:    ModuleConfig{Kind: softwareModule},
		PayShield: PayShieldConfig{Connections: 4, InFlight: 16, Header: 4, Timeout: 5 * time.Second, Keys: "keys/payshield.json", ZMK: "zmk"},
		PKCS11:    PKCS11Config{Token: "platen", Sessions: 4},
		HTTP:      HTTPConfig{Listen: "127.0.0.1:8080"},
		Workers:   2,
		Poll:      PollConfig{Returns: 10 * time.Second, Queue: time.Second},
		Log:       LogConfig{Level: "info", Format: "json"},
	}
}

// Format implements fmt.Formatter: a configuration holds secrets and prints only where it lies.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "[configuration in %s]", c.BaseDir)
}

// Load reads the file at path and the PLATEN_* variables of environ ("NAME=value" lines), checks every value and resolves relative
// paths. Unknown keys, bad values and missing secrets are refused; the error has one line for each, which names the key, where it
// stands and what it may be, and never a value that may be secret.
func Load(path string, environ []string) (Config, error) {
	config, err := readConfig(path, environ)
	if err != nil {
		return Config{}, err
	}
	if err := config.check(environ); err != nil {
		return Config{}, fmt.Errorf("configuration %s:\n%w", path, err)
	}
	config.resolve()
	return config, nil
}

// readConfig is Load without checks.
func readConfig(path string, environ []string) (Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	config, err := decodeConfig(path, source, environ)
	if err != nil {
		return Config{}, err
	}
	config.BaseDir = filepath.Dir(absolute)
	return config, nil
}

// Path resolves a path of the configuration or of programs against the directory of platen.yaml.
func (c Config) Path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.BaseDir, name)
}

// check collects what is wrong with single values and with their company.
func (c Config) check(environ []string) error {
	var found []error
	fault := func(key, format string, args ...any) {
		found = append(found, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if err := checkDatabase(c.Database); err != nil {
		fault("database", "%v", err)
	}
	for key, value := range map[string]string{"spool": c.Spool, "ledger": c.Ledger, "keystore": c.Keystore} {
		if value == "" {
			fault(key, "is missing: give a path")
		}
	}
	if err := c.checkKBPK(environ); err != nil {
		fault("kbpk", "%v", err)
	}
	for key, label := range map[string]card.KeyLabel{"keys.pin_storage": c.Keys.PINStorage, "keys.token": c.Keys.Token, "keys.secrets": c.Keys.Secrets} {
		if _, err := card.NewKeyLabel(string(label)); err != nil {
			fault(key, "%v", card.ErrKeyLabel)
		}
	}
	if c.Keys.PINStorage == c.Keys.Token {
		fault("keys.token", "must differ from keys.pin_storage: one key serves one purpose")
	}
	if c.Keys.Secrets == c.Keys.PINStorage || c.Keys.Secrets == c.Keys.Token {
		fault("keys.secrets", "must differ from the other keys: one key serves one purpose")
	}
	c.checkModule(environ, fault)
	if c.Seed != "" && c.Module.AllowRealBINs {
		fault("seed", "is for tests and excludes module.allow_real_bins")
	}
	c.checkProcess(fault)
	slices.SortFunc(found, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(found...)
}

// checkProcess checks what concerns the process itself: addresses, numbers, words.
func (c Config) checkProcess(fault func(key, format string, args ...any)) {
	host, port, err := net.SplitHostPort(c.HTTP.Listen)
	if n, portErr := strconv.Atoi(port); err != nil || portErr != nil || n < 0 || n > 65535 {
		fault("http.listen", "must be HOST:PORT")
	} else if ip := net.ParseIP(host); host != "" && host != "localhost" && ip == nil {
		fault("http.listen", "HOST must be an address of this machine, not a name")
	}
	if (c.HTTP.TLSCert == "") != (c.HTTP.TLSKey == "") {
		fault("http.tls_cert", "and http.tls_key belong together: give both or none")
	}
	if u, err := url.Parse(c.HTTP.PublicURL); c.HTTP.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.TrimPrefix(c.HTTP.PublicURL, u.Scheme+"://") != u.Host) {
		fault("http.public_url", "must be SCHEME://HOST without a path, as clients call it")
	}
	if _, err := c.Webhooks.allowed(); err != nil {
		fault("webhooks.allow", "%v", err)
	}
	if c.Workers < 1 || c.Workers > 256 {
		fault("workers", "must be 1 to 256")
	}
	if c.InstitutionFiles < 0 || c.InstitutionFiles > 10_000 {
		fault("institution_files", "must be 0 to 10000")
	}
	for key, every := range map[string]time.Duration{"poll.returns": c.Poll.Returns, "poll.queue": c.Poll.Queue} {
		if every < 10*time.Millisecond || every > time.Hour {
			fault(key, "must be 10ms to 1h")
		}
	}
	levels, formats := []string{"debug", "info", "warn", "error"}, []string{"json", "console"}
	if !slices.Contains(levels, c.Log.Level) {
		fault("log.level", "must be one of %s", strings.Join(levels, ", "))
	}
	if !slices.Contains(formats, c.Log.Format) {
		fault("log.format", "must be one of %s", strings.Join(formats, ", "))
	}
	if _, err := card.NewKeyLabel(c.Instance); c.Instance != "" && err != nil {
		fault("instance", "must be 1 to 48 of a-z 0-9 . - _ and begin with a letter")
	}
}

// checkDatabase accepts a PostgreSQL URL or an SQLite path. The URL may hold a password, so no error shows it.
func checkDatabase(dsn string) error {
	scheme, rest, found := strings.Cut(dsn, ":")
	switch {
	case dsn == "" || found && rest == "":
		return errors.New("is missing: give postgres://... or sqlite:PATH")
	case scheme == "postgres" || scheme == "postgresql":
		u, err := url.Parse(dsn)
		if err != nil || u.Host == "" || strings.Trim(u.Path, "/") == "" {
			return errors.New("must have the form postgres://USER:PASSWORD@HOST/DATABASE?sslmode=MODE")
		}
		if !u.Query().Has("sslmode") {
			return errors.New("must say sslmode: verify-full for a remote server, disable for a local one")
		}
		return nil
	case scheme == "sqlite" && found, !strings.Contains(dsn, "://"):
		return nil
	}
	return errors.New("must be postgres://... or sqlite:PATH")
}

// checkKBPK proves that the key-block protection key is where the configuration says. Its value is read by the keystore.
func (c Config) checkKBPK(environ []string) error {
	kind, where, _ := strings.Cut(c.KBPK, ":")
	switch {
	case c.KBPK == "":
		return errors.New("is missing: give file:PATH, env:NAME or pkcs11:LABEL of the key-block protection key")
	case kind != pkcs11Module:
		return c.checkSource(c.KBPK, environ)
	case where == "":
		return errors.New("must be pkcs11:LABEL")
	case c.PKCS11.Library == "" || c.PKCS11.Token == "" || c.PKCS11.PIN == "":
		return errors.New("needs pkcs11.library, pkcs11.token and pkcs11.pin, for it is in the token")
	}
	return nil
}

// checkSource proves that a secret is where the configuration says, without reading it.
func (c Config) checkSource(source string, environ []string) error {
	kind, where, _ := strings.Cut(source, ":")
	switch {
	case kind == "file" && where != "":
		info, err := os.Stat(c.Path(where))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no file %s", where)
		} else if err != nil || !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a readable file", where)
		}
		if info.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("file %s may be read by others: set its mode to 0600", where)
		}
		return nil
	case kind == "env" && strings.HasPrefix(where, envPrefix):
		return fmt.Errorf("the variable must not begin with %s: such variables are keys of this configuration", envPrefix)
	case kind == "env" && where != "":
		for _, line := range environ {
			if name, value, _ := strings.Cut(line, "="); name == where && value != "" {
				return nil
			}
		}
		return fmt.Errorf("the environment variable %s is not set", where)
	}
	return errors.New("must be file:PATH or env:NAME")
}

// resolve makes every path absolute and gives the database its one form.
func (c *Config) resolve() {
	for _, path := range []*string{&c.Spool, &c.Ledger, &c.Keystore, &c.HTTP.TLSCert, &c.HTTP.TLSKey,
		&c.PayShield.Keys, &c.PayShield.TLSCA, &c.PayShield.TLSCert, &c.PayShield.TLSKey} {
		*path = c.Path(*path)
	}
	for _, source := range []*string{&c.KBPK, &c.PKCS11.PIN} {
		if where, ok := strings.CutPrefix(*source, "file:"); ok {
			*source = "file:" + c.Path(where)
		}
	}
	if !strings.HasPrefix(c.Database, "postgres") || !strings.Contains(c.Database, "://") {
		c.Database = "sqlite:" + c.Path(strings.TrimPrefix(c.Database, "sqlite:"))
	}
}
