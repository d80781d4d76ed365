package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// Purpose says what a file is for.
type Purpose uint8

// The purposes.
const (
	CardPurpose Purpose = iota + 1
	MailerPurpose
)

// String names a purpose as it stands in files.
func (p Purpose) String() string {
	if p == MailerPurpose {
		return "PIN_MAILER"
	}
	return "CARD"
}

// File is one personalization or PIN-mailer file with all that its bytes depend on, pinned by version.
type File struct {
	Number          int64          `db:"number"`
	ID              uuid.UUID      `db:"id"`
	Institution     uuid.UUID      `db:"institution_id"`
	Batch           int64          `db:"batch_number"`
	Purpose         Purpose        `db:"purpose"`
	Bureau          int64          `db:"bureau_number"`
	BureauVersion   int            `db:"bureau_version"`
	BureauCode      string         `db:"bureau_code"`
	Product         int64          `db:"product_number"`
	ProductVersion  int            `db:"product_version"`
	Layout          int64          `db:"layout_number"`
	LayoutVersion   int            `db:"layout_version"`
	Branch          string         `db:"branch"` // of every line, where the layout parts files by it; so are the next two
	Delivery        string         `db:"delivery"`
	Country         string         `db:"country"`
	Keys            string         `db:"keys"` // JSON: what each key is, by version and check value
	Sequence        int64          `db:"sequence"`
	Name            string         `db:"name"`
	Stamp           string         `db:"stamp"`
	BusinessDate    string         `db:"business_date"`
	FileTime        string         `db:"file_time"`
	State           card.FileState `db:"state"`
	Reason          string         `db:"reason"` // why it waits, or what went wrong last
	Epoch           int64          `db:"epoch"`
	LeaseUntil      int64          `db:"lease_until"` // microseconds of database time
	RetryAfter      int64          `db:"retry_after"`
	Failures        int            `db:"failures"`
	Planned         int64          `db:"planned"`
	Minted          int64          `db:"minted"`
	SameDay         bool           `db:"same_day"`
	Frozen          bool           `db:"frozen"`   // rendering has begun: its lines are what they are
	Held            int            `db:"held"`     // paused orders with lines in it
	Worker          string         `db:"worker"`   // the process whose claim is in force; empty until it begins
	Rendered        int64          `db:"rendered"` // lines, as far as the process has told
	Sealed          *int64         `db:"sealed"`
	PlaintextSHA    []byte         `db:"plaintext_sha256"`
	PlaintextBytes  *int64         `db:"plaintext_bytes"`
	CiphertextSHA   []byte         `db:"ciphertext_sha256"`
	CiphertextBytes *int64         `db:"ciphertext_bytes"`
	Spool           string         `db:"spool"`
	AckRead         *int64         `db:"ack_read"`
	AckOK           *int64         `db:"ack_ok"`
	AckBad          *int64         `db:"ack_bad"`
	Produced        int64          `db:"produced"`
	Rejected        int64          `db:"rejected"`
	Spoiled         int64          `db:"spoiled"`
	CreatedAt       time.Time      `db:"created_at"`
	SealedAt        *time.Time     `db:"sealed_at"`
	SentAt          *time.Time     `db:"sent_at"`
	AcknowledgedAt  *time.Time     `db:"acknowledged_at"`
	BalancedAt      *time.Time     `db:"balanced_at"`
	Overdue         string         `db:"overdue"` // the answer that its bureau owes beyond its time; a flag, not a state
	OverdueSince    *time.Time     `db:"overdue_since"`
	PurgedAt        *time.Time     `db:"purged_at"` // when PINs, personal data and spool of it were gone
}

// InClear tells whether the bureau gets the file unencrypted.
func (f *File) InClear() bool {
	return f.PlaintextSHA != nil && bytes.Equal(f.PlaintextSHA, f.CiphertextSHA)
}

const fileColumns = `number, id, institution_id, batch_number, purpose, bureau_number, bureau_version, bureau_code, product_number, product_version,
	layout_number, layout_version, branch, delivery, country, keys, sequence, name, stamp, business_date, file_time, state, reason, epoch, lease_until, retry_after, failures, planned, minted, same_day, frozen, held, worker, rendered,
	sealed, plaintext_sha256, plaintext_bytes, ciphertext_sha256, ciphertext_bytes, spool, ack_read, ack_ok, ack_bad, produced, rejected, spoiled,
	created_at, sealed_at, sent_at, acknowledged_at, balanced_at, overdue, overdue_since, purged_at`

