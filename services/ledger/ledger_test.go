package ledger_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"platen/batch"
	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/software"
	"platen/hsm/vault"
	"platen/services/ledger"
	"platen/sql/store"
	"platen/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

var noon = time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)

// site is a ledger with two institutions.
type site struct {
	*ledger.Service
	t            *testing.T
	mine, theirs store.Institution
	named        int
}

// TestLedger runs every test on one ledger of each database, with institutions of its own.
func TestLedger(t *testing.T) {
	for name, address := range map[string]func(testing.TB) string{
		"SQLite":     func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "platen.db") },
		"PostgreSQL": testbed.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			whole := newSite(t, address(t))
			for _, c := range []struct {
				name string
				test func(*testing.T, *site)
			}{
				{"MoneyGoesFromOutsideThroughWalletAndPoolToCardsAndBack", circulates},
				{"WhatCannotBePostedIsRefusedAndLeavesNothing", refuses},
				{"AReferenceIsCarriedOutOnceAndNeverForAnythingElse", repeats},
				{"MoneyMovedAtRandomIsNeverLostMadeOrOverdrawn", movesAtRandom},
			} {
				t.Run(c.name, func(t *testing.T) {
					s := &site{t: t, Service: whole.Service}
					s.mine, s.theirs = s.institution("mine-"+c.name), s.institution("theirs-"+c.name)
					c.test(t, s)
					s.sound()
				})
			}
		})
	}
}

