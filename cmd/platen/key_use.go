package main

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"platen/card"
	"platen/hsm"
	"platen/sql/store"
)

// keyUse is one class of use: what was done with which key, and whether the module did it.
type keyUse struct {
	operation string
	key       card.KeyRef
	failed    bool
}

// keyUses writes the first use of each class in this process to the audit log. The log is written beside the work, which may hold the only
// transaction that a database allows; a use that could not be written is written with the next one of its class.
type keyUses struct {
	write func(keyUse) error
	log   zerolog.Logger
	seen  atomic.Pointer[map[keyUse]bool] // never changed, only replaced: it is read for every card

	mu      sync.Mutex
	waiting []keyUse
	wake    chan struct{} // holds one signal
	stop    chan struct{}
	ended   chan struct{}
}

func (a *app) newKeyUses() *keyUses {
	u := &keyUses{log: a.log, wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}), write: a.auditUse}
	u.seen.Store(&map[keyUse]bool{})
	return u
}

func (a *app) auditUse(use keyUse) error {
	ctx := context.Background()
	result := "done"
	if use.failed {
		result = "failed"
	}
	return a.store.InTx(ctx, func(tx *store.Tx) error {
		return tx.Audit(ctx, "platen", "keys.use", use.key.String(), map[string]any{"operation": use.operation, "result": result, "process": instanceName(a.config)}, a.now())
	})
}

// note is called at every use.
func (u *keyUses) note(operation string, err error, keys ...card.KeyRef) {
	for _, key := range keys {
		use := keyUse{operation, key, err != nil}
		if (*u.seen.Load())[use] {
			continue
		}
		u.mu.Lock()
		if seen := *u.seen.Load(); !seen[use] {
			u.replace(seen, use, true)
			u.waiting = append(u.waiting, use)
		}
		u.mu.Unlock()
		select {
		case u.wake <- struct{}{}:
		default: // it will look anyhow
		}
	}
}

// replace is called with the lock held.
func (u *keyUses) replace(seen map[keyUse]bool, use keyUse, is bool) {
	next := maps.Clone(seen)
	next[use] = is
	u.seen.Store(&next)
}

// run writes until close is called.
func (u *keyUses) run() {
	defer close(u.ended)
	for {
		select {
		case <-u.wake:
			u.flush()
		case <-u.stop:
			u.flush()
			return
		}
	}
}

func (u *keyUses) flush() {
	u.mu.Lock()
	waiting := u.waiting
	u.waiting = nil
	u.mu.Unlock()
	for _, use := range waiting {
		if err := u.write(use); err != nil {
			u.log.Error().Err(err).Msg(fmt.Sprintf("the use of key %s for %s could not be recorded", use.key, use.operation))
			u.mu.Lock()
			u.replace(*u.seen.Load(), use, false)
			u.mu.Unlock()
		}
	}
}

// close writes what waits and ends run, which was begun.
func (u *keyUses) close() {
	close(u.stop)
	<-u.ended
}

// watchedVault is a vault whose uses of keys are noted.
type watchedVault struct {
	hsm.Vault
	uses *keyUses
}

// PANs implements hsm.Vault.
func (v watchedVault) PANs(r card.Range, key card.KeyRef, sequences []int64, out []card.PAN, numbers *card.PANs) error {
	err := v.Vault.PANs(r, key, sequences, out, numbers)
	v.uses.note("card_numbers", err, key)
	return err
}

// Sequence implements hsm.Vault.
func (v watchedVault) Sequence(r card.Range, key card.KeyRef, pan card.PAN) (int64, error) {
	n, err := v.Vault.Sequence(r, key, pan)
	v.uses.note("card_numbers", err, key)
	return n, err
}

// Token implements hsm.Vault.
func (v watchedVault) Token(id card.ID, key card.KeyRef) (string, error) {
	token, err := v.Vault.Token(id, key)
	v.uses.note("tokens", err, key)
	return token, err
}

// OpenToken implements hsm.Vault.
func (v watchedVault) OpenToken(token string, label card.KeyLabel) (card.ID, error) {
	id, err := v.Vault.OpenToken(token, label)
	v.uses.note("tokens", err, card.KeyRef{Label: label})
	return id, err
}

// Seal implements hsm.Vault.
func (v watchedVault) Seal(key card.KeyRef, purpose string, secret []byte) ([]byte, error) {
	sealed, err := v.Vault.Seal(key, purpose, secret)
	v.uses.note("secrets", err, key)
	return sealed, err
}

// OpenSealed implements hsm.Vault.
func (v watchedVault) OpenSealed(label card.KeyLabel, purpose string, sealed []byte) ([]byte, error) {
	secret, err := v.Vault.OpenSealed(label, purpose, sealed)
	v.uses.note("secrets", err, card.KeyRef{Label: label})
	return secret, err
}