// SliceKind says how a slice's issues come to be.
type SliceKind uint8

// The kinds of slices.
const (
	NewSlice     SliceKind = iota + 1 // insert card and issue
	ReissueSlice                      // insert the next issue of an existing card
	AttachSlice                       // the issue exists and was given its line in the plan
	MailerSlice                       // PIN mailers for lines of a card file
	InstantSlice                      // the card was made when it was ordered, and was given its line in the plan
)

// Slice is a run of a file's lines with one source: units of an order, or for mailers lines of a card file.
type Slice struct {
	File          int64     `db:"file_number"`
	FirstLine     int64     `db:"first_line"`
	Kind          SliceKind `db:"kind"`
	Source        int64     `db:"source"`
	FirstUnit     int64     `db:"first_unit"`
	Quantity      int64     `db:"quantity"`
	Range         int32     `db:"range_number"`
	FirstSequence int64     `db:"first_sequence"`
	MailerDue     string    `db:"mailer_due"` // of a card file: business date on which its PIN mailers are planned; empty = they are, or there are none
}

const sliceColumns = `file_number, first_line, kind, source, first_unit, quantity, range_number, first_sequence, mailer_due`

// FileCounter counts the numbers that files carry as their references.
const FileCounter = "file"

// SequenceCounter counts the files of one bureau.
func SequenceCounter(bureau int64) string { return fmt.Sprintf("file sequence of bureau %d", bureau) }

// InsertFile stores a planned file.
func (t *Tx) InsertFile(ctx context.Context, f File) error {
	return t.exec(ctx, "store file", `INSERT INTO files (number, id, institution_id, batch_number, purpose, bureau_number, bureau_version, bureau_code,
		product_number, product_version, layout_number, layout_version, branch, delivery, country, keys, sequence, name, stamp, business_date, file_time,
		state, planned, same_day, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)`,
		f.Number, f.ID, f.Institution, f.Batch, int64(f.Purpose), f.Bureau, f.BureauVersion, f.BureauCode, f.Product, f.ProductVersion, f.Layout, f.LayoutVersion,
		f.Branch, f.Delivery, f.Country, f.Keys, f.Sequence, f.Name, f.Stamp, f.BusinessDate, f.FileTime, int64(card.FilePlanned), f.Planned, f.SameDay, stored(f.CreatedAt))
}

// InsertSlices stores a file's slices.
func (t *Tx) InsertSlices(ctx context.Context, slices []Slice) error {
	b := t.bulk("file_slices", []string{"file_number", "first_line", "kind", "source", "first_unit", "quantity", "range_number", "first_sequence", "mailer_due"}, len(slices))
	for i := range slices {
		s := &slices[i]
		for _, v := range [...]int64{s.File, s.FirstLine, int64(s.Kind), s.Source, s.FirstUnit, s.Quantity, int64(s.Range), s.FirstSequence} {
			b.int(v)
		}
		b.string(s.MailerDue)
		b.endRow()
	}
	return t.Insert(ctx, b)
}

// DueMailers are slices of an institution's card files whose PIN mailers are due on a business date, with the product of each.
func (q Q) DueMailers(ctx context.Context, institution uuid.UUID, date string) ([]DueMailer, error) {
	var all []DueMailer
	err := q.list(ctx, "PIN mailers that are due", &all, `SELECT f.product_number, `+prefixed("s.", sliceColumns)+` FROM file_slices s JOIN files f ON f.number = s.file_number
		WHERE f.institution_id = $1 AND s.mailer_due <> '' AND s.mailer_due <= $2 ORDER BY s.file_number, s.first_line`, institution, date)
	return all, err
}

// DueMailer is a slice of a card file whose PIN mailers are due.
type DueMailer struct {
	Product int64 `db:"product_number"`
	Slice
}

// MailersPlanned records that the PIN mailers of a slice of a card file are planned.
func (t *Tx) MailersPlanned(ctx context.Context, s Slice) error {
	return t.execOne(ctx, "plan PIN mailers that are due", `UPDATE file_slices SET mailer_due = '' WHERE file_number = $1 AND first_line = $2 AND mailer_due = $3`,
		s.File, s.FirstLine, s.MailerDue)
}