func newSite(t *testing.T, address string) *site {
	t.Helper()
	db, err := store.Open(t.Context(), address)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	must(t, db.Migrate(t.Context()))
	entropy := hsm.SeededEntropy("ledger tests")
	kbpk, err := keystore.CreateKBPK(filepath.Join(t.TempDir(), "kbpk"), entropy)
	must(t, err)
	keys, err := keystore.Create(filepath.Join(t.TempDir(), "keys.json"), kbpk, keystore.Test)
	must(t, err)
	must(t, keys.Generate("token", keyblock.Data, keyblock.AES, entropy))
	module, err := software.New(keys, entropy, software.Options{})
	must(t, err)
	high, err := batch.OpenLedger(filepath.Join(t.TempDir(), "ledger"))
	must(t, err)
	t.Cleanup(func() { must(t, high.Close()) })
	plant, err := batch.New(batch.Plant{Store: db, Module: module, Vault: vault.New(keys), Entropy: entropy, Ledger: high, Now: func() time.Time { return noon }, Spool: t.TempDir(),
		ResolveKey: func(string) (card.Secret, error) { return card.Secret{}, errors.New("no key") }, PINStorage: "token", TokenKey: "token", SecretsKey: "token", Stamp: "TEST", Log: zerolog.Nop()})
	must(t, err)
	return &site{t: t, Service: &ledger.Service{Plant: plant}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) institution(code string) store.Institution {
	s.t.Helper()
	var i store.Institution
	must(s.t, s.Plant.Store.InTx(s.t.Context(), func(tx *store.Tx) (err error) {
		i, err = tx.PutInstitution(s.t.Context(), store.Institution{ID: uuid.New(), Code: code, Name: "Bank", Timezone: "UTC"})
		return err
	}))
	return i
}

// act is an operation of a reference; without one it gets one that was not used.
func (s *site) act(i store.Institution, reference ...string) ledger.Act {
	s.named++
	a := ledger.Act{Institution: i, Actor: "test", Reference: fmt.Sprintf("OP-%d", s.named)}
	if len(reference) > 0 {
		a.Reference = reference[0]
	}
	return a
}

func (s *site) open(i store.Institution, kind card.AccountKind, currency string) uuid.UUID {
	s.t.Helper()
	a, _, err := s.Open(s.t.Context(), s.act(i), ledger.NewAccount{Kind: kind, Currency: currency})
	must(s.t, err)
	return a.ID
}

// wallet is a wallet that holds an amount.
func (s *site) wallet(amount string) uuid.UUID {
	s.t.Helper()
	id := s.open(s.mine, card.Wallet, "EUR")
	s.succeeds(s.Fund(s.t.Context(), s.act(s.mine), id, ledger.Sum{Amount: amount}))
	return id
}

// product declares a product; terms of nothing make it no card type.
func (s *site) product(i store.Institution, code string, terms card.Prepaid) int64 {
	s.t.Helper()
	body, err := json.Marshal(card.Product{Code: code, Technology: card.Virtual, Currency: "978", PIN: card.PINPolicy{Method: card.NoPIN}, Prepaid: terms})
	must(s.t, err)
	must(s.t, s.Plant.Store.InTx(s.t.Context(), func(tx *store.Tx) error {
		_, err := tx.PutProgram(s.t.Context(), i.ID, store.Program{Kind: store.ProductProgram, Code: code, Body: string(body), Checksum: code}, noon)
		return err
	}))
	all, err := s.Plant.Store.Programs(s.t.Context(), i.ID, store.ProductProgram)
	must(s.t, err)
	for _, p := range all {
		if p.Code == code {
			return p.Number
		}
	}
	s.t.Fatal("the product is not there")
	return 0
}

// cards makes cards with tokens, which were never ordered, of products in turn; without one, of a product that is no card type.
func (s *site) cards(i store.Institution, n int, products ...int64) []string {
	s.t.Helper()
	if len(products) == 0 {
		products = []int64{s.product(i, "plain", card.Prepaid{})}
	}
	var tokens []string
	must(s.t, s.Plant.Store.InTx(s.t.Context(), func(tx *store.Tx) error {
		r, err := tx.InsertRange(s.t.Context(), store.PANRange{Range: card.Range{Code: "r", Prefix: "400000", Length: 16, Size: 1000}, Institution: i.ID,
			PermutationKey: card.KeyRef{Label: "token", Version: 1}, TokenKey: card.KeyRef{Label: "token", Version: 1}})
		if err != nil {
			return err
		}
		if _, err := tx.Reserve(s.t.Context(), &r, int64(n), 0); err != nil {
			return err
		}
		for sequence := range int64(n) {
			id, err := card.NewID(r.Number, sequence)
			if err != nil {
				return err
			}
			if err := tx.InsertCards(s.t.Context(), []store.Card{{ID: id, Product: products[int(sequence)%len(products)], Order: 1, Status: card.CardInactive, NewestIssue: 1}}); err != nil {
				return err
			}
			token, err := s.Plant.Vault.Token(id, r.TokenKey)
			if err != nil {
				return err
			}
			tokens = append(tokens, token)
		}
		return nil
	}))
	return tokens
}

func (s *site) succeeds(d ledger.Done, err error) {
	s.t.Helper()
	must(s.t, err)
	if d.State != card.OperationSuccess || d.Failure != "" || d.EndedAt == nil {
		s.t.Fatalf("%s is %s %s", d.Kind, d.State, d.Failure)
	}
}

func (s *site) fails(failure string) func(ledger.Done, error) {
	return func(d ledger.Done, err error) {
		s.t.Helper()
		must(s.t, err)
		if d.State != card.OperationFail || d.Failure != failure {
			s.t.Fatalf("%s is %s %q, want %s", d.Kind, d.State, d.Failure, failure)
		}
	}
}

func (s *site) refuses(want error) func(ledger.Done, error) {
	return func(_ ledger.Done, err error) {
		s.t.Helper()
		if !errors.Is(err, want) {
			s.t.Errorf("%v, want %v", err, want)
		}
	}
}

func (s *site) holds(id uuid.UUID, want string) {
	s.t.Helper()
	a, err := s.Account(s.t.Context(), s.mine, id)
	must(s.t, err)
	if got := card.FormatMinor(a.Balance, a.Exponent); got != want {
		s.t.Errorf("the account holds %s, want %s", got, want)
	}
}

// sound holds everything that must be true of a ledger.
func (s *site) sound() {
	s.t.Helper()
	must(s.t, s.Plant.Store.Snapshot(s.t.Context(), func(q store.Q) error {
		for _, i := range store.Invariants() {
			breaches, err := q.Breaches(s.t.Context(), i)
			if err != nil {
				return err
			}
			for _, b := range breaches {
				if b.Object == "account" || b.Object == "operation" {
					s.t.Errorf("%s: %+v", i.Name, b)
				}
			}
		}
		return nil
	}))
}

func circulates(t *testing.T, s *site) {
	ctx, sum := t.Context(), func(amount string) ledger.Sum { return ledger.Sum{Amount: amount, Currency: "EUR"} }
	wallet, pool, cards := s.wallet("1000"), s.open(s.mine, card.Margin, "978"), s.cards(s.mine, 3, s.product(s.mine, "plain", card.Prepaid{}), s.product(s.mine, "team", card.Prepaid{Mode: card.SharedMoney, Category: card.Purchase, Retained: "1"}),
		s.product(s.mine, "own", card.Prepaid{Mode: card.OwnMoney, Category: card.Purchase, Retained: "2", FeeRate: 150, FeeFixed: "0.05"}))
	s.succeeds(s.Transfer(ctx, s.act(s.mine), wallet, pool, sum("600")))
	for n, source := range []uuid.UUID{pool, pool, wallet} {
		_, _, err := s.OpenCard(ctx, s.act(s.mine), ledger.NewCardAccount{Card: cards[n], Source: source})
		must(t, err)
	}
	if _, _, err := s.OpenCard(ctx, s.act(s.mine), ledger.NewCardAccount{Card: cards[0], Source: wallet}); !errors.Is(err, ledger.ErrTaken) {
		t.Errorf("a second account of a card: %v", err)
	}

	s.succeeds(s.Deposit(ctx, s.act(s.mine), cards[0], sum("400")))
	s.fails(ledger.FailureFunds)(s.Deposit(ctx, s.act(s.mine), cards[1], sum("200.01")))
	s.succeeds(s.Deposit(ctx, s.act(s.mine), cards[1], sum("200")))
	s.succeeds(s.Deposit(ctx, s.act(s.mine), cards[2], sum("10.01"))) // 1.5 percent, rounded up, and 5 cents
	s.holds(pool, "0.00")
	s.holds(wallet, "389.99")
	if a, err := s.Account(ctx, s.mine, pool); err != nil || a.Allocated != 60_000 {
		t.Errorf("the pool's cards hold %d, %v", a.Allocated, err)
	}

	s.succeeds(s.Withdraw(ctx, s.act(s.mine), cards[0], sum("400")))
	s.fails(ledger.FailureRetained)(s.Withdraw(ctx, s.act(s.mine), cards[1], sum("199.01")))
	s.succeeds(s.Withdraw(ctx, s.act(s.mine), cards[1], sum("199")))
	s.fails(ledger.FailureFunds)(s.Withdraw(ctx, s.act(s.mine), cards[2], sum("9.81")))
	s.succeeds(s.Withdraw(ctx, s.act(s.mine), cards[2], sum("7.80")))
	s.holds(pool, "599.00")
	s.succeeds(s.Transfer(ctx, s.act(s.mine), pool, wallet, sum("599")))
	s.succeeds(s.PayOut(ctx, s.act(s.mine), wallet, sum("996.79")))
	s.fails(ledger.FailureFunds)(s.PayOut(ctx, s.act(s.mine), wallet, sum("0.01")))
	s.holds(wallet, "0.00")

	found, err := s.Plant.Store.LedgerAccount(ctx, s.mine.ID, wallet)
	must(t, err)
	entries, err := s.Plant.Store.LedgerEntries(ctx, s.mine.ID, found.Number, 0, 3)
	must(t, err)
	if len(entries) != 3 || entries[0].FromBalance != 0 || entries[1].ToBalance != 99_679 || entries[2].ToBalance != 39_779 {
		t.Errorf("the wallet's newest entries: %+v", entries)
	}
	if all, err := s.Accounts(ctx, s.mine, 0, 100); err != nil || len(all) != 7 || all[1].Kind != card.Outside || all[1].Balance != -321 {
		t.Errorf("accounts %+v, %v", all, err)
	}
}

func refuses(t *testing.T, s *site) {
	ctx := t.Context()
	wallet, pool, dollars, theirs := s.wallet("100"), s.open(s.mine, card.Margin, "EUR"), s.open(s.mine, card.Wallet, "USD"), s.open(s.theirs, card.Wallet, "EUR")
	cards := s.cards(s.mine, 2)
	_, _, err := s.OpenCard(ctx, s.act(s.mine), ledger.NewCardAccount{Card: cards[0], Source: wallet})
	must(t, err)
	s.succeeds(s.Deposit(ctx, s.act(s.mine), cards[0], ledger.Sum{Amount: "50"}))
	cardAccount, err := s.CardAccount(ctx, s.mine, cards[0])
	must(t, err)
	before, err := s.Plant.Store.Operations(ctx, s.mine.ID, 0, 100)
	must(t, err)

	five := ledger.Sum{Amount: "5"}
	for amount, want := range map[string]error{"-5": card.ErrAmount, "0": card.ErrAmount, "": card.ErrAmount, "1e2": card.ErrAmount, "5.001": card.ErrPrecision, "99999999999999": card.ErrAmountLarge} {
		s.refuses(want)(s.Fund(ctx, s.act(s.mine), wallet, ledger.Sum{Amount: amount}))
		s.refuses(want)(s.Withdraw(ctx, s.act(s.mine), cards[0], ledger.Sum{Amount: amount}))
	}
	s.refuses(ledger.ErrCurrency)(s.Fund(ctx, s.act(s.mine), wallet, ledger.Sum{Amount: "5", Currency: "USD"}))
	s.refuses(ledger.ErrCurrency)(s.Transfer(ctx, s.act(s.mine), wallet, dollars, five))
	s.refuses(card.ErrCurrency)(s.Fund(ctx, s.act(s.mine), wallet, ledger.Sum{Amount: "5", Currency: "EURO"}))
	s.refuses(ledger.ErrSame)(s.Transfer(ctx, s.act(s.mine), wallet, wallet, five))
	s.refuses(ledger.ErrKind)(s.Fund(ctx, s.act(s.mine), pool, five))
	s.refuses(ledger.ErrKind)(s.PayOut(ctx, s.act(s.mine), cardAccount.ID, five))
	s.refuses(ledger.ErrKind)(s.Transfer(ctx, s.act(s.mine), wallet, cardAccount.ID, five))
	s.refuses(ledger.ErrRemark)(s.Fund(ctx, s.act(s.mine), wallet, ledger.Sum{Amount: "5", Remark: "für"}))
	for _, reference := range []string{"", "A B", "Ä", string(make([]byte, 66)), fmt.Sprintf("%066d", 1)} {
		s.refuses(ledger.ErrName)(s.Fund(ctx, s.act(s.mine, reference), wallet, five))
	}
	// What belongs to another institution is answered like what does not exist.
	for _, id := range []uuid.UUID{theirs, uuid.New()} {
		s.refuses(store.ErrNotFound)(s.Fund(ctx, s.act(s.mine), id, five))
		s.refuses(store.ErrNotFound)(s.Transfer(ctx, s.act(s.mine), wallet, id, five))
		s.refuses(store.ErrNotFound)(s.Transfer(ctx, s.act(s.mine), id, wallet, five))
		if _, err := s.Account(ctx, s.mine, id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an account is shown: %v", err)
		}
	}
	all, err := s.Accounts(ctx, s.mine, 0, 100)
	must(t, err)
	for _, a := range all {
		if a.Kind.House() {
			s.refuses(store.ErrNotFound)(s.Transfer(ctx, s.act(s.mine), a.ID, pool, five))
		}
	}
	s.refuses(store.ErrNotFound)(s.Deposit(ctx, s.act(s.theirs), cards[0], five))
	s.refuses(store.ErrNotFound)(s.Deposit(ctx, s.act(s.mine), cards[1], five))
	s.refuses(store.ErrNotFound)(s.Withdraw(ctx, s.act(s.mine), "T000000000000000000", five))

	after, err := s.Plant.Store.Operations(ctx, s.mine.ID, 0, 100)
	must(t, err)
	if len(after) != len(before) {
		t.Errorf("%d operations became %d", len(before), len(after))
	}
	s.holds(wallet, "50.00")
}

func repeats(t *testing.T, s *site) {
	ctx := t.Context()
	wallet, pool := s.wallet("100"), s.open(s.mine, card.Margin, "EUR")
	var all sync.WaitGroup
	var fresh, replays atomic.Int64
	for range 32 {
		a := s.act(s.mine, "ONCE")
		all.Go(func() {
			d, err := s.Transfer(ctx, a, wallet, pool, ledger.Sum{Amount: "60"})
			switch {
			case err != nil || d.State != card.OperationSuccess:
				t.Errorf("%+v, %v", d, err)
			case d.Replay:
				replays.Add(1)
			default:
				fresh.Add(1)
			}
		})
	}
	all.Wait()
	if fresh.Load() != 1 || replays.Load() != 31 {
		t.Errorf("%d were carried out and %d repeated", fresh.Load(), replays.Load())
	}
	s.holds(wallet, "40.00")
	for _, sum := range []ledger.Sum{{Amount: "60.01"}, {Amount: "60", Remark: "x"}} {
		s.refuses(ledger.ErrReference)(s.Transfer(ctx, s.act(s.mine, "ONCE"), wallet, pool, sum))
	}
	s.refuses(ledger.ErrReference)(s.Transfer(ctx, s.act(s.mine, "ONCE"), pool, wallet, ledger.Sum{Amount: "60"}))
	s.refuses(ledger.ErrReference)(s.PayOut(ctx, s.act(s.mine, "ONCE"), wallet, ledger.Sum{Amount: "60"}))
	s.succeeds(s.Transfer(ctx, s.act(s.mine, "ONCE"), wallet, pool, ledger.Sum{Amount: "60.00", Currency: "978"}))

	// What failed stays failed, whatever the account holds later.
	for range 2 {
		s.fails(ledger.FailureFunds)(s.PayOut(ctx, s.act(s.mine, "TOO-MUCH"), wallet, ledger.Sum{Amount: "50"}))
		s.succeeds(s.Fund(ctx, s.act(s.mine, "LATE"), wallet, ledger.Sum{Amount: "1000"}))
	}
	// Another institution has references of its own.
	other := s.open(s.theirs, card.Wallet, "EUR")
	s.succeeds(s.Fund(ctx, s.act(s.theirs, "ONCE"), other, ledger.Sum{Amount: "7"}))

	account := func() uuid.UUID {
		a, _, err := s.Open(ctx, s.act(s.mine, "ACCOUNT"), ledger.NewAccount{Kind: card.Wallet, Currency: "EUR", Name: "second"})
		must(t, err)
		return a.ID
	}
	if first, second := account(), account(); first != second {
		t.Error("one reference opened two accounts")
	}
	o, err := s.Operation(ctx, s.mine, "ONCE")
	must(t, err)
	events, err := s.Plant.Store.Events(ctx, s.mine.ID, "operation", o.Number)
	must(t, err)
	if len(events) != 1 || events[0].Kind != "SUCCESS" {
		t.Errorf("events %+v", events)
	}
}
