package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/delivery"
	"platen/formats"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/software"
	"platen/hsm/vault"
	"platen/programs"
	"platen/samples"
	"platen/sql/store"
	"platen/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

// site is an issuer with its bureaus: a plant on a fresh database, the sample programs, and a real simulator for each bureau.
type site struct {
	t     testing.TB
	dir   string
	clock atomic.Pointer[time.Time]
	store *store.Store
	plant *batch.Plant
	inst  store.Institution
	set   *programs.Set
	sims  map[string]*bureau.Simulator
	keys  map[string]card.Secret
	ring  *keystore.Store

	ourPublic  []byte            // OpenPGP
	bureauKeys map[string][]byte // the bureaus' private OpenPGP keys
}

// onBoth runs a test on a fresh site on each database.
func onBoth(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	onBothWith(t, bureau.Dice{Seed: "night", RejectPermille: 30, SpoilPermille: 60}, test)
}

// onDatabases runs a test on each database, fresh.
func onDatabases(t *testing.T, test func(t *testing.T, address string)) {
	t.Helper()
	for name, address := range map[string]func(testing.TB) string{
		"SQLite":     func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "platen.db") },
		"PostgreSQL": func(t testing.TB) string { return testbed.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) { test(t, address(t)) })
	}
}

func newSite(t testing.TB, address string, dice bureau.Dice) *site {
	t.Helper()
	return newSiteWith(t, address, func(c *bureau.Config) { c.Dice = dice })
}

// newSiteWith is newSite with bureaus that are set up otherwise.
func newSiteWith(t testing.TB, address string, tune func(*bureau.Config)) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), sims: map[string]*bureau.Simulator{}, keys: map[string]card.Secret{}}
	s.setNow(time.Date(2027, time.January, 4, 20, 30, 0, 0, time.UTC))
	s.makeKeys()
	s.makeBureaus(tune)
	s.openStore(address)
	s.makePlant()
	s.apply()
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) makeKeys() {
	var err error
	s.set, err = programs.Load(samples.FS, "programs")
	s.must(err)
	entropy := hsm.SeededEntropy(s.t.Name())
	kbpk, err := keystore.CreateKBPK(filepath.Join(s.dir, "kbpk"), entropy)
	s.must(err)
	s.ring, err = keystore.Create(filepath.Join(s.dir, "keystore.json"), kbpk, keystore.Test)
	s.must(err)
	have := map[card.KeyLabel]bool{}
	add := func(label card.KeyLabel, usage keyblock.Usage, algorithm keyblock.Algorithm) {
		if label != "" && !have[label] {
			have[label] = true
			s.must(s.ring.Generate(label, usage, algorithm, entropy))
		}
	}
	add("pin-storage", keyblock.PINStorage, keyblock.AES)
	for _, r := range s.set.Ranges {
		add(r.PermutationKey, keyblock.Data, keyblock.AES)
		add(r.TokenKey, keyblock.Data, keyblock.AES)
	}
	for _, p := range s.set.Products {
		add(p.Keys.CVK, keyblock.CVK, keyblock.TDES)
		usage := keyblock.VisaPVK
		if p.PIN.Method == card.DerivedPIN {
			usage = keyblock.IBMPVK
		}
		add(p.Keys.PVK, usage, keyblock.TDES)
	}
	for _, b := range s.set.Bureaus {
		algorithm := keyblock.TDES
		if b.PINFormat == 4 {
			algorithm = keyblock.AES
		}
		add(b.ZPK, keyblock.ZPK, algorithm)
	}
}