// FileByNumber reads a file by the number that its lines carry.
func (q Q) FileByNumber(ctx context.Context, number int64) (File, error) {
	var f File
	err := q.get(ctx, fmt.Sprintf("file %d", number), &f, `SELECT `+fileColumns+` FROM files WHERE number = $1`, number)
	return f, err
}

// File finds a file by its public id.
func (q Q) File(ctx context.Context, institution, id uuid.UUID) (File, error) {
	var f File
	err := q.get(ctx, "file "+id.String(), &f, `SELECT `+fileColumns+` FROM files WHERE institution_id = $1 AND id = $2`, institution, id)
	return f, err
}

// LockFile reads a file and keeps it locked until commit.
func (t *Tx) LockFile(ctx context.Context, number int64) (File, error) {
	var f File
	err := t.get(ctx, fmt.Sprintf("lock file %d", number), &f, `SELECT `+fileColumns+` FROM files WHERE number = $1`+t.forUpdate(), number)
	return f, err
}

// Files pages through an institution's files, newest first.
func (q Q) Files(ctx context.Context, institution uuid.UUID, before int64, limit int) ([]File, error) {
	var all []File
	err := q.list(ctx, "files", &all, `SELECT `+fileColumns+` FROM files WHERE institution_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3`,
		institution, below(before), limit)
	return all, err
}

// FilesOfBatch lists a batch's files by number.
func (q Q) FilesOfBatch(ctx context.Context, batch int64) ([]File, error) {
	var all []File
	err := q.list(ctx, "files of a batch", &all, `SELECT `+fileColumns+` FROM files WHERE batch_number = $1 ORDER BY number`, batch)
	return all, err
}

// Slices lists a file's slices by line.
func (q Q) Slices(ctx context.Context, file int64) ([]Slice, error) {
	var all []Slice
	err := q.list(ctx, "slices", &all, `SELECT `+sliceColumns+` FROM file_slices WHERE file_number = $1 ORDER BY first_line`, file)
	return all, err
}

// SliceOf finds the slice that makes a card of an order's unit.
func (q Q) SliceOf(ctx context.Context, order, unit int64) (Slice, error) {
	var s Slice
	err := q.get(ctx, "slice of a unit", &s, `SELECT `+sliceColumns+` FROM file_slices WHERE source = $1 AND kind IN ($3, $4, $5)
		AND first_unit <= $2 AND first_unit + quantity > $2 ORDER BY first_unit DESC LIMIT 1`, order, unit, NewSlice, ReissueSlice, InstantSlice)
	return s, err
}

// Due is a file that some worker should take: its epoch was raised, so that whoever held it before is fenced.
type Due struct {
	Number int64          `db:"number"`
	Epoch  int64          `db:"epoch"`
	State  card.FileState `db:"state"`
}

// ClaimStale raises the epoch of every file in a state that nobody holds: its lease has run out, its retry time has come, and no paused order has lines in it.
// The lease that it sets gives the chosen worker that long to begin. Within a state files come by number, so that one that waits for another's cards comes behind it.
func (t *Tx) ClaimStale(ctx context.Context, leaseSeconds int, states ...card.FileState) ([]Due, error) {
	var all []Due
	for _, s := range states {
		var some []Due
		err := t.list(ctx, "claim stale files", &some, `UPDATE files SET epoch = epoch + 1, worker = '', lease_until = `+t.clock()+` + $1
			WHERE state = $2 AND held = 0 AND lease_until <= `+t.clock()+` AND retry_after <= `+t.clock()+` RETURNING number, epoch, state`,
			int64(leaseSeconds)*1_000_000, s)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(some, func(a, b Due) int { return cmp.Compare(a.Number, b.Number) })
		all = append(all, some...)
	}
	return all, nil
}

// HoldFile proves that (number, epoch) is still the claim in force, and renews its lease.
func (t *Tx) HoldFile(ctx context.Context, number, epoch int64, leaseSeconds int) error {
	return t.execClaimed(ctx, fmt.Sprintf("hold file %d", number), `UPDATE files SET lease_until = `+t.clock()+` + $1 WHERE number = $2 AND epoch = $3`,
		int64(leaseSeconds)*1_000_000, number, epoch)
}

// HoldFile is the claim's renewal in a transaction of its own.
func (s *Store) HoldFile(ctx context.Context, number, epoch int64, leaseSeconds int) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.HoldFile(ctx, number, epoch, leaseSeconds) })
}

