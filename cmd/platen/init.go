package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"platen/card"
	"platen/delivery"
	"platen/formats"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/programs"
	"platen/samples"
)

func initCommand(s *shared) *cobra.Command {
	var database, seed string
	c := &cobra.Command{
		Use:   "init DIR",
		Short: "Make a directory to try Platen in: configuration, sample programs, test keys, a bureau's side",
		Long: `Makes DIR with everything that a trial needs, and changes nothing that is there already: platen.yaml, the sample programs and
layouts, a keystore of test keys, OpenPGP and SSH keys, and under bureaus/ what the bureau simulator needs of each bureau.
Only test keys are made. Run it again after the programs name a new key, or one was rotated: it makes what is missing and gives the simulated
bureaus what they lack. Afterwards:
  platen db migrate  -c DIR/platen.yaml
  platen apply       -c DIR/platen.yaml -f DIR/programs
  platen bureau simulate -c DIR/platen.yaml
  platen serve       -c DIR/platen.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := initialise(cmd.Context(), layoutOf(args[0], database, seed)); err != nil {
				return err
			}
			if !s.json {
				fmt.Fprintf(cmd.OutOrStdout(), "Made %s. Next: platen db migrate -c %s\n", args[0], filepath.Join(args[0], "platen.yaml"))
				return nil
			}
			return printJSON(cmd.OutOrStdout(), map[string]string{"dir": args[0]})
		},
	}
	c.Flags().StringVar(&database, "database", "sqlite:platen.db", "postgres://... or sqlite:PATH")
	c.Flags().StringVar(&seed, "seed", "", "tests only: everything random becomes a function of it")
	return c
}

// site is a directory that init makes.
type site struct {
	dir      string
	database string
	seed     string
	anyPort  bool // ports that are free now, instead of the samples'
}

func layoutOf(dir, database, seed string) site {
	return site{dir: dir, database: database, seed: seed}
}

func (s site) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

func (s site) entropy() hsm.Entropy {
	if s.seed != "" {
		return hsm.SeededEntropy(s.seed)
	}
	return hsm.SystemEntropy()
}

// initialise makes what is missing, one whole file at a time, so that it may be stopped anywhere and called again.
func initialise(ctx context.Context, s site) error {
	for _, d := range []string{"keys", "bureaus", "programs", "layouts", "orders"} {
		if err := os.MkdirAll(s.path(d), 0o700); err != nil {
			return fmt.Errorf("make %s: %w", d, err)
		}
	}
	if err := s.copySamples(); err != nil {
		return err
	}
	set, err := programs.LoadDir(s.path("programs"))
	if err != nil {
		return err
	}
	if err := s.makeKeys(set); err != nil { //nolint:contextcheck // a token is asked while a process starts, where nothing else waits
		return err
	}
	for i := range set.Bureaus {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.makeBureau(set, &set.Bureaus[i]); err != nil { //nolint:contextcheck // a token is asked while a process starts, where nothing else waits
			return fmt.Errorf("prepare bureau %s: %w", set.Bureaus[i].Code, err)
		}
	}
	return s.once("platen.yaml", func() ([]byte, error) { return s.configuration(), nil })
}

// once writes a file unless it is there, under a temporary name first.
func (s site) once(name string, make func() ([]byte, error)) error {
	target := s.path(filepath.FromSlash(name))
	if _, err := os.Stat(target); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for %s: %w", name, err)
	}
	body, err := make()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return fmt.Errorf("make a directory for %s: %w", name, err)
	}
	if err := os.WriteFile(target+".part", body, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(target+".part", target); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func (s site) configuration() []byte {
	text := fmt.Sprintf(`# Made by platen init. docs/platen.example.yaml shows every key.
database: %s
spool: spool
ledger: ledger
keystore: keys/keystore.json
kbpk: file:keys/kbpk.hex
poll:
  returns: 1s
  queue: 200ms
log:
  level: warn
  format: console
`, s.database)
	if s.seed != "" {
		text += fmt.Sprintf("seed: %q\n", s.seed)
	}
	return []byte(text)
}

var addressLine = regexp.MustCompile(`(?m)^(\s*address:\s*)(\S+)$`)

// copySamples lays out the sample programs, layouts and orders. A bureau whose port is taken gets a free one.
func (s site) copySamples() error {
	return fs.WalkDir(samples.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) == ".md" || strings.Contains(name, "testdata") {
			return err
		}
		return s.once(name, func() ([]byte, error) {
			body, err := fs.ReadFile(samples.FS, name)
			if err != nil || !strings.HasPrefix(name, "programs/bureaus/") {
				return body, err
			}
			var failed error
			body = addressLine.ReplaceAllFunc(body, func(line []byte) []byte {
				m := addressLine.FindSubmatch(line)
				address, err := s.address(string(m[2]))
				failed = errors.Join(failed, err)
				return append(append([]byte(nil), m[1]...), address...)
			})
			return body, failed
		})
	})
}

func (s site) address(wanted string) (string, error) {
	if s.anyPort {
		wanted = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", wanted)
	if err != nil && !s.anyPort {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	address := l.Addr().String()
	return address, l.Close()
}

// need is a key that programs name.
type need struct {
	label     card.KeyLabel
	usage     keyblock.Usage
	algorithm keyblock.Algorithm
}

// keysNeeded lists the keys that a set of programs and the process itself name, each once.
func keysNeeded(set *programs.Set, common KeysConfig) []need {
	var all []need
	seen := map[card.KeyLabel]bool{}
	add := func(label card.KeyLabel, usage keyblock.Usage, algorithm keyblock.Algorithm) {
		if label != "" && !seen[label] {
			seen[label] = true
			all = append(all, need{label, usage, algorithm})
		}
	}
	add(common.PINStorage, keyblock.PINStorage, keyblock.AES)
	add(common.Token, keyblock.Data, keyblock.AES)
	add(common.Secrets, keyblock.Data, keyblock.AES)
	for _, r := range set.Ranges {
		add(r.PermutationKey, keyblock.Data, keyblock.AES)
		add(r.TokenKey, keyblock.Data, keyblock.AES)
	}
	for _, p := range set.Products {
		add(p.Keys.CVK, keyblock.CVK, keyblock.TDES)
		add(p.Keys.CSCK, keyblock.CVK, keyblock.TDES)
		if p.PIN.Method == card.DerivedPIN {
			add(p.Keys.PVK, keyblock.IBMPVK, keyblock.TDES)
		} else {
			add(p.Keys.PVK, keyblock.VisaPVK, keyblock.TDES)
		}
	}
	zone := func(label card.KeyLabel, format int) {
		algorithm := keyblock.TDES
		if format == int(hsm.ISO4) {
			algorithm = keyblock.AES
		}
		add(label, keyblock.ZPK, algorithm)
	}
	for _, b := range set.Bureaus {
		zone(b.ZPK, b.PINFormat)
	}
	for _, z := range set.Zones {
		zone(z.Key, z.PINFormat)
		add(z.DataKey, keyblock.ZEK, keyblock.TDES)
	}
	for _, l := range layoutsOf(set, set.Products) {
		for _, c := range l.Ciphers() {
			algorithm := keyblock.TDES
			if c.Mode.IsAES() {
				algorithm = keyblock.AES
			}
			add(c.Key, keyblock.ZEK, algorithm)
		}
	}
	return all
}

// layoutsOf lists the layouts of products' files.
func layoutsOf(set *programs.Set, products []card.Product) (all []*formats.Layout) {
	for _, l := range set.Layouts {
		if slices.ContainsFunc(products, func(p card.Product) bool { return p.Layout == l.Name() || p.MailerLayout == l.Name() }) {
			all = append(all, l)
		}
	}
	return all
}

// makeKeys makes the keystore of test keys and our side's PGP key.
func (s site) makeKeys(set *programs.Set) error {
	if err := s.makeKeystore(set); err != nil {
		return err
	}
	return s.makePGP("keys/platen-pgp", "Platen "+set.Institution.Name, "keys/platen-pgp.asc", "keys/platen-pgp.pub.asc")
}

func (s site) makeKeystore(set *programs.Set) error {
	kbpk, store, err := s.openOrCreate()
	if err != nil {
		return err
	}
	defer kbpk.Wipe()
	_, err = generateMissing(store, keysNeeded(set, Default().Keys), s.entropy())
	return err
}

// openOrCreate opens the keystore and makes what is missing of it. Once there is a configuration, that says where its KBPK is.
func (s site) openOrCreate() (card.Secret, *keystore.Store, error) {
	storePath := s.path("keys", "keystore.json")
	kbpk, err := s.kbpk()
	if err != nil {
		return kbpk, nil, err
	}
	store, err := keystore.Open(storePath, kbpk)
	if errors.Is(err, fs.ErrNotExist) {
		store, err = keystore.Create(storePath, kbpk, keystore.Test)
	}
	if err == nil && s.seed != "" {
		store.SetClock(func() time.Time { return seededClock })
	}
	return kbpk, store, err
}

func (s site) kbpk() (card.Secret, error) {
	config, err := readConfig(s.path("platen.yaml"), nil)
	if err == nil {
		config.resolve()
		return config.openKBPK()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return card.Secret{}, err
	}
	return s.makeKBPK("keys/kbpk.hex", s.entropy())
}

func (s site) makeKBPK(name string, entropy hsm.Entropy) (card.Secret, error) {
	path := s.path(filepath.FromSlash(name))
	made, err := keystore.CreateKBPK(path, entropy)
	if errors.Is(err, keystore.ErrExists) {
		return keystore.LoadKBPK(fileSource + path)
	}
	return made, err
}

// generateMissing makes every needed key that a keystore lacks, and lists what it made.
func generateMissing(store *keystore.Store, keys []need, entropy hsm.Entropy) ([]card.KeyLabel, error) {
	have := map[card.KeyLabel]bool{}
	for _, k := range store.List() {
		have[k.Label] = true
	}
	var made []card.KeyLabel
	for _, n := range keys {
		if have[n.label] {
			continue
		}
		if err := store.Generate(n.label, n.usage, n.algorithm, entropy); err != nil {
			return made, err
		}
		made = append(made, n.label)
	}
	return made, nil
}

// makePGP makes a key pair unless both halves are there.
func (s site) makePGP(what, owner, private, public string) error {
	if _, err := os.Stat(s.path(filepath.FromSlash(public))); err == nil {
		return nil
	}
	pub, priv, err := delivery.NewKeyPair(owner, path.Base(what)+"@example.invalid", time.Now())
	if err != nil {
		return err
	}
	// The public half is written last and tells that both are whole; a private half without it is replaced.
	if err := os.Remove(s.path(filepath.FromSlash(private))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replace an unfinished key: %w", err)
	}
	if err := s.once(private, func() ([]byte, error) { return priv, nil }); err != nil {
		return err
	}
	return s.once(public, func() ([]byte, error) { return pub, nil })
}

// makeSSH makes an SSH key pair unless both halves are there.
func (s site) makeSSH(comment, private, public string) error {
	if _, err := os.Stat(s.path(filepath.FromSlash(public))); err == nil {
		return nil
	}
	priv, pub, err := delivery.NewSSHKeyPair(comment)
	if err != nil {
		return err
	}
	if err := os.Remove(s.path(filepath.FromSlash(private))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replace an unfinished key: %w", err)
	}
	if err := s.once(private, func() ([]byte, error) { return priv, nil }); err != nil {
		return err
	}
	return s.once(public, func() ([]byte, error) { return pub, nil })
}

// makeBureau makes what a simulated bureau has: host key, PGP key, the keys it was given, and our keys that it trusts.
func (s site) makeBureau(set *programs.Set, b *programs.Bureau) error {
	side := "bureaus/" + b.Code + "/"
	for _, d := range []string{"in", "out", "archive", "done"} {
		if err := os.MkdirAll(s.path("bureaus", b.Code, "root", d), 0o700); err != nil {
			return fmt.Errorf("make the bureau's directories: %w", err)
		}
	}
	if err := s.makeSSH(b.Code+" host", side+"host_key", b.SFTP.HostKeysFile); err != nil {
		return err
	}
	if err := s.makeSSH("platen", b.SFTP.IdentityFile, side+"authorized_keys"); err != nil {
		return err
	}
	if err := s.makePGP(side+"pgp", b.Name, side+"pgp.asc", b.PGP.RecipientFile); err != nil {
		return err
	}
	return s.exportKeys(set, b, side)
}

// exportKeys gives a bureau the test keys that it checks records with, in a keystore of its own, or those that this lacks.
func (s site) exportKeys(set *programs.Set, b *programs.Bureau, side string) error {
	target := s.path(filepath.FromSlash(side + "keystore.json"))
	_, ours, err := s.openOrCreate()
	if err != nil {
		return err
	}
	kbpk, err := s.makeKBPK(side+"kbpk.hex", hsm.SystemEntropy())
	if err != nil {
		return err
	}
	var labels []string
	add := func(all ...card.KeyLabel) {
		for _, l := range all {
			if l != "" && !contains(labels, string(l)) {
				labels = append(labels, string(l))
			}
		}
	}
	add(b.ZPK)
	for _, p := range set.Products {
		if p.Bureau == b.Code {
			add(p.Keys.CVK, p.Keys.CSCK, p.Keys.PVK)
		}
		for _, l := range layoutsOf(set, []card.Product{p}) {
			if p.Bureau == b.Code && l.Name() == p.Layout || p.MailerBureau == b.Code && l.Name() == p.MailerLayout {
				add(l.Keys()...)
			}
		}
	}
	theirs, err := keystore.Open(target, kbpk)
	if errors.Is(err, fs.ErrNotExist) {
		return ours.Export(labels, target, kbpk)
	}
	if err == nil {
		_, err = ours.Supply(labels, theirs)
	}
	return err
}
