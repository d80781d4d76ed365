package jobs_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/formats"
	"platen/services/ledger"
	"platen/sql/store"
	"platen/testbed"
)

// tamperings are edits that somebody with rights on the database could make, or a defect of ours, each with the invariant that must show it.
var tamperings = []struct{ invariant, edit string }{
	{"file.slices", `UPDATE file_slices SET quantity = quantity + 1 WHERE file_number = 1 AND first_line = 1`},
	{"file.lines", `UPDATE issues SET line = line + 900 WHERE file_number = 1 AND line = 1`},
	{"file.purpose", `UPDATE files SET purpose = 3 - purpose WHERE number = 1`},
	{"file.sealed", `UPDATE files SET sealed = sealed - 1 WHERE number = 1`},
	{"file.counters", `UPDATE files SET produced = produced - 1 WHERE number = 1`},
	{"file.balanced", `UPDATE files SET ack_read = ack_read - 1 WHERE number = 1`},
	{"file.events", `DELETE FROM events WHERE object_kind = 'file' AND object_number = 1 AND kind = 'BALANCED'`},
	{"file.sequences", `UPDATE files SET sequence = sequence + 50 WHERE number = 1`},
	{"batch.state", `UPDATE batches SET state = 3 WHERE number = 1`},
	{"delivery.evidence", `DELETE FROM delivery_attempts WHERE file_number = 1`},
	{"delivery.once", `INSERT INTO delivery_attempts SELECT file_number, attempt + 1, epoch, state, copy, final_name, temp_name, ciphertext_sha256, ciphertext_bytes, code, detail, started_at, finished_at
		FROM delivery_attempts WHERE file_number = 1`},
	{"delivery.open", `UPDATE delivery_attempts SET state = 'RENAMING' WHERE file_number = 1`},
	{"delivery.doubt", `UPDATE files SET state = 7 WHERE number = 1`},
	{"delivery.bytes", `UPDATE files SET ciphertext_sha256 = plaintext_sha256 WHERE number = 1`},
	{"delivery.acknowledged", `DELETE FROM return_lines WHERE file_number = 1 AND file_line IS NULL`},
	{"card.issues", `UPDATE cards SET newest_issue = newest_issue + 1`},
	{"card.numbers", `DELETE FROM pan_reservations`},
	{"card.planned", `UPDATE file_slices SET first_sequence = first_sequence + 1 WHERE kind = 1`},
	{"card.remade", `UPDATE issues SET state = 5 WHERE state = 11`},
	{"card.waiting", `UPDATE issues SET state = 1 WHERE file_number = 1 AND line = 1`},
	{"card.use", `UPDATE issues SET use_state = 2`},
	{"card.replaced", `UPDATE cards SET replaced_by = id WHERE id = (SELECT min(id) FROM cards)`},
	{"card.closing", `INSERT INTO scheduled_closings SELECT (SELECT max(id) + 900000 FROM cards), id, '2099-01-01', 1, 'test', 'test' FROM institutions`},
	{"line.evidence", `DELETE FROM return_lines WHERE file_number = 1 AND file_line = 1`},
	{"order.requested", `UPDATE orders SET requested = requested + 1`},
	{"order.lines", `UPDATE order_lines SET product_number = -1 WHERE unit = 1`},
	{"order.lines", `UPDATE order_lines SET order_number = order_number + 500`},
	{"order.pin_held", `UPDATE order_lines SET state = 1, pin_held_at = '2026-01-01' WHERE unit = 1`},
	{"order.planned", `UPDATE file_slices SET quantity = quantity - 1 WHERE kind = 1 AND quantity > 1`},
	{"order.answered", `DELETE FROM events WHERE object_kind = 'order' AND kind = 'accepted'`},
	{"return.lines", `DELETE FROM return_lines WHERE return_number = 1`},
	{"return.lines", `UPDATE return_lines SET return_number = return_number + 500`},
	{"return.bytes", `DELETE FROM return_chunks WHERE return_number = 1`},
	{"return.duplicates", `UPDATE return_files SET sha256 = (SELECT sha256 FROM return_files WHERE number = 1) WHERE bureau_number = (SELECT bureau_number FROM return_files WHERE number = 1)`},
	{"return.events", `DELETE FROM events WHERE object_kind = 'return'`},
	{"ledger.zero", `UPDATE ledger_accounts SET balance = balance + 5 WHERE kind = 1`},
	{"ledger.balances", `UPDATE ledger_entries SET amount = amount + 5`},
	{"ledger.balances", `UPDATE ledger_entries SET to_balance = to_balance + 5`},
	{"ledger.overdrawn", `UPDATE ledger_entries SET from_balance = -1`},
	{"ledger.posted", `UPDATE operations SET amount = amount + 5 WHERE kind = 4`},
	{"ledger.posted", `UPDATE operations SET state = 4, failure = 'insufficient_funds' WHERE kind = 4`},
	{"ledger.ahead", `UPDATE pan_ranges SET next_sequence = next_sequence + 7`},
	{"ledger.held", `UPDATE pan_ranges SET held = 'restored' WHERE number = 1`},
}

