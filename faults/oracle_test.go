package faults_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"platen/batch"
	"platen/bureau"
	"platen/card"
	"platen/delivery"
	"platen/formats"
)

// harm is a kind of violation, a column of the matrix.
type harm uint8

const (
	lost  harm = iota // a card that was accepted is nowhere, or has no fate
	twice             // a card was issued twice
	half              // a bureau saw a file that was not whole
	again             // the machine sent a file a second time
	other             // a breach of the program's own check, books that do not balance, a command that fails
	harms
)

// violation is something that must never be.
type violation struct {
	harm harm
	text string
}

type violations []violation

func (v *violations) add(h harm, format string, args ...any) {
	*v = append(*v, violation{h, fmt.Sprintf(format, args...)})
}

// journal is what an issuer remembers of its orders: how many cards each asked for.
type journal map[string]int64

// prove compares the journal, the database and what the bureaus took, after everything has come to rest.
func (p *press) prove(j journal, did bureau.Counts) violations {
	p.t.Helper()
	var v violations
	if did.Refused > 0 {
		v.add(half, "the bureaus refused %d files", did.Refused)
	}
	if did.Repeated > 0 {
		v.add(again, "the bureaus got %d files again", did.Repeated)
	}
	if did.Unhandled > 0 {
		v.add(other, "the bureaus failed at %d files", did.Unhandled)
	}
	if o := p.run("", "check"); o.code != 0 {
		v.add(other, "platen check: exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	p.proveOrders(j, &v)
	p.proveCards(&v)
	return v
}

// proveOrders holds the journal against the orders.
func (p *press) proveOrders(j journal, v *violations) {
	s := p.store()
	defer func() { must(p.t, s.Close()) }()
	for reference, cards := range j {
		var requested, fates int64
		err := s.DB().QueryRowContext(p.t.Context(), `SELECT requested FROM orders WHERE reference = $1`, reference).Scan(&requested)
		if err != nil {
			v.add(lost, "order %s: %v", reference, err)
			continue
		}
		// A card's fate is that of its newest issue of the order.
		err = s.DB().QueryRowContext(p.t.Context(), `SELECT count(*) FROM issues i JOIN orders o ON o.number = i.order_number
			WHERE o.reference = $1 AND i.state IN (5, 6, 7, 8, 9, 10) AND NOT EXISTS (SELECT 1 FROM issues l WHERE l.card_id = i.card_id AND l.issue > i.issue AND l.order_number = i.order_number)`,
			reference).Scan(&fates)
		must(p.t, err)
		if requested != cards || fates != cards {
			v.add(lost, "order %s asked for %d cards, is for %d, and %d have a fate", reference, cards, requested, fates)
		}
	}
}

// booked is one issue that stands in a file.
type booked struct{ card, reason int64 }

// proveCards opens every file that the bureaus took, with their keys, and holds each record against the issues.
func (p *press) proveCards(v *violations) {
	p.t.Helper()
	issues := p.issues()
	cardOf, numberOf, issued := map[string]int64{}, map[int64]string{}, map[string]bool{}
	for code, opener := range p.openers {
		for _, record := range p.taken(code, opener, v) {
			is, ok := issues[record.uid]
			if !ok {
				v.add(twice, "record %s is in no book, or came twice", record.uid)
				continue
			}
			delete(issues, record.uid)
			if known, ok := cardOf[record.pan]; ok && known != is.card {
				v.add(twice, "two cards have one number: record %s", record.uid)
			}
			if known, ok := numberOf[is.card]; ok && known != record.pan {
				v.add(twice, "a card has two numbers: record %s", record.uid)
			}
			cardOf[record.pan], numberOf[is.card] = is.card, record.pan
			if is.reason == int64(card.New) {
				if issued[record.pan] {
					v.add(twice, "a number is new twice: record %s", record.uid)
				}
				issued[record.pan] = true
			}
		}
		p.proveInput(code, v)
	}
	for uid := range issues {
		v.add(lost, "record %s is booked and no bureau has it", uid)
	}
}

// proveInput expects that nothing is left lying in a bureau's input, finished or not.
func (p *press) proveInput(code string, v *violations) {
	entries, err := os.ReadDir(filepath.Join(p.dir, "bureaus", code, "root", "in"))
	must(p.t, err)
	for _, e := range entries {
		if delivery.Unfinished(e.Name()) {
			v.add(half, "%s still lies in the input of %s", e.Name(), code)
		} else {
			v.add(other, "%s was not taken by %s", e.Name(), code)
		}
	}
}

func (p *press) issues() map[string]booked {
	p.t.Helper()
	s := p.store()
	defer func() { must(p.t, s.Close()) }()
	rows, err := s.DB().QueryContext(p.t.Context(), `SELECT i.file_number, i.line, i.card_id, i.reason FROM issues i JOIN files f ON f.number = i.file_number WHERE f.state <> 14`)
	must(p.t, err)
	defer func() { must(p.t, rows.Close()) }()
	all := map[string]booked{}
	for rows.Next() {
		var file, line int64
		var is booked
		must(p.t, rows.Scan(&file, &line, &is.card, &is.reason))
		all[batch.RecordUID(file, line)] = is
	}
	must(p.t, rows.Err())
	return all
}

// printed is what one record of a card file says.
type printed struct{ uid, pan string }

// taken reads the card records of everything that a bureau took. A file that came a second time lies beside the first under a name with a number.
func (p *press) taken(code string, opener *delivery.Opener, v *violations) []printed {
	p.t.Helper()
	dir := filepath.Join(p.dir, "bureaus", code, "root", "done")
	entries, err := os.ReadDir(dir)
	must(p.t, err)
	var all []printed
	for _, e := range entries {
		if tail := e.Name()[strings.LastIndexByte(e.Name(), '.')+1:]; strings.Trim(tail, "0123456789") == "" {
			v.add(again, "%s has %s", code, e.Name())
			continue
		}
		body, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(p.t, err)
		plain, err := opener.Open(bytes.NewReader(body))
		if err == nil {
			body, err = io.ReadAll(plain)
		}
		if err != nil {
			v.add(half, "%s at %s: %v", e.Name(), code, err)
			continue
		}
		records, err := p.records(body)
		if err != nil {
			v.add(half, "%s at %s: %v", e.Name(), code, err)
		}
		all = append(all, records...)
	}
	return all
}

// records reads a file in the layout that it is whole in. A file of PIN mailers has no card records.
func (p *press) records(plain []byte) ([]printed, error) {
	var why []error
	for _, l := range p.set.Layouts {
		if l.Kind() != formats.CardFile && l.Kind() != formats.PINMailer {
			continue
		}
		records, err := readAll(l, plain)
		if err == nil {
			return records, nil
		}
		why = append(why, err)
	}
	return nil, errors.Join(why...)
}

func readAll(l *formats.Layout, plain []byte) ([]printed, error) {
	var all []printed
	r := l.NewReader(bytes.NewReader(plain))
	for {
		section, rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if section == formats.Detail && l.Kind() == formats.CardFile {
			all = append(all, printed{string(rec.Get(formats.RecordUID)), string(rec.Get(formats.CardPAN))})
		}
	}
}

// TestEveryHarmIsSeen does each harm by hand to a press that is at rest.
func TestEveryHarmIsSeen(t *testing.T) {
	p := newPress(t, nil, "harm")
	r := record(p)
	rest := memory(t)
	p.save(rest)
	done := filepath.Join(p.dir, "bureaus", "south", "root", "done")
	first := func() string {
		all, err := filepath.Glob(filepath.Join(done, "*_cards_*"))
		must(t, err)
		return all[0]
	}
	for name, test := range map[string]struct {
		harm harm
		do   func()
		did  bureau.Counts
	}{
		"a delivered file is gone": {lost, func() { must(t, os.Remove(first())) }, bureau.Counts{}},
		"an order is gone":         {lost, func() { p.change(`UPDATE orders SET reference = 'other' WHERE reference = 'MASS'`) }, bureau.Counts{}},
		"a card has no fate":       {lost, func() { p.change(`UPDATE issues SET state = 4 WHERE file_number = 8 AND line = 1`) }, bureau.Counts{}},
		"a record is in no book": {twice, func() {
			p.change(`UPDATE issues SET file_number = NULL, line = NULL WHERE file_number = 1 AND line = 1`)
		}, bureau.Counts{}},
		"two cards have one number":         {twice, func() { p.change(`UPDATE issues SET card_id = card_id + 900 WHERE reason = 12`) }, bureau.Counts{}},
		"a remake counts as new":            {twice, func() { p.change(`UPDATE issues SET reason = 1 WHERE reason = 12`) }, bureau.Counts{}},
		"a file lies there cut":             {half, func() { must(t, os.Truncate(first(), 300)) }, bureau.Counts{}},
		"a file was refused":                {half, func() {}, bureau.Counts{Refused: 1}},
		"a file came again":                 {again, func() { must(t, os.WriteFile(first()+".2", nil, 0o600)) }, bureau.Counts{}},
		"a bureau says that one came again": {again, func() {}, bureau.Counts{Repeated: 1}},
		"a count is changed":                {other, func() { p.change(`UPDATE files SET produced = produced - 1 WHERE produced > 0`) }, bureau.Counts{}},
		"something lies in the input":       {other, func() { put(t, filepath.Join(done, "..", "in", "stray.csv"), nil) }, bureau.Counts{}},
	} {
		t.Run(name, func(t *testing.T) {
			p.load(rest)
			if v := p.prove(r.journal, bureau.Counts{}); len(v) > 0 {
				t.Fatalf("at rest: %v", v)
			}
			test.do()
			v := p.prove(r.journal, test.did)
			if !slices.ContainsFunc(v, func(x violation) bool { return x.harm == test.harm }) {
				t.Errorf("it is not seen: %v", v)
			}
		})
	}
}

// change edits the database from outside.
func (p *press) change(statement string) {
	p.t.Helper()
	s := p.store()
	_, err := s.DB().ExecContext(p.t.Context(), statement)
	must(p.t, errors.Join(err, s.Close()))
}
