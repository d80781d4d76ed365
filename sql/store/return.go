package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// ReturnFile is a file that a bureau left for us. Its four outcome counters sum to its cursor.
type ReturnFile struct {
	Number        int64            `db:"number"`
	ID            uuid.UUID        `db:"id"`
	Institution   uuid.UUID        `db:"institution_id"`
	Bureau        int64            `db:"bureau_number"`
	BureauCode    string           `db:"bureau_code"`
	Name          string           `db:"name"`
	Size          int64            `db:"size"`
	Modified      int64            `db:"modified"` // seconds, as the bureau's server says
	State         card.ReturnState `db:"state"`
	Archived      bool             `db:"archived"`
	SHA256        []byte           `db:"sha256"`
	Kind          string           `db:"kind"` // as formats.Kind says it
	Layout        int64            `db:"layout_number"`
	LayoutVersion int              `db:"layout_version"`
	Lines         int64            `db:"lines"`
	Cursor        int64            `db:"cursor_line"`
	Applied       int64            `db:"applied"`
	Duplicates    int64            `db:"duplicates"`
	Rejected      int64            `db:"rejected"`
	Quarantined   int64            `db:"quarantined"`
	Reason        string           `db:"reason"`
	Epoch         int64            `db:"epoch"`
	Settled       bool             `db:"settled"`   // a person has decided about its refused lines
	Pretended     bool             `db:"pretended"` // made here, in a sandbox; its bureau has never seen it
	CreatedAt     time.Time        `db:"created_at"`
}

// Waits tells whether something of the file needs a person.
func (r *ReturnFile) Waits() bool {
	return r.State == card.ReturnQuarantined || r.Quarantined > 0 || r.Refused()
}

// Refused tells whether lines of the file were refused, none is in quarantine, and nobody has decided about them yet.
func (r *ReturnFile) Refused() bool {
	return r.State == card.ReturnPartlyApplied && r.Quarantined == 0 && r.Rejected > 0 && !r.Settled
}

const returnColumns = `number, id, institution_id, bureau_number, bureau_code, name, size, modified, state, archived, sha256, kind, layout_number, layout_version,
	lines, cursor_line, applied, duplicates, rejected, quarantined, reason, epoch, settled, pretended, created_at`

// Outcome is what became of a return line.
type Outcome uint8

// The outcomes.
const (
	LineApplied Outcome = iota + 1
	LineDuplicate
	LineRejected
	LineQuarantined
)

// String names an outcome.
func (o Outcome) String() string {
	return [...]string{"", "APPLIED", "DUPLICATE", "REJECTED", "QUARANTINED"}[o]
}

// ReturnLine is one line of a return file and what became of it: the event of its issue.
type ReturnLine struct {
	Return       int64     `db:"return_number"`
	Line         int64     `db:"line"`
	File         *int64    `db:"file_number"`
	FileLine     *int64    `db:"file_line"`
	LastLine     *int64    `db:"last_line"` // where the line speaks of a run of a file's lines
	Shipment     string    `db:"shipment"`
	Status       string    `db:"status"`
	Outcome      Outcome   `db:"outcome"`
	Reason       string    `db:"reason"`
	BureauReason string    `db:"bureau_reason"`
	Figures      string    `db:"figures"` // what else the line says, as JSON; empty for an ack or a status
	OccurredAt   time.Time `db:"occurred_at"`
}

const returnLineColumns = `return_number, line, file_number, file_line, last_line, shipment, status, outcome, reason, bureau_reason, figures, occurred_at`