// AdvanceMint moves a file's mint cursor under its epoch.
func (t *Tx) AdvanceMint(ctx context.Context, number, epoch, from, to int64) error {
	return t.execClaimed(ctx, fmt.Sprintf("advance the mint of file %d", number), `UPDATE files SET minted = $1 WHERE number = $2 AND epoch = $3 AND minted = $4 AND state = $5`,
		to, number, epoch, from, card.FileBuilding)
}

// MoveFile changes a file's state under its epoch, checked against its transition table, and releases nothing else.
func (t *Tx) MoveFile(ctx context.Context, f *File, next card.FileState, reason string) error {
	if err := f.State.To(next); err != nil {
		return fmt.Errorf("file %d: %w", f.Number, err)
	}
	if err := t.execClaimed(ctx, fmt.Sprintf("move file %d", f.Number), `UPDATE files SET state = $1, reason = $2, overdue = '', overdue_since = NULL
		WHERE number = $3 AND epoch = $4 AND state = $5`,
		next, reason, f.Number, f.Epoch, f.State); err != nil {
		return err
	}
	f.State, f.Reason, f.Overdue, f.OverdueSince = next, reason, "", nil
	return nil
}

// LetGo ends a claim: the file may be taken again after a pause. failed counts it as one more failure in a row. An empty reason leaves the one that the
// file's last move gave.
func (t *Tx) LetGo(ctx context.Context, f *File, pause time.Duration, failed bool, reason string) error {
	failures := 0
	if failed {
		failures = f.Failures + 1
	}
	return t.execClaimed(ctx, fmt.Sprintf("let go of file %d", f.Number), `UPDATE files SET lease_until = 0, worker = '', retry_after = `+t.clock()+` + $1, failures = $2,
		reason = CASE WHEN $3 = '' THEN reason ELSE $3 END WHERE number = $4 AND epoch = $5`, pause.Microseconds(), failures, reason, f.Number, f.Epoch)
}

// SealFile records what sealing proved.
func (t *Tx) SealFile(ctx context.Context, f *File, now time.Time) error {
	return t.execClaimed(ctx, fmt.Sprintf("seal file %d", f.Number), `UPDATE files SET sealed = $1, plaintext_sha256 = $2, plaintext_bytes = $3, ciphertext_sha256 = $4,
		ciphertext_bytes = $5, spool = $6, sealed_at = $7 WHERE number = $8 AND epoch = $9`,
		f.Sealed, f.PlaintextSHA, f.PlaintextBytes, f.CiphertextSHA, f.CiphertextBytes, f.Spool, stored(now), f.Number, f.Epoch)
}

// Respool records the new ciphertext of a sealed file whose spool was lost; its plaintext hash is unchanged.
func (t *Tx) Respool(ctx context.Context, f *File) error {
	return t.execClaimed(ctx, fmt.Sprintf("spool file %d again", f.Number), `UPDATE files SET ciphertext_sha256 = $1, ciphertext_bytes = $2, spool = $3 WHERE number = $4 AND epoch = $5`,
		f.CiphertextSHA, f.CiphertextBytes, f.Spool, f.Number, f.Epoch)
}

// StampFile sets one of a file's times: sent_at, acknowledged_at or balanced_at.
func (t *Tx) StampFile(ctx context.Context, number int64, what FileTime, now time.Time) error {
	return t.execOne(ctx, fmt.Sprintf("stamp file %d", number), `UPDATE files SET `+string(what)+` = $1 WHERE number = $2`, stored(now), number)
}

// FileTime names a time of a file.
type FileTime string

// The times that StampFile sets.
const (
	SentAt         FileTime = "sent_at"
	AcknowledgedAt FileTime = "acknowledged_at"
	BalancedAt     FileTime = "balanced_at"
)

// AckCounts records the bureau's own counts.
func (t *Tx) AckCounts(ctx context.Context, number, read, ok, bad int64) error {
	return t.execOne(ctx, fmt.Sprintf("record the ack of file %d", number), `UPDATE files SET ack_read = $1, ack_ok = $2, ack_bad = $3 WHERE number = $4`, read, ok, bad, number)
}

// CountLine moves a file's counters when a line gets or changes its outcome.
func (t *Tx) CountLine(ctx context.Context, number, produced, rejected, spoiled int64) error {
	return t.execOne(ctx, fmt.Sprintf("count a line of file %d", number), `UPDATE files SET produced = produced + $1, rejected = rejected + $2, spoiled = spoiled + $3 WHERE number = $4`,
		produced, rejected, spoiled, number)
}

