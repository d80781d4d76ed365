package faults_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"platen/batch"
	"platen/card"
	"platen/hsm"
	"platen/hsm/keystore"
	"platen/hsm/software"
	"platen/hsm/vault"
	"platen/jobs"
	"platen/sql/store"
)

// worker is Platen in this process, for faults that come by the thousand: the same plant as the program's, on the database of the present case.
type worker struct {
	*press
	plant *batch.Plant
	inst  store.Institution
}

// hire wires a worker by hand, as cmd/platen does. It lives until quit.
func (p *press) hire(seed string) *worker {
	p.t.Helper()
	kbpk, err := keystore.LoadKBPK("file:" + filepath.Join(p.dir, "keys", "kbpk.hex"))
	must(p.t, err)
	keys, err := keystore.Open(filepath.Join(p.dir, "keys", "keystore.json"), kbpk)
	must(p.t, err)
	module, err := software.New(keys, hsm.SeededEntropy(seed), software.Options{})
	must(p.t, err)
	ledger, err := batch.OpenLedger(filepath.Join(p.dir, "ledger"))
	must(p.t, err)
	resolve := func(name string) (card.Secret, error) {
		body, err := os.ReadFile(filepath.Join(p.dir, name))
		return card.NewSecret(body), err
	}
	now := func() time.Time { return time.Date(2027, time.January, 4, 20, 30, 0, 0, time.UTC) }
	w := &worker{press: p}
	w.plant, err = batch.New(batch.Plant{Store: p.store(), Module: module, Vault: vault.New(keys), Entropy: hsm.SeededEntropy(seed), Ledger: ledger, Now: now,
		Spool: filepath.Join(p.dir, "spool"), ResolveKey: resolve, PINStorage: "pin-storage", TokenKey: "token", SecretsKey: "secrets", Stamp: "TEST-SEEDED", Log: zerolog.Nop()})
	must(p.t, err)
	all, err := w.plant.Store.Institutions(p.t.Context())
	must(p.t, err)
	w.inst = all[0]
	return w
}

func (w *worker) quit() {
	w.t.Helper()
	must(w.t, errors.Join(w.plant.Ledger.Close(), w.plant.Store.Close()))
}

// once does what is due.
func (w *worker) once() error {
	_, err := jobs.Once(w.t.Context(), w.plant, false)
	return err
}

// window opens a window of the nightly cycle and plans it.
func (w *worker) window(slot string) error {
	b, _, err := w.plant.RunNow(w.t.Context(), w.inst, "nightly", slot, "rehearsal")
	if err != nil {
		return err
	}
	return w.plant.Plan(w.t.Context(), b.Number)
}

// submit takes a mass order of stripe cards in.
func (p *press) submit(t testing.TB, reference, quantity string) {
	t.Helper()
	path := filepath.Join(p.dir, "orders", reference+".csv")
	put(t, path, []byte("product,quantity\nprepaid-mag,"+quantity+"\n"))
	p.well("order", "submit", path, "--reference", reference)
}
