package batch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/uuid"

	"platen/card"
	"platen/fault"
	"platen/sql/store"
)

// Ledger is the high-water mark of PAN ranges outside the database: one append-only file a process, in a directory that all
// processes share. Each reservation is written as an intent, on disk before the database commits it, and as done afterwards. A database that
// was restored to an earlier day is recognised by it, so that no number is given twice.
type Ledger struct {
	mu   sync.Mutex
	dir  string
	file *os.File
}

// Reservation is a block of numbers of one range. Range names the numbers themselves, not a row of a database.
type Reservation struct {
	Range    string
	First    int64
	Quantity int64
}

const ledgerSuffix = ".ledger"

// ledgerName names a range by its numbers, so that another database with the same numbers meets the same marks.
func ledgerName(r card.Range) string {
	return fmt.Sprintf("%s-%d-%d-%d", r.Prefix, r.Length, r.First, r.Size)
}

// OpenLedger prepares a ledger in dir, which it makes if needed. Its own file is begun by the first reservation.
func OpenLedger(dir string) (*Ledger, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the high-water ledger: %w", err)
	}
	return &Ledger{dir: dir}, nil
}

// Intend writes blocks that are about to be committed, and returns when they are on disk.
func (l *Ledger) Intend(blocks []Reservation) error { return l.write("intent", blocks) }

// Done writes blocks that were committed.
func (l *Ledger) Done(blocks []Reservation) error { return l.write("done", blocks) }

func (l *Ledger) write(what string, blocks []Reservation) error {
	if len(blocks) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.begin(); err != nil {
		return err
	}
	var b strings.Builder
	for _, r := range blocks {
		fmt.Fprintf(&b, "%s %s %d %d\n", what, r.Range, r.First, r.Quantity)
	}
	fault.Point("ledger: " + what)
	_, err := l.file.WriteString(b.String())
	if err == nil {
		fault.Point("ledger: " + what + " written")
		err = l.file.Sync()
	}
	if err == nil {
		fault.Point("ledger: " + what + " synced")
		return nil
	}
	// Half a line may stand at the end now. Nothing is ever written behind it: the next reservation begins a new file.
	err = errors.Join(err, l.file.Close())
	l.file = nil
	return fmt.Errorf("write the high-water ledger: %w", err)
}

func (l *Ledger) begin() error {
	if l.file != nil {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(l.dir, uuid.NewString()+ledgerSuffix), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("begin a high-water ledger: %w", err)
	}
	l.file = f
	fault.Point("ledger: begun")
	return syncDir(l.dir)
}

// Close ends the process's own file.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// mark is how far a range was ever meant to go, and how far it certainly went.
type mark struct{ intended, done int64 }

// marks reads every process's file. A last line that was cut by a crash is not a reservation: its intent never returned.
func (l *Ledger) marks() (map[string]mark, error) {
	names, err := filepath.Glob(filepath.Join(l.dir, "*"+ledgerSuffix))
	if err != nil {
		return nil, fmt.Errorf("read the high-water ledger: %w", err)
	}
	all := make(map[string]mark)
	for _, name := range names {
		if err := readMarks(name, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func readMarks(name string, all map[string]mark) error {
	body, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the high-water ledger: %w", err)
	}
	if cut := strings.LastIndexByte(string(body), '\n'); cut >= 0 {
		body = body[:cut+1]
	} else {
		body = nil
	}
	lines := bufio.NewScanner(strings.NewReader(string(body)))
	for n := 1; lines.Scan(); n++ {
		var what string
		var r Reservation
		if _, err := fmt.Sscanf(lines.Text(), "%s %s %d %d", &what, &r.Range, &r.First, &r.Quantity); err != nil || (what != "intent" && what != "done") {
			return fmt.Errorf("high-water ledger %s line %d cannot be read: put the file right or away before anything is minted", filepath.Base(name), n)
		}
		m := all[r.Range]
		m.intended = max(m.intended, r.First+r.Quantity)
		if what == "done" {
			m.done = max(m.done, r.First+r.Quantity)
		}
		all[r.Range] = m
	}
	return lines.Err()
}

// CheckLedger compares every range with the ledger at start. A counter behind an intent skips it; a counter behind what was certainly
// committed means that the database is older than its cards, and the range is held until an operator advances it.
func (p *Plant) CheckLedger(ctx context.Context) error {
	marks, err := p.Ledger.marks()
	if err != nil {
		return err
	}
	ranges, err := p.Store.Ranges(ctx)
	if err != nil {
		return err
	}
	for _, r := range ranges {
		m := marks[ledgerName(r.Range)]
		next, held := r.Next, r.Held
		switch {
		case r.Next < m.done:
			held = fmt.Sprintf("the ledger knows numbers up to %d, the database only up to %d: it was restored from a backup; run `platen range advance %s`", m.done, r.Next, r.Code)
		case r.Next < m.intended:
			next = min(m.intended, r.Size)
		}
		if next == r.Next && held == r.Held {
			continue
		}
		if err := p.Store.InTx(ctx, func(tx *store.Tx) error { return tx.Advance(ctx, r.Number, next, held) }); err != nil {
			return err
		}
		p.Log.Warn().Str("range", r.Code).Int64("from", r.Next).Int64("to", next).Str("held", held).Msg("range counter met the ledger")
	}
	return nil
}

// AdvanceRange moves a held range past everything that the ledger knows and releases it.
func (p *Plant) AdvanceRange(ctx context.Context, institution store.Institution, code, actor string) (from, to int64, err error) {
	marks, err := p.Ledger.marks()
	if err != nil {
		return 0, 0, err
	}
	err = p.Store.InTx(ctx, func(tx *store.Tx) error {
		r, err := tx.LockRange(ctx, institution.ID, code)
		if err != nil {
			return err
		}
		from, to = r.Next, min(max(r.Next, marks[ledgerName(r.Range)].intended), r.Size)
		if err := tx.Advance(ctx, r.Number, to, ""); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "range.advance", code, map[string]any{"from": from, "to": to}, p.Now())
	})
	return from, to, err
}

// syncDir makes a new or renamed name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync a directory: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
