package main_test

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"platen/batch"
	"platen/card"
	"platen/delivery"
	"platen/formats"
	"platen/programs"
	"platen/sql/store"
)

// taken is a file that a bureau took, opened with the bureau's own key and read to its end.
type taken struct {
	name    string
	bureau  string
	kind    formats.Kind
	layout  string
	sha256  string // of the plaintext
	plain   []byte
	records []printed
}

// printed is what one record says of a card, or a mailer of a PIN.
type printed struct {
	uid, token, pan, psn, expiry string
	tracks                       []string
	account                      string // what the PIN block is bound to
	pinBlock                     []byte
	codes                        []string // the printed ones: CVV2, or those of American Express
}

// takenFiles opens everything that the bureaus of dir took. A file that is not whole, not ours or not in a layout fails the test: the reader proves
// order, count and hash total against the trailer.
func takenFiles(t *testing.T, dir string) []taken {
	t.Helper()
	set, err := programs.LoadDir(filepath.Join(dir, "programs"))
	must(t, err)
	var all []taken
	for _, b := range set.Bureaus {
		side := filepath.Join(dir, "bureaus", b.Code)
		opener, err := delivery.NewOpener(read(t, filepath.Join(side, "pgp.asc")), read(t, filepath.Join(dir, "keys", "platen-pgp.pub.asc")))
		must(t, err)
		entries, err := os.ReadDir(filepath.Join(side, "root", "done"))
		must(t, err)
		for _, e := range entries {
			all = append(all, open(t, opener, set.Layouts, b.Code, filepath.Join(side, "root", "done", e.Name())))
		}
	}
	return all
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	body, err := os.ReadFile(path)
	must(t, err)
	return body
}

func open(t *testing.T, opener *delivery.Opener, layouts []*formats.Layout, bureau, path string) taken {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer func() { must(t, f.Close()) }()
	r, err := opener.Open(f)
	must(t, err)
	plain, err := io.ReadAll(r) // to the end: that proves the sender
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	sum := sha256.Sum256(plain)
	out := taken{name: filepath.Base(path), bureau: bureau, sha256: hex.EncodeToString(sum[:]), plain: plain}
	var why []error
	for _, l := range layouts {
		if l.Kind() != formats.CardFile && l.Kind() != formats.PINMailer {
			continue
		}
		records, err := parse(l, plain)
		if err == nil {
			out.kind, out.layout, out.records = l.Kind(), l.Name(), records
			return out
		}
		why = append(why, err)
	}
	t.Fatalf("%s is whole in no layout: %v", path, errors.Join(why...))
	return out
}

func parse(l *formats.Layout, plain []byte) ([]printed, error) {
	var all []printed
	r := l.NewReader(strings.NewReader(string(plain)))
	for {
		section, rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if section != formats.Detail {
			continue
		}
		text := func(f formats.Field) string { return string(rec.Get(f)) }
		p := printed{uid: text(formats.RecordUID), token: text(formats.CardToken), pan: text(formats.CardPAN), psn: text(formats.CardPSN), expiry: text(formats.CardExpiry),
			account: text(formats.CardPAN), pinBlock: slices.Clone(rec.Get(formats.CardPINBlock))}
		if l.Kind() == formats.PINMailer {
			p.account, p.pinBlock = text(formats.MailerReference), slices.Clone(rec.Get(formats.MailerPINBlock))
		}
		for _, f := range []formats.Field{formats.CardTrack1, formats.CardTrack2, formats.CardChipTrack2} {
			if rec.Has(f) {
				p.tracks = append(p.tracks, text(f))
			}
		}
		for _, f := range []formats.Field{formats.CardCVV2, formats.CardCSC5, formats.CardCSC4, formats.CardCSC3} {
			if rec.Has(f) {
				p.codes = append(p.codes, text(f))
			}
		}
		all = append(all, p)
	}
}

// cardRecords are the records of all card files.
func cardRecords(files []taken) []printed {
	var all []printed
	for _, f := range files {
		if f.kind == formats.CardFile {
			all = append(all, f.records...)
		}
	}
	return all
}