// makeBureaus starts a simulator for each bureau and points the programs at it.
func (s *site) makeBureaus(tune func(*bureau.Config)) {
	s.bureauKeys = map[string][]byte{}
	ourPublic, ourPrivate, err := delivery.NewKeyPair("Platen", "platen@example.invalid", s.now().AddDate(-1, 0, 0))
	s.must(err)
	module, err := software.New(s.ring, hsm.SystemEntropy(), software.Options{})
	s.must(err)
	products := map[string]card.Product{}
	for _, p := range s.set.Products {
		products[p.Code] = p
	}
	for i := range s.set.Bureaus {
		b := &s.set.Bureaus[i]
		public, private, err := delivery.NewKeyPair(b.Name, b.Code+"@example.invalid", s.now().AddDate(-1, 0, 0))
		s.must(err)
		host, hostPublic, err := delivery.NewSSHKeyPair(b.Code)
		s.must(err)
		identity, authorized, err := delivery.NewSSHKeyPair("platen")
		s.must(err)
		opener, err := delivery.NewOpener(private, ourPublic)
		s.must(err)
		sealer, err := delivery.NewSealer(ourPublic, private)
		s.must(err)
		config := bureau.Config{Listen: "127.0.0.1:0", Sealer: sealer, HostKey: host, AuthorizedKeys: authorized, Root: filepath.Join(s.dir, b.Code),
			Opener: opener, Layouts: s.set.Layouts, Bureau: *b, Products: products, Module: module, Poll: time.Hour, Now: s.now, Log: zerolog.New(zerolog.NewTestWriter(s.t))}
		tune(&config)
		sim, err := bureau.Start(s.t.Context(), config)
		s.must(err)
		s.t.Cleanup(func() {
			if err := sim.Close(); err != nil {
				s.t.Error(err)
			}
		})
		s.sims[b.Code] = sim
		s.ourPublic, s.bureauKeys[b.Code] = ourPublic, private
		b.SFTP.Address = sim.Addr()
		s.keys[b.SFTP.HostKeysFile] = card.NewSecret(hostPublic)
		s.keys[b.SFTP.IdentityFile] = card.NewSecret(identity)
		s.keys[b.PGP.RecipientFile] = card.NewSecret(public)
		s.keys[b.PGP.SignerFile] = card.NewSecret(ourPrivate)
	}
}

func (s *site) openStore(address string) {
	var err error
	s.store, err = store.Open(s.t.Context(), address)
	s.must(err)
	s.t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			s.t.Error(err)
		}
	})
	s.must(s.store.Migrate(s.t.Context()))
}

func (s *site) makePlant() {
	ledger, err := batch.OpenLedger(filepath.Join(s.dir, "ledger"))
	s.must(err)
	entropy := hsm.SeededEntropy(s.t.Name())
	module, err := software.New(s.ring, entropy, software.Options{})
	s.must(err)
	s.plant, err = batch.New(batch.Plant{Store: s.store, Module: module, Vault: vault.New(s.ring), Entropy: entropy, Ledger: ledger, Now: s.now,
		Spool: filepath.Join(s.dir, "spool"), ResolveKey: s.resolve, PINStorage: "pin-storage", TokenKey: "token", SecretsKey: "token", Instance: "test", Stamp: "TEST", Log: zerolog.New(zerolog.NewTestWriter(s.t))})
	s.must(err)
}

func (s *site) resolve(name string) (card.Secret, error) {
	k, ok := s.keys[name]
	if !ok {
		return card.Secret{}, fmt.Errorf("no key file %q", name)
	}
	return k, nil
}

func (s *site) apply() {
	_, err := s.plant.Apply(s.t.Context(), s.set, "test", false)
	s.must(err)
	s.inst, err = s.store.Institution(s.t.Context(), s.set.Institution.Code)
	s.must(err)
}

// rows is an order in memory.
type rows struct {
	kind formats.OrderKind
	list []formats.Row
	next int
}

func (r *rows) Kind() formats.OrderKind { return r.kind }

func (r *rows) Next() (formats.Row, []formats.Fault, error) {
	if r.next == len(r.list) {
		return formats.Row{}, nil, io.EOF
	}
	row := r.list[r.next]
	r.next++
	row.Line = int64(r.next + 1)
	return row, nil, nil
}

// submit takes an order in and expects it to be accepted.
func (s *site) submit(reference string, kind formats.OrderKind, list ...formats.Row) batch.Receipt {
	s.t.Helper()
	r, err := s.trySubmit(reference, kind, list...)
	s.must(err)
	return r
}

