package batch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"platen/card"
	"platen/sql/store"
)

// Checked is what a check of everything found.
type Checked struct {
	Invariants []Proof
	Findings   []Finding
}

// Proof is one thing that was looked at.
type Proof struct {
	Name string // stable
	Says string // what must hold
}

// Finding is something that does not hold, without card data. Number is the object's; a card's is its identity and is left to Token.
type Finding struct {
	Invariant string
	Object    string
	Number    int64
	Token     string // of a card
	Detail    string
	Do        string // what to do about it
}

var (
	ledgerBehind = Proof{"ledger.ahead", "The ledger knows every number that the database has given."}
	ledgerAhead  = Proof{"ledger.held", "No range is held because the ledger knows numbers that the database does not."}
	spoolBytes   = Proof{"spool.bytes", "What the spool of this machine holds of a file is what is recorded of it."}
)

// Check proves from the database, the ledger and this machine's spool that every card is somewhere, once: the database as it is at one moment, whatever is
// written meanwhile. It changes nothing.
func (p *Plant) Check(ctx context.Context) (Checked, error) {
	var c Checked
	if err := p.Store.Snapshot(ctx, func(q store.Q) error { return p.checkRows(ctx, q, &c) }); err != nil {
		return c, err
	}
	for _, check := range []func(context.Context, *Checked) error{p.checkLedgerMarks, p.checkSpool} {
		if err := check(ctx, &c); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (p *Plant) checkRows(ctx context.Context, q store.Q, c *Checked) error {
	for _, i := range store.Invariants() {
		c.Invariants = append(c.Invariants, Proof{i.Name, i.Says})
		breaches, err := q.Breaches(ctx, i)
		if err != nil {
			return err
		}
		for _, b := range breaches {
			f := Finding{Invariant: i.Name, Object: b.Object, Number: b.Number, Detail: b.Detail, Do: remedy(i.Name)}
			if b.Object == "card" {
				f.Number = 0
				if f.Token, err = p.Token(ctx, card.ID(b.Number)); err != nil {
					return err
				}
			}
			c.Findings = append(c.Findings, f)
		}
	}
	return nil
}

// remedy is what to do about a breach. The machine never repairs one: it does not know which of two things that disagree is true.
func remedy(invariant string) string {
	switch area, _, _ := strings.Cut(invariant, "."); area {
	case "delivery":
		return "compare `platen file show` with what lies at the bureau, and ask it what it has; if the file is in doubt, settle it with `platen file resolve`"
	case "return":
		return "read the file as it came with `platen return show`, and compare it with what the bureau says that it sent"
	}
	return "stop the workers, keep a copy of database, ledger and logs, and report it: either Platen is wrong or somebody has changed the database"
}

// checkLedgerMarks compares every range with the ledger, both ways.
func (p *Plant) checkLedgerMarks(ctx context.Context, c *Checked) error {
	c.Invariants = append(c.Invariants, ledgerBehind, ledgerAhead)
	ranges, err := p.Store.Ranges(ctx)
	if err != nil {
		return err
	}
	marks, err := p.Ledger.marks() // after the ranges: an intent is written before its number is committed
	if err != nil {
		return err
	}
	for _, r := range ranges {
		if r.Imported {
			continue
		}
		if m := marks[ledgerName(r.Range)]; m.intended < r.Next {
			c.Findings = append(c.Findings, Finding{Invariant: ledgerBehind.Name, Object: "range", Number: int64(r.Number),
				Detail: fmt.Sprintf("range %s has given %d numbers, the ledger knows of %d", r.Code, r.Next, m.intended),
				Do:     "find the directory that `ledger` named before, and bring its files back beside the present ones: without them a restored backup would give numbers again"})
		}
		if r.Held != "" {
			c.Findings = append(c.Findings, Finding{Invariant: ledgerAhead.Name, Object: "range", Number: int64(r.Number), Detail: fmt.Sprintf("range %s is held: %s", r.Code, r.Held),
				Do: "if the database was restored on purpose, run `platen range advance " + r.Code + "`"})
		}
	}
	return nil
}

// checkSpool reads again what is spooled here of files that have not left. Another machine's spool is its own.
func (p *Plant) checkSpool(ctx context.Context, c *Checked) error {
	c.Invariants = append(c.Invariants, spoolBytes)
	institutions, err := p.Store.Institutions(ctx)
	if err != nil {
		return err
	}
	for _, i := range institutions {
		files, err := p.Store.FilesAtWork(ctx, i.ID)
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := p.checkSpooled(f, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Plant) checkSpooled(f store.File, c *Checked) error {
	if f.Spool == "" || f.State < card.FileSealed || f.CiphertextBytes == nil {
		return nil
	}
	path := filepath.Join(p.Spool, f.Spool)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil // it is made again when it is needed
	}
	ok, err := spoolHolds(p.Spool, f.Spool, *f.CiphertextBytes, f.CiphertextSHA)
	if err == nil && !ok {
		c.Findings = append(c.Findings, Finding{Invariant: spoolBytes.Name, Object: "file", Number: f.Number, Detail: "the spool holds other bytes than were sealed",
			Do: "remove " + path + ": the file is rendered again and proved before it is sent"})
	}
	return err
}
