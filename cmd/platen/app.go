package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"platen/api"
	"platen/api/finhub"
	"platen/batch"
	"platen/card"
	"platen/delivery/webhook"
	"platen/fault"
	"platen/hsm"
	"platen/hsm/keystore"
	"platen/hsm/vault"
	"platen/jobs"
	"platen/programs"
	"platen/services/webhooks"
	"platen/sql/store"
)

// seededClock is business time under a seed: a Monday evening.
var seededClock = time.Date(2027, time.January, 4, 20, 30, 0, 0, time.UTC)

// app is a process wired by hand: everything that a command may need.
type app struct {
	config  Config
	log     zerolog.Logger
	store   *store.Store
	keys    *keystore.Store
	module  hsm.Module
	carrier carrier // nil for the software module
	plant   *batch.Plant
	vault   *vault.Vault
	metrics *metrics
	uses    *keyUses
	wake    atomic.Pointer[jobs.Runner]
}

// openApp reads the configuration and wires a process. Its schema must be current, unless migrate is asked for.
func openApp(ctx context.Context, s *shared, migrate bool) (*app, error) {
	config, err := Load(s.config, os.Environ())
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no configuration at %s: name one with --config, or make a directory with `platen init DIR`", s.config)
	}
	if err != nil {
		return nil, err
	}
	return wire(ctx, config, migrate)
}

func wire(ctx context.Context, config Config, migrate bool) (_ *app, err error) {
	a := &app{config: config, log: newLogger(config.Log, os.Stderr).With().Str("instance", instanceName(config)).Logger()}
	if a.store, err = store.Open(ctx, store.Named(config.Database, instanceName(config))); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.store.Close())
		}
	}()
	if migrate {
		if err := a.migrate(ctx); err != nil {
			return nil, err
		}
	}
	current, err := a.store.SchemaCurrent(ctx)
	if err != nil {
		return nil, err
	}
	if !current {
		return nil, errors.New("the database schema is not current: run `platen db migrate`")
	}
	if err := a.openKeys(); err != nil { //nolint:contextcheck // a token is asked while a process starts, where nothing else waits
		return nil, err
	}
	return a, a.openPlant(ctx)
}

// queuePath is the job queue's own file beside a SQLite database.
func (a *app) queuePath() string {
	path, ok := cutSQLite(a.config.Database)
	if !ok {
		return ""
	}
	return filepath.Join(filepath.Dir(path), "queue.db")
}

func (a *app) migrate(ctx context.Context) error {
	if err := a.store.Migrate(ctx); err != nil {
		return err
	}
	return jobs.Migrate(ctx, a.store, a.queuePath())
}

func (a *app) entropy() hsm.Entropy {
	if a.config.Seed != "" {
		return hsm.SeededEntropy(a.config.Seed)
	}
	return hsm.SystemEntropy()
}

func (a *app) now() time.Time {
	if a.config.Seed != "" {
		return seededClock
	}
	return time.Now()
}

func (a *app) openKeys() error {
	kbpk, err := a.config.openKBPK()
	if err != nil {
		return err
	}
	if a.keys, err = keystore.Open(a.config.Keystore, kbpk); err != nil {
		return err
	}
	return a.openModule()
}

// stamp is what every file says of how its keys and numbers came to be.
func (a *app) stamp() string {
	s := "TEST"
	if a.keys.Environment() == keystore.Production {
		s = "PROD"
	}
	if a.config.Module.AllowRealBINs {
		s += "-SOFTWARE"
	}
	if a.config.Seed != "" {
		s += "-SEEDED"
	}
	return s
}

// secrets keeps what clients sign with.
func (a *app) secrets() api.Secrets {
	return api.Secrets{Vault: a.plant.Vault, Label: a.config.Keys.Secrets}
}

// webhooks tells subscribers what happens.
func (a *app) webhooks() (*webhooks.Service, error) {
	allowed, err := a.config.Webhooks.allowed()
	if err != nil {
		return nil, fmt.Errorf("webhooks.allow: %w", err)
	}
	policy := webhook.Policy{Allow: allowed}
	var roots *x509.CertPool
	if name := a.config.Webhooks.CAFile; name != "" {
		pem, err := os.ReadFile(a.config.Path(name))
		if err != nil {
			return nil, fmt.Errorf("webhooks.ca_file: %w", err)
		}
		if roots, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("read the system's authorities: %w", err)
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("webhooks.ca_file: %s holds no certificate", name)
		}
	}
	return &webhooks.Service{Plant: a.plant, Label: a.config.Keys.Secrets, Policy: policy, Sender: webhook.NewSender(policy, roots, "platen/"+version, a.now),
		Forms: map[string]webhooks.Form{programs.Finhub: finhub.NewMessages(a.plant, a.config.Keys.Secrets)}}, nil
}

