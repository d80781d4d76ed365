package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"platen/card"
)

// ErrExhausted says that a PAN range has too few numbers left.
var ErrExhausted = errors.New("PAN range has too few numbers left")

// ErrRangeHeld says that a range may not mint until an operator advances it.
var ErrRangeHeld = errors.New("PAN range is held")

// PANRange is a PAN range with its counter. Its keys name their version and never change.
type PANRange struct {
	card.Range
	Institution    uuid.UUID
	Next           int64
	PermutationKey card.KeyRef
	TokenKey       card.KeyRef
	Held           string
	Imported       bool // its numbers are an institution's own, which are told one by one: none is drawn. Its counter stands at its end
}

// Left is how many numbers the range can still give.
func (r PANRange) Left() int64 { return r.Size - r.Next }

type rangeRow struct {
	Number         int32     `db:"number"`
	Institution    uuid.UUID `db:"institution_id"`
	Code           string    `db:"code"`
	Prefix         string    `db:"prefix"`
	Length         int       `db:"pan_length"`
	First          int64     `db:"first_body"`
	Size           int64     `db:"size"`
	Next           int64     `db:"next_sequence"`
	PermutationKey string    `db:"permutation_key"`
	TokenKey       string    `db:"token_key"`
	Held           string    `db:"held"`
	Imported       bool      `db:"imported"`
}

const rangeColumns = `number, institution_id, code, prefix, pan_length, first_body, size, next_sequence, permutation_key, token_key, held, imported`

func (r rangeRow) toRange() (PANRange, error) {
	permutation, err := card.ParseKeyRef(r.PermutationKey)
	if err != nil {
		return PANRange{}, fmt.Errorf("range %s: %w", r.Code, err)
	}
	token, err := card.ParseKeyRef(r.TokenKey)
	if err != nil {
		return PANRange{}, fmt.Errorf("range %s: %w", r.Code, err)
	}
	return PANRange{
		Range:       card.Range{Number: r.Number, Code: r.Code, Prefix: r.Prefix, Length: r.Length, First: r.First, Size: r.Size},
		Institution: r.Institution, Next: r.Next, PermutationKey: permutation, TokenKey: token, Held: r.Held, Imported: r.Imported,
	}, nil
}

// Ranges lists every PAN range of the installation by number: ranges of all institutions share one space of numbers.
func (q Q) Ranges(ctx context.Context) ([]PANRange, error) {
	return q.ranges(ctx, `SELECT `+rangeColumns+` FROM pan_ranges ORDER BY number`)
}

func (q Q) ranges(ctx context.Context, query string, args ...any) ([]PANRange, error) {
	var rows []rangeRow
	if err := q.list(ctx, "PAN ranges", &rows, query, args...); err != nil {
		return nil, err
	}
	all := make([]PANRange, 0, len(rows))
	for _, row := range rows {
		r, err := row.toRange()
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// InsertRange adds a range, giving it the next number. Only its caller can know that it overlaps none; it holds the lock of the counter.
func (t *Tx) InsertRange(ctx context.Context, r PANRange) (PANRange, error) {
	n, err := t.Next(ctx, "range")
	if err != nil {
		return r, err
	}
	if n > card.MaxRange {
		return r, errors.New("no range numbers are left")
	}
	r.Number = int32(n)
	if r.Imported {
		r.Next = r.Size
	}
	return r, t.exec(ctx, "store range "+r.Code, `INSERT INTO pan_ranges (number, institution_id, code, prefix, pan_length, first_body, size, next_sequence,
		permutation_key, token_key, imported) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		r.Number, r.Institution, r.Code, r.Prefix, r.Length, r.First, r.Size, r.Next, r.PermutationKey.String(), r.TokenKey.String(), r.Imported)
}

// LockRange reads a range of an institution and keeps its counter locked until commit.
func (t *Tx) LockRange(ctx context.Context, institution uuid.UUID, code string) (PANRange, error) {
	all, err := t.ranges(ctx, `SELECT `+rangeColumns+` FROM pan_ranges WHERE institution_id = $1 AND code = $2`+t.forUpdate(), institution, code)
	if err != nil {
		return PANRange{}, err
	}
	if len(all) == 0 {
		return PANRange{}, fmt.Errorf("range %s: %w", code, ErrNotFound)
	}
	return all[0], nil
}

// Reserve hands the next quantity sequences of a locked range to a file and returns the first.
func (t *Tx) Reserve(ctx context.Context, r *PANRange, quantity, file int64) (int64, error) {
	if r.Held != "" {
		return 0, fmt.Errorf("range %s: %s: %w", r.Code, r.Held, ErrRangeHeld)
	}
	if quantity > r.Left() {
		return 0, fmt.Errorf("range %s: %d asked, %d left: %w", r.Code, quantity, r.Left(), ErrExhausted)
	}
	first := r.Next
	what := "reserve from range " + r.Code
	if err := t.execOne(ctx, what, `UPDATE pan_ranges SET next_sequence = $1 WHERE number = $2 AND next_sequence = $3`,
		first+quantity, r.Number, first); err != nil {
		return 0, err
	}
	r.Next = first + quantity
	return first, t.exec(ctx, what, `INSERT INTO pan_reservations (range_number, first_sequence, quantity, file_number) VALUES ($1, $2, $3, $4)`,
		r.Number, first, quantity, file)
}

// ReserveOwn takes one sequence of an imported range for a card that is made when it is ordered. ErrConflict: it was taken before.
func (t *Tx) ReserveOwn(ctx context.Context, r PANRange, sequence int64) error {
	return t.exec(ctx, "reserve from range "+r.Code, `INSERT INTO pan_reservations (range_number, first_sequence, quantity, file_number) VALUES ($1, $2, 1, 0)`, r.Number, sequence)
}

// Advance moves a range's counter forward to next, never back, and sets or clears the reason why it is held.
func (t *Tx) Advance(ctx context.Context, rangeNumber int32, next int64, held string) error {
	return t.execOne(ctx, "advance range", `UPDATE pan_ranges SET next_sequence = CASE WHEN next_sequence < $1 THEN $1 ELSE next_sequence END, held = $2
		WHERE number = $3`, next, held, rangeNumber)
}

// LockRanges lists every range of the installation and keeps others from adding one until commit.
func (t *Tx) LockRanges(ctx context.Context) ([]PANRange, error) {
	if err := t.exec(ctx, "lock the ranges", `INSERT INTO counters (name, value) VALUES ('range', 0) ON CONFLICT (name) DO UPDATE SET value = counters.value`); err != nil {
		return nil, err
	}
	return t.Ranges(ctx)
}

// RangeUse sums how many numbers of each range were handed out to files made since a time.
func (q Q) RangeUse(ctx context.Context, since time.Time) (map[int32]int64, error) {
	var rows []struct {
		Range int32 `db:"range_number"`
		Used  int64 `db:"used"`
	}
	err := q.list(ctx, "range use", &rows, `SELECT r.range_number, CAST(sum(r.quantity) AS BIGINT) AS used FROM pan_reservations r
		JOIN files f ON f.number = r.file_number WHERE f.created_at >= $1 GROUP BY r.range_number`, stored(since))
	used := make(map[int32]int64, len(rows))
	for _, r := range rows {
		used[r.Range] = r.Used
	}
	return used, err
}