// FileCounts counts files by state.
func (q Q) FileCounts(ctx context.Context) (map[card.FileState]int64, error) {
	return countByState[card.FileState](ctx, q, "files")
}

// CardSums are the cards of all card files by what is known of them.
type CardSums struct {
	Planned  int64 `db:"planned"`
	Minted   int64 `db:"minted"`
	Produced int64 `db:"produced"`
	Rejected int64 `db:"rejected"`
	Spoiled  int64 `db:"spoiled"`
}

// CardSums sums what files count; of files that were cancelled, nothing.
func (q Q) CardSums(ctx context.Context) (c CardSums, err error) {
	err = q.get(ctx, "cards in files", &c, `SELECT coalesce(sum(planned), 0) AS planned, coalesce(sum(minted), 0) AS minted, coalesce(sum(produced), 0) AS produced,
		coalesce(sum(rejected), 0) AS rejected, coalesce(sum(spoiled), 0) AS spoiled FROM files WHERE purpose = $1 AND state <> $2`, CardPurpose, card.FileCancelled)
	return c, err
}

// UnsentBefore counts a bureau's files of a lower sequence that have not left yet.
func (q Q) UnsentBefore(ctx context.Context, bureau, sequence int64) (int64, error) {
	var n int64
	err := q.get(ctx, "earlier files", &n, `SELECT count(*) FROM files WHERE bureau_number = $1 AND sequence < $2 AND state < 6`, bureau, sequence)
	return n, err
}

// UnsentOfBatch counts a batch's files that have not left yet, those in doubt among them.
func (q Q) UnsentOfBatch(ctx context.Context, batch int64) (int64, error) {
	var n int64
	err := q.get(ctx, "unsent files", &n, `SELECT count(*) FROM files WHERE batch_number = $1 AND (state < 6 OR state = 7)`, batch)
	return n, err
}

// OrdersOfFile lists the orders whose lines a card file carries.
func (q Q) OrdersOfFile(ctx context.Context, file int64) ([]int64, error) {
	var all []int64
	err := q.list(ctx, "orders of a file", &all, `SELECT DISTINCT source FROM file_slices WHERE file_number = $1 AND kind IN (1, 2, 5) ORDER BY source`, file)
	return all, err
}

// OrdersWithLinesIn lists the orders of all issues that a card file carries, remakes among them.
func (q Q) OrdersWithLinesIn(ctx context.Context, file int64) ([]int64, error) {
	var all []int64
	err := q.list(ctx, "orders of a file", &all, `SELECT DISTINCT order_number FROM issues WHERE file_number = $1 ORDER BY order_number`, file)
	return all, err
}

// Explain sets why a file stands where it is, without moving it.
func (t *Tx) Explain(ctx context.Context, number int64, reason string) error {
	return t.execOne(ctx, fmt.Sprintf("explain file %d", number), `UPDATE files SET reason = $1 WHERE number = $2`, reason, number)
}

// DueCounts counts what waits for a worker now: files to build, files to send, return files to apply.
type DueCounts struct {
	Build  int64 `db:"build"`
	Send   int64 `db:"send"`
	Return int64 `db:"ret"`
}

// Due counts work that nobody holds.
func (q Q) Due(ctx context.Context) (DueCounts, error) {
	var d DueCounts
	err := q.get(ctx, "count due work", &d, `SELECT
		(SELECT count(*) FROM files WHERE state IN (1, 2, 3) AND held = 0 AND lease_until <= `+q.clock()+`) AS build,
		(SELECT count(*) FROM files WHERE state IN (4, 5) AND lease_until <= `+q.clock()+`) AS send,
		(SELECT count(*) FROM return_files WHERE state IN (3, 4, 5) AND lease_until <= `+q.clock()+`) AS ret`)
	return d, err
}

// DropLeases ends every claim at once. Only a process that knows itself alone may call it; the next claims raise the epochs.
func (t *Tx) DropLeases(ctx context.Context) error {
	for _, table := range []string{"files", "return_files", "batches"} {
		if err := t.exec(ctx, "drop leases", `UPDATE `+table+` SET lease_until = 0 WHERE lease_until > 0`); err != nil {
			return err
		}
	}
	return t.exec(ctx, "drop leases", `UPDATE orders SET intake_lease = 0 WHERE intake_lease > 0`)
}