func (a *app) openPlant(ctx context.Context) error {
	if fault.Armed() && a.keys.Environment() == keystore.Production {
		return fmt.Errorf("%s makes this process die on purpose; it is refused with a production keystore", faultVariable)
	}
	if a.config.Module.AllowRealBINs && a.keys.Environment() == keystore.Test {
		return errors.New("module.allow_real_bins makes cards of real numbers; it is refused with a keystore of test keys")
	}
	if a.config.Seed != "" && a.keys.Environment() == keystore.Production {
		return errors.New("a seed makes keys and PINs repeatable; it is refused with a production keystore")
	}
	ledger, err := batch.OpenLedger(a.config.Ledger)
	if err != nil {
		return err
	}
	a.metrics, a.uses = newMetrics(a), a.newKeyUses()
	a.vault = vault.New(a.keys)
	a.plant, err = batch.New(batch.Plant{
		Store: a.store, Module: a.metrics.watching(a.module, a.uses), Vault: watchedVault{a.vault, a.uses}, Entropy: a.entropy(), Ledger: ledger, Now: a.now,
		Spool: a.config.Spool, ResolveKey: a.resolveKey, PINStorage: a.config.Keys.PINStorage, TokenKey: a.config.Keys.Token, SecretsKey: a.config.Keys.Secrets,
		Instance: instanceName(a.config), InstitutionFiles: a.config.InstitutionFiles, Stamp: a.stamp(), Log: a.log, Observe: a.metrics, Wake: a.wakeJobs, LookDistance: a.config.Poll.Returns / 2,
	})
	if err != nil {
		return err
	}
	if err := a.plant.CheckLedger(ctx); err != nil {
		return err
	}
	if a.config.Module.AllowRealBINs {
		if err := a.store.InTx(ctx, func(tx *store.Tx) error {
			return tx.Audit(ctx, "platen", "module.allow_real_bins", "software", map[string]any{"stamp": a.stamp()}, a.now())
		}); err != nil {
			return err
		}
	}
	go a.uses.run() // until close
	return nil
}

// resolveKey reads a key file that a declaration names, relative to the configuration, and opens one that `platen keys seal` sealed.
func (a *app) resolveKey(name string) (card.Secret, error) {
	f, err := os.Open(a.config.Path(name))
	if err != nil {
		return card.Secret{}, fmt.Errorf("read key file: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	body, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return card.Secret{}, fmt.Errorf("read key file %s: %w", name, err)
	}
	if vault.IsSealed(body) {
		opened, err := a.vault.OpenText(name, body)
		if err != nil {
			return card.Secret{}, fmt.Errorf("open key file %s: %w", name, err)
		}
		return opened, nil
	}
	return card.NewSecret(body), nil
}

// wakeJobs makes this process's jobs look at once, if it runs any.
func (a *app) wakeJobs() {
	if r := a.wake.Load(); r != nil {
		r.Wake()
	}
}

func (a *app) close() error {
	a.uses.close()
	a.closeModule()
	return errors.Join(a.plant.Ledger.Close(), a.store.Close())
}

// institution is the one that a command means: the named one, or the only one.
func (a *app) institution(ctx context.Context, code string) (store.Institution, error) {
	if code != "" {
		return a.store.Institution(ctx, code)
	}
	all, err := a.store.Institutions(ctx)
	if err != nil {
		return store.Institution{}, err
	}
	switch len(all) {
	case 0:
		return store.Institution{}, errors.New("no institution is declared: run `platen apply -f DIR`")
	case 1:
		return all[0], nil
	}
	return store.Institution{}, errors.New("several institutions are declared: choose one with --institution")
}

// running is a process that carries schedules and jobs.
type running struct {
	*jobs.Runner
	release func() error
}

// start begins schedules and jobs.
func (a *app) start(ctx context.Context, schedule, work bool) (*running, error) {
	release := func() error { return nil }
	if work {
		var err error
		if release, err = a.soleWorker(ctx); err != nil {
			return nil, err
		}
	}
	// The queue's own file beside SQLite is only speed: one that was deleted is made again.
	if a.queuePath() != "" {
		if err := jobs.Migrate(ctx, a.store, a.queuePath()); err != nil {
			return nil, errors.Join(err, release())
		}
	}
	hooks, err := a.webhooks()
	if err != nil {
		return nil, errors.Join(err, release())
	}
	r, err := jobs.Start(ctx, jobs.Config{Plant: a.plant, Webhooks: hooks, Log: a.log, QueuePath: a.queuePath(), Workers: a.config.Workers,
		QueuePoll: a.config.Poll.Queue, ReturnsPoll: a.config.Poll.Returns, Schedule: schedule, Work: work})
	if err != nil {
		return nil, errors.Join(err, release())
	}
	a.wake.Store(r)
	return &running{Runner: r, release: release}, nil
}

// stop ends them, giving running jobs some time.
func (r *running) stop(ctx context.Context) error {
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	return errors.Join(r.Stop(drain), r.release())
}

// instanceName tells this process from others in logs.
func instanceName(c Config) string {
	if c.Instance != "" {
		return c.Instance
	}
	host, err := os.Hostname()
	if err != nil {
		host = "platen"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}

func newLogger(c LogConfig, to *os.File) zerolog.Logger {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	var w io.Writer = to
	if c.Format == "console" {
		w = zerolog.ConsoleWriter{Out: to, NoColor: !term.IsTerminal(int(to.Fd())), TimeFormat: time.TimeOnly}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}