// InsertReturn stores a return file in state DETECTED.
func (t *Tx) InsertReturn(ctx context.Context, r ReturnFile) (ReturnFile, error) {
	var err error
	if r.Number, err = t.Next(ctx, "return"); err != nil {
		return r, err
	}
	r.State = card.ReturnDetected
	return r, t.exec(ctx, "store return file", `INSERT INTO return_files (number, id, institution_id, bureau_number, bureau_code, name, size, modified, state, pretended, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, r.Number, r.ID, r.Institution, r.Bureau, r.BureauCode, r.Name, r.Size, r.Modified, r.State, r.Pretended, stored(r.CreatedAt))
}

// PendingReturns lists a bureau's return files that still lie at the bureau or are not settled.
func (q Q) PendingReturns(ctx context.Context, bureau int64) ([]ReturnFile, error) {
	var all []ReturnFile
	err := q.list(ctx, "pending returns", &all, `SELECT `+returnColumns+` FROM return_files WHERE bureau_number = $1 AND archived = FALSE ORDER BY number`, bureau)
	return all, err
}

// ReturnByNumber reads a return file.
func (q Q) ReturnByNumber(ctx context.Context, number int64) (ReturnFile, error) {
	var r ReturnFile
	err := q.get(ctx, fmt.Sprintf("return file %d", number), &r, `SELECT `+returnColumns+` FROM return_files WHERE number = $1`, number)
	return r, err
}

// LockReturn reads a return file and keeps it locked until commit.
func (t *Tx) LockReturn(ctx context.Context, number int64) (ReturnFile, error) {
	var r ReturnFile
	err := t.get(ctx, fmt.Sprintf("lock return file %d", number), &r, `SELECT `+returnColumns+` FROM return_files WHERE number = $1`+t.forUpdate(), number)
	return r, err
}

// Returns pages through an institution's return files, newest first.
func (q Q) Returns(ctx context.Context, institution uuid.UUID, before int64, limit int) ([]ReturnFile, error) {
	var all []ReturnFile
	err := q.list(ctx, "return files", &all, `SELECT `+returnColumns+` FROM return_files WHERE institution_id = $1 AND number < $2
		ORDER BY number DESC LIMIT $3`, institution, below(before), limit)
	return all, err
}

// SeenReturn updates size and time of a file that is still growing.
func (t *Tx) SeenReturn(ctx context.Context, number, size, modified int64) error {
	return t.execOne(ctx, "see a return file again", `UPDATE return_files SET size = $1, modified = $2 WHERE number = $3 AND state = 1`, size, modified, number)
}

// MoveReturn changes a return file's state, checked against its transition table.
func (t *Tx) MoveReturn(ctx context.Context, r *ReturnFile, next card.ReturnState, reason string) error {
	if err := r.State.To(next); err != nil {
		return fmt.Errorf("return file %d: %w", r.Number, err)
	}
	if err := t.execClaimed(ctx, fmt.Sprintf("move return file %d", r.Number), `UPDATE return_files SET state = $1, reason = $2 WHERE number = $3 AND state = $4 AND epoch = $5`,
		next, reason, r.Number, r.State, r.Epoch); err != nil {
		return err
	}
	r.State, r.Reason = next, reason
	return nil
}

// SameReturn finds an earlier return file of the bureau with this content that has detail lines and was not itself a duplicate. Until the transaction
// ends nobody else looks for this content: of two files that are fetched at the same moment the second sees the first.
func (t *Tx) SameReturn(ctx context.Context, bureau int64, sum []byte, notNumber int64) (int64, bool, error) {
	if t.dialect == Postgres {
		if err := t.exec(ctx, "same return", `SELECT pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), $2))`, sum, bureau); err != nil {
			return 0, false, err
		}
	}
	var n []int64
	err := t.list(ctx, "same return", &n, `SELECT number FROM return_files WHERE bureau_number = $1 AND sha256 = $2 AND number <> $3
		AND state NOT IN (9, 10) AND (state < 4 OR lines > 0) ORDER BY number LIMIT 1`, bureau, sum, notNumber)
	if err != nil || len(n) == 0 {
		return 0, false, err
	}
	return n[0], true, nil
}

// ReturnChunk is a part of a return file's raw bytes.
type ReturnChunk struct {
	Bytes int    `db:"bytes"` // of the file
	Data  []byte `db:"data"`  // sealed
}

// StoreReturn keeps the raw bytes of a return file with their SHA-256.
func (t *Tx) StoreReturn(ctx context.Context, number int64, sum []byte, size int64, chunks []ReturnChunk) error {
	if err := t.exec(ctx, "clear raw bytes", `DELETE FROM return_chunks WHERE return_number = $1`, number); err != nil {
		return err
	}
	for i, c := range chunks {
		if err := t.exec(ctx, "store raw bytes", `INSERT INTO return_chunks (return_number, position, bytes, data) VALUES ($1, $2, $3, $4)`, number, i, c.Bytes, c.Data); err != nil {
			return err
		}
	}
	return t.execOne(ctx, "store raw bytes", `UPDATE return_files SET sha256 = $1, size = $2 WHERE number = $3`, sum, size, number)
}

// ReturnChunk reads one part of a return file's raw bytes, counted from 0; ok is false behind the last.
func (q Q) ReturnChunk(ctx context.Context, number int64, position int) (c ReturnChunk, ok bool, err error) {
	var some []ReturnChunk
	err = q.list(ctx, "raw bytes", &some, `SELECT bytes, data FROM return_chunks WHERE return_number = $1 AND position = $2`, number, position)
	if err != nil || len(some) == 0 {
		return c, false, err
	}
	return some[0], true, nil
}

// ParsedReturn records what parsing proved: which layout read it and how many detail lines it has.
func (t *Tx) ParsedReturn(ctx context.Context, r *ReturnFile) error {
	return t.execClaimed(ctx, "record a parsed return", `UPDATE return_files SET kind = $1, layout_number = $2, layout_version = $3, lines = $4 WHERE number = $5 AND epoch = $6`,
		r.Kind, r.Layout, r.LayoutVersion, r.Lines, r.Number, r.Epoch)
}

// AdvanceReturn moves the cursor and counters of a return file that is being applied, under its epoch.
func (t *Tx) AdvanceReturn(ctx context.Context, r *ReturnFile, from int64) error {
	return t.execClaimed(ctx, "advance a return", `UPDATE return_files SET cursor_line = $1, applied = $2, duplicates = $3, rejected = $4, quarantined = $5
		WHERE number = $6 AND epoch = $7 AND cursor_line = $8 AND state = $9`,
		r.Cursor, r.Applied, r.Duplicates, r.Rejected, r.Quarantined, r.Number, r.Epoch, from, card.ReturnApplying)
}

// InsertReturnLines stores lines of a return file with their outcomes.
func (t *Tx) InsertReturnLines(ctx context.Context, of ReturnFile, lines []ReturnLine) error {
	b := t.bulk("return_lines", strings.Split(returnLineColumns+", recorded_at", ", "), len(lines))
	for i := range lines {
		l := &lines[i]
		b.int(l.Return)
		b.int(l.Line)
		pointed(b, l.File, b.int)
		pointed(b, l.FileLine, b.int)
		pointed(b, l.LastLine, b.int)
		b.string(l.Shipment)
		b.string(l.Status)
		b.int(int64(l.Outcome))
		for _, v := range [...]string{l.Reason, l.BureauReason, l.Figures} {
			b.string(v)
		}
		b.time(l.OccurredAt)
		b.time(of.CreatedAt)
		b.endRow()
	}
	return t.Insert(ctx, b)
}

// ReturnLinesOf lists what was ever said about one line of a file, alone, in a run, or with its shipment, oldest first.
func (q Q) ReturnLinesOf(ctx context.Context, file, line int64) ([]ReturnLine, error) {
	var all []ReturnLine
	err := q.list(ctx, "return lines", &all, `SELECT `+returnLineColumns+` FROM return_lines WHERE file_number = $1 AND file_line = $2
		UNION SELECT `+returnLineColumns+` FROM return_lines WHERE file_number = $1 AND last_line IS NOT NULL AND file_line <= $2 AND last_line >= $2
		UNION SELECT `+prefixed("l.", returnLineColumns)+` FROM shipment_runs r JOIN return_lines l ON l.shipment = r.shipment AND l.file_line IS NULL
			JOIN return_files f ON f.number = l.return_number AND f.bureau_number = r.bureau_number
			WHERE r.file_number = $1 AND r.first_line <= $2 AND r.last_line >= $2
		ORDER BY return_number, line`, file, line)
	return all, err
}

// QuarantinedLines lists the lines of a return file that wait for a person, by line.
func (q Q) QuarantinedLines(ctx context.Context, number int64) ([]ReturnLine, error) {
	return q.returnLinesWith(ctx, number, LineQuarantined)
}

// RejectedLines lists the lines of a return file that were refused, by line.
func (q Q) RejectedLines(ctx context.Context, number int64) ([]ReturnLine, error) {
	return q.returnLinesWith(ctx, number, LineRejected)
}

func (q Q) returnLinesWith(ctx context.Context, number int64, outcome Outcome) ([]ReturnLine, error) {
	var all []ReturnLine
	err := q.list(ctx, "lines of a return file", &all, `SELECT `+returnLineColumns+` FROM return_lines WHERE return_number = $1 AND outcome = $2 ORDER BY line`, number, outcome)
	return all, err
}

// SettleReturnLine gives a quarantined line its outcome.
func (t *Tx) SettleReturnLine(ctx context.Context, l ReturnLine) error {
	return t.execOne(ctx, "settle a quarantined return line", `UPDATE return_lines SET outcome = $1, reason = $2, file_number = $3, file_line = $4,
		last_line = $5, shipment = $6 WHERE return_number = $7 AND line = $8 AND outcome = $9`,
		int64(l.Outcome), l.Reason, nullable(l.File), nullable(l.FileLine), nullable(l.LastLine), l.Shipment, l.Return, l.Line, LineQuarantined)
}

// RecountReturn stores the counters of a return file whose quarantined lines were settled, under its epoch.
func (t *Tx) RecountReturn(ctx context.Context, r *ReturnFile) error {
	return t.execClaimed(ctx, "recount a return", `UPDATE return_files SET applied = $1, duplicates = $2, rejected = $3, quarantined = $4
		WHERE number = $5 AND epoch = $6 AND applied + duplicates + rejected + quarantined = $7`,
		r.Applied, r.Duplicates, r.Rejected, r.Quarantined, r.Number, r.Epoch, r.Applied+r.Duplicates+r.Rejected+r.Quarantined)
}

// SettleReturn records that a person has decided about the refused lines of a return file.
func (t *Tx) SettleReturn(ctx context.Context, r *ReturnFile) error {
	r.Settled = true
	return t.execClaimed(ctx, "settle a return", `UPDATE return_files SET settled = TRUE WHERE number = $1 AND epoch = $2`, r.Number, r.Epoch)
}

// ArchivedReturn records that the bureau's copy was moved to its archive.
func (t *Tx) ArchivedReturn(ctx context.Context, number int64) error {
	return t.execOne(ctx, "record an archived return", `UPDATE return_files SET archived = TRUE WHERE number = $1`, number)
}

// ClaimReturns raises the epoch of every stored, parsed or applying return file that nobody holds.
func (t *Tx) ClaimReturns(ctx context.Context, leaseSeconds int) ([]Due, error) {
	var all []Due
	err := t.list(ctx, "claim return files", &all, `UPDATE return_files SET epoch = epoch + 1, lease_until = `+t.clock()+` + $1
		WHERE state IN (3, 4, 5) AND lease_until <= `+t.clock()+` RETURNING number, epoch, state`, int64(leaseSeconds)*1_000_000)
	return all, err
}

// TakeReturn claims a new return file for whoever stored it: its epoch is 1 from then on.
func (t *Tx) TakeReturn(ctx context.Context, number int64, leaseSeconds int) error {
	return t.execOne(ctx, "claim a return file", `UPDATE return_files SET epoch = 1, lease_until = `+t.clock()+` + $1 WHERE number = $2 AND epoch = 0`, int64(leaseSeconds)*1_000_000, number)
}

// HoldReturn proves a claim on a return file and renews its lease; seconds 0 lets go of it.
func (t *Tx) HoldReturn(ctx context.Context, number, epoch int64, leaseSeconds int) error {
	return t.execClaimed(ctx, fmt.Sprintf("hold return file %d", number), `UPDATE return_files SET lease_until = `+t.clock()+` + $1 WHERE number = $2 AND epoch = $3`,
		int64(leaseSeconds)*1_000_000, number, epoch)
}

// HoldReturn is the claim's renewal in a transaction of its own.
func (s *Store) HoldReturn(ctx context.Context, number, epoch int64, leaseSeconds int) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.HoldReturn(ctx, number, epoch, leaseSeconds) })
}

// Count adds a line's outcome to the file's counters.
func (r *ReturnFile) Count(o Outcome) {
	switch o {
	case LineApplied:
		r.Applied++
	case LineDuplicate:
		r.Duplicates++
	case LineRejected:
		r.Rejected++
	case LineQuarantined:
		r.Quarantined++
	}
}

// ReturnCounts counts return files by state.
func (q Q) ReturnCounts(ctx context.Context) (map[card.ReturnState]int64, error) {
	return countByState[card.ReturnState](ctx, q, "return_files")
}

// countByState counts the rows of a table by its state.
func countByState[S ~uint8](ctx context.Context, q Q, table string) (map[S]int64, error) {
	var rows []struct {
		State S     `db:"state"`
		N     int64 `db:"n"`
	}
	err := q.list(ctx, "count "+table, &rows, `SELECT state, count(*) AS n FROM `+table+` GROUP BY state`)
	counts := make(map[S]int64, len(rows))
	for _, r := range rows {
		counts[r.State] = r.N
	}
	return counts, err
}