func (s *site) trySubmit(reference string, kind formats.OrderKind, list ...formats.Row) (batch.Receipt, error) {
	return s.plant.Submit(s.t.Context(), batch.Submission{Institution: s.inst, Reference: reference, Actor: "test", Body: newBody(list),
		Rows: func(r io.Reader) (batch.Rows, error) {
			_, err := io.Copy(io.Discard, r)
			return &rows{kind: kind, list: list}, err
		}})
}

// newBody is bytes that differ when rows do.
func newBody(list []formats.Row) io.Reader {
	out, in := io.Pipe()
	go func() {
		_, err := fmt.Fprintf(in, "%+v", list)
		_ = in.CloseWithError(err)
	}()
	return out
}

// night opens a window and carries everything out until nothing is due, one step after another.
func (s *site) night(slot string) store.Batch {
	s.t.Helper()
	b, _, err := s.plant.RunNow(s.t.Context(), s.inst, "nightly", slot, "test")
	s.must(err)
	s.must(s.plant.Plan(s.t.Context(), b.Number))
	s.settle()
	b, err = s.store.BatchByNumber(s.t.Context(), b.Number)
	s.must(err)
	return b
}

// settle claims and works until every file has come as far as it can by itself.
func (s *site) settle() {
	s.t.Helper()
	for s.anyAtWork() {
		s.step()
	}
}

// step lets everybody do once what is due: workers, bureaus, and a look into each outbox.
func (s *site) step() {
	s.t.Helper()
	ctx := s.t.Context()
	s.round(ctx)
	for _, sim := range s.sims {
		s.must(sim.Process(ctx))
	}
	for _, b := range s.set.Bureaus {
		s.must(s.plant.Poll(ctx, s.inst, b.Code))
	}
}

func (s *site) anyAtWork() bool {
	s.t.Helper()
	files, err := s.store.Files(s.t.Context(), s.inst.ID, 0, 1000)
	s.must(err)
	for _, f := range files {
		if f.State < card.FileBalanced && f.State != card.FileInDoubt && f.State != card.FileRefused {
			return true
		}
	}
	return false
}

func (s *site) round(ctx context.Context) bool {
	s.t.Helper()
	var builds, returns []store.Due
	s.must(s.store.InTx(ctx, func(tx *store.Tx) (err error) {
		if builds, err = tx.ClaimStale(ctx, batch.Lease, card.FilePlanned, card.FileBuilding, card.FileSealed); err != nil {
			return err
		}
		returns, err = tx.ClaimReturns(ctx, batch.Lease)
		return err
	}))
	sends, err := s.plant.ClaimSends(ctx)
	s.must(err)
	for _, d := range builds {
		s.must(fenced(s.plant.Build(ctx, d.Number, d.Epoch)))
	}
	for _, d := range sends {
		s.must(fenced(s.plant.Send(ctx, d.Number, d.Epoch)))
	}
	for _, d := range returns {
		s.must(fenced(s.plant.ApplyReturn(ctx, d.Number, d.Epoch)))
	}
	return len(builds)+len(sends)+len(returns) > 0
}

func fenced(err error) error {
	if errors.Is(err, store.ErrFenced) {
		return nil
	}
	return err
}

func (s *site) books() batch.Books {
	s.t.Helper()
	b, err := s.plant.Balance(s.t.Context(), s.inst)
	s.must(err)
	for _, o := range b.Orders {
		recounted, err := s.store.RecountFates(s.t.Context(), o.Order)
		s.must(err)
		if o.Fates != recounted {
			s.t.Errorf("order %s is told as %+v, its cards say %+v", o.Order.Reference, o.Fates, recounted)
		}
	}
	return b
}

// now is the time of everything in a site; a simulator's server asks for it while a test goes on.
func (s *site) now() time.Time { return *s.clock.Load() }

func (s *site) setNow(t time.Time) { s.clock.Store(&t) }