// database opens the database that a directory's configuration names, from outside.
func database(t *testing.T, dir string) *store.Store {
	t.Helper()
	address := "sqlite:" + filepath.Join(dir, "platen.db")
	for line := range strings.Lines(string(read(t, filepath.Join(dir, "platen.yaml")))) {
		if named, ok := strings.CutPrefix(line, "database: postgres"); ok {
			address = "postgres" + strings.TrimSpace(named)
		}
	}
	s, err := store.Open(t.Context(), address)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// proveTaken compares what the bureaus took with what the books say: every sent file arrived once, whole, under its name and with its bytes; every
// record is one issue of the books; and a number that was printed again was a remake or a reissue of the same card.
func proveTaken(t *testing.T, dir string, r demoResult) []taken {
	t.Helper()
	files := takenFiles(t, dir)
	arrived := map[string]string{}
	for _, f := range files {
		if _, twice := arrived[f.name]; twice {
			t.Errorf("%s was taken by two bureaus", f.name)
		}
		arrived[f.name] = f.sha256
	}
	if diff := cmp.Diff(r.hashes(), arrived); diff != "" {
		t.Errorf("files of the books (-) and of the bureaus (+):\n%s", diff)
	}
	for _, f := range r.Files {
		i := slices.IndexFunc(files, func(x taken) bool { return x.name == f.Name })
		if i >= 0 && int64(len(files[i].records)) != f.Lines {
			t.Errorf("%s has %d records, the books say %d", f.Name, len(files[i].records), f.Lines)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "bureaus", "*", "root", "in", "*"))
	must(t, err)
	hidden, err := filepath.Glob(filepath.Join(dir, "bureaus", "*", "root", "in", ".*"))
	must(t, err)
	if left = append(left, hidden...); len(left) > 0 {
		t.Errorf("the bureaus' input still holds %q", left)
	}
	proveIssues(t, dir, cardRecords(files), r.Cards)
	return files
}

// issue is one row of the books: a card that was printed, or printed again.
type issue struct {
	card, number int64
	reason       int64
}

func proveIssues(t *testing.T, dir string, records []printed, cards int64) {
	t.Helper()
	booked := issues(t, dir)
	if len(booked) != len(records) {
		t.Errorf("the bureaus took %d cards, the books have %d issues in files", len(records), len(booked))
	}
	cardOf, panOf, issued := map[string]int64{}, map[int64]string{}, map[string]int64{}
	for _, p := range records {
		i, ok := booked[p.uid]
		if !ok {
			t.Errorf("record %s is in no book, or twice at the bureaus", p.uid)
			continue
		}
		delete(booked, p.uid)
		if known, ok := cardOf[p.pan]; ok && known != i.card {
			t.Errorf("the cards %d and %d have one number", known, i.card)
		}
		if known, ok := panOf[i.card]; ok && known != p.pan {
			t.Errorf("card %d has two numbers", i.card)
		}
		cardOf[p.pan], panOf[i.card] = i.card, p.pan
		if i.reason == int64(card.New) {
			if first, twice := issued[p.pan]; twice {
				t.Errorf("the number of card %d is new twice, in issues %d and %d", i.card, first, i.number)
			}
			issued[p.pan] = i.number
		}
	}
	if int64(len(cardOf)) != cards {
		t.Errorf("the bureaus know %d card numbers, the database %d cards", len(cardOf), cards)
	}
}

// issues are all issues that stand in a file, by the identifier of their record.
func issues(t *testing.T, dir string) map[string]issue {
	t.Helper()
	rows, err := database(t, dir).DB().QueryContext(t.Context(), `SELECT file_number, line, card_id, issue, reason FROM issues WHERE file_number IS NOT NULL`)
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	all := map[string]issue{}
	for rows.Next() {
		var file, line int64
		var i issue
		must(t, rows.Scan(&file, &line, &i.card, &i.number, &i.reason))
		all[batch.RecordUID(file, line)] = i
	}
	must(t, rows.Err())
	return all
}

// openSQLite opens a database file by itself.
func openSQLite(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", store.SQLiteDSN(path))
	must(t, err)
	return db
}