func TestCheckFindsNothingInASoundPressAndEveryTampering(t *testing.T) {
	onDatabases(t, func(t *testing.T, address string) {
		s := newSite(t, address, bureau.Dice{Seed: "check", RejectPermille: 100, SpoilPermille: 200})
		s.submit("BULK", formats.BulkOrder, people(30)...)
		s.submit("MASS", formats.MassOrder, formats.Row{Product: "prepaid-mag", Quantity: "20"})
		if found := s.checkAll(); len(found) > 0 {
			t.Fatalf("before the night: %+v", found)
		}
		s.night("one")
		s.night("two")
		s.moveMoney()
		if found := s.checkAll(); len(found) > 0 {
			t.Fatalf("after the nights: %+v", found)
		}
		s.must(s.store.Close())                     // what somebody is connected to cannot be copied
		all := map[string]bool{"spool.bytes": true} // has a test of its own
		for _, tampering := range tamperings {
			all[tampering.invariant] = true
			s.tamper(address, tampering.invariant, tampering.edit)
		}
		for _, i := range store.Invariants() {
			if !all[i.Name] {
				t.Errorf("no tampering proves that %s can fail", i.Name)
			}
		}
	})
}

// moveMoney leaves money in a wallet, a pool and outside.
func (s *site) moveMoney() {
	s.t.Helper()
	money, ctx := ledger.Service{Plant: s.plant}, s.t.Context()
	act := func(reference string) ledger.Act {
		return ledger.Act{Institution: s.inst, Actor: "test", Reference: reference}
	}
	wallet, _, err := money.Open(ctx, act("WALLET"), ledger.NewAccount{Kind: card.Wallet, Currency: "EUR"})
	s.must(err)
	pool, _, err := money.Open(ctx, act("POOL"), ledger.NewAccount{Kind: card.Margin, Currency: "EUR"})
	s.must(err)
	_, err = money.Fund(ctx, act("FUND"), wallet.ID, ledger.Sum{Amount: "100"})
	s.must(err)
	_, err = money.Transfer(ctx, act("TRANSFER"), wallet.ID, pool.ID, ledger.Sum{Amount: "40"})
	s.must(err)
}

func (s *site) checkAll() []batch.Finding {
	s.t.Helper()
	checked, err := s.plant.Check(s.t.Context())
	s.must(err)
	return checked.Findings
}

// tamper edits a copy of the database and expects to be found out.
func (s *site) tamper(address, invariant, edit string) {
	s.t.Helper()
	copied, err := store.Open(s.t.Context(), copyOf(s.t, address))
	s.must(err)
	defer func() { s.must(copied.Close()) }()
	if _, err := copied.DB().ExecContext(s.t.Context(), edit); err != nil {
		s.t.Fatalf("%s: %v", invariant, err)
	}
	plant := *s.plant
	plant.Store = copied
	checked, err := plant.Check(s.t.Context())
	s.must(err)
	if !slices.ContainsFunc(checked.Findings, func(f batch.Finding) bool { return f.Invariant == invariant && f.Do != "" }) {
		s.t.Errorf("%s: %q is not found out: %+v", invariant, edit, checked.Findings)
	}
}

// copyOf copies a database that nobody is connected to.
func copyOf(t testing.TB, address string) string {
	t.Helper()
	path, ok := strings.CutPrefix(address, "sqlite:")
	if !ok {
		return testbed.PostgresCopy(t, address)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

func TestCheckFindsOtherBytesInTheSpool(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.submit("MASS", formats.MassOrder, mass(10))
		b, _, err := s.plant.RunNow(t.Context(), s.inst, "nightly", "one", "test")
		s.must(err)
		s.must(s.plant.Plan(t.Context(), b.Number))
		for s.cardFile("south").State < card.FileSealed {
			s.buildOnly()
		}
		if found := s.checkAll(); len(found) > 0 {
			t.Fatalf("a sealed file: %+v", found)
		}
		path := filepath.Join(s.dir, "spool", s.cardFile("south").Spool)
		body, err := os.ReadFile(path)
		s.must(err)
		body[len(body)/2] ^= 1
		s.must(os.WriteFile(path, body, 0o600))
		if found := s.checkAll(); len(found) != 1 || found[0].Invariant != "spool.bytes" {
			t.Errorf("a flipped bit: %+v", found)
		}
		s.settle()
		if got := s.atBureau("south", s.cardFile("south").Name); len(got) == 0 || s.cardFile("south").State != card.FileBalanced {
			t.Error("the file did not go out as it was sealed")
		}
	})
}
