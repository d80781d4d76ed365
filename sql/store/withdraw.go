package store

import (
	"context"
	"fmt"

	"platen/card"
)

// LockCardFilesOf reads the card files that carry units of an order, by number, and keeps them locked until commit.
func (t *Tx) LockCardFilesOf(ctx context.Context, order int64) ([]File, error) {
	var all []File
	err := t.list(ctx, "lock the files of an order", &all, `SELECT `+fileColumns+` FROM files WHERE number IN
		(SELECT file_number FROM file_slices WHERE source = $1 AND kind IN (1, 2, 5)) ORDER BY number`+t.forUpdate(), order)
	return all, err
}

// MailerFilesOf lists the files with PIN mailers for lines of a card file, by number.
func (t *Tx) MailerFilesOf(ctx context.Context, cardFile int64) ([]int64, error) {
	var all []int64
	err := t.list(ctx, "mailer files of a card file", &all, `SELECT DISTINCT file_number FROM file_slices WHERE source = $1 AND kind = 4 ORDER BY file_number`, cardFile)
	return all, err
}

// HoldOrder sets or clears why an order is paused.
func (t *Tx) HoldOrder(ctx context.Context, o *Order, reason string) error {
	err := t.execOne(ctx, "pause order "+o.Reference, `UPDATE orders SET held = $1 WHERE institution_id = $2 AND number = $3 AND held = $4`, reason, o.Institution, o.Number, o.Held)
	if err == nil {
		o.Held = reason
	}
	return err
}

// InterruptFile takes a file from whoever works on it, which finds itself fenced with its next write, and moves by how many paused orders it is held.
func (t *Tx) InterruptFile(ctx context.Context, f *File, held int) error {
	err := t.execClaimed(ctx, fmt.Sprintf("interrupt file %d", f.Number), `UPDATE files SET epoch = epoch + 1, lease_until = 0, worker = '', held = held + $1
		WHERE number = $2 AND epoch = $3 AND frozen = FALSE`, held, f.Number, f.Epoch)
	if err == nil {
		f.Epoch++
		f.Held += held
	}
	return err
}

// TakeFile takes a file from whoever works on it, whatever its state: for an operator's answer.
func (t *Tx) TakeFile(ctx context.Context, f *File) error {
	err := t.execClaimed(ctx, fmt.Sprintf("take file %d", f.Number), `UPDATE files SET epoch = epoch + 1, lease_until = 0, worker = '' WHERE number = $1 AND epoch = $2`, f.Number, f.Epoch)
	if err == nil {
		f.Epoch++
	}
	return err
}

// Replan gives an interrupted file other slices, of so many lines, of which so many are minted.
func (t *Tx) Replan(ctx context.Context, f *File, slices []Slice, planned, minted int64) error {
	what := fmt.Sprintf("plan file %d again", f.Number)
	if err := t.exec(ctx, what, `DELETE FROM file_slices WHERE file_number = $1`, f.Number); err != nil {
		return err
	}
	if err := t.InsertSlices(ctx, slices); err != nil {
		return err
	}
	if err := t.execClaimed(ctx, what, `UPDATE files SET planned = $1, minted = $2 WHERE number = $3 AND epoch = $4 AND frozen = FALSE`, planned, minted, f.Number, f.Epoch); err != nil {
		return err
	}
	f.Planned, f.Minted = planned, minted
	return nil
}

// ShiftLines moves lines first to last of a file up by so many. Lines change their places in two steps, because no two may share one in between.
func (t *Tx) ShiftLines(ctx context.Context, f File, first, last, by int64) error {
	what := fmt.Sprintf("move up lines of file %d", f.Number)
	if err := t.exec(ctx, what, `UPDATE `+f.linesTable()+` SET line = -(line - $1) WHERE file_number = $2 AND line BETWEEN $3 AND $4`, by, f.Number, first, last); err != nil {
		return err
	}
	return t.exec(ctx, what, `UPDATE `+f.linesTable()+` SET line = -line WHERE file_number = $1 AND line < 0`, f.Number)
}

// LockNewCards locks the cards first to last, which a mint made, and tells whether nothing has happened to any of them yet: no action, no other issue.
func (t *Tx) LockNewCards(ctx context.Context, first, last card.ID) (untouched bool, err error) {
	var all []card.ID
	if err := t.list(ctx, "lock new cards", &all, `SELECT id FROM cards WHERE id BETWEEN $1 AND $2 ORDER BY id`+t.forUpdate(), first, last); err != nil {
		return false, err
	}
	var touched int64
	err = t.get(ctx, "look at new cards", &touched, `SELECT count(*) FROM cards c WHERE c.id BETWEEN $1 AND $2 AND (c.status <> $3 OR c.newest_issue <> 1
		OR EXISTS (SELECT 1 FROM order_lines l WHERE l.card_id = c.id AND l.state < 3))`, first, last, card.CardInactive)
	return touched == 0, err
}

// DropNewCards removes cards first to last with their issues. Nothing of them was ever rendered; their numbers stay reserved and are never used.
func (t *Tx) DropNewCards(ctx context.Context, first, last card.ID) error {
	if err := t.exec(ctx, "drop issues of a cancelled order", `DELETE FROM issues WHERE card_id BETWEEN $1 AND $2`, first, last); err != nil {
		return err
	}
	return t.exec(ctx, "drop cards of a cancelled order", `DELETE FROM cards WHERE id BETWEEN $1 AND $2`, first, last)
}

// OpenInstants lists the cards of an order that were made when they were ordered and that no plan has taken.
func (t *Tx) OpenInstants(ctx context.Context, order int64) ([]card.ID, error) {
	var all []card.ID
	err := t.list(ctx, "instant cards of an order", &all, `SELECT card_id FROM order_lines WHERE order_number = $1 AND state = 1 AND card_id IS NOT NULL AND reason = $2
		ORDER BY card_id`, order, card.New)
	return all, err
}

// CancelOpenLines cancels the lines of an order that no plan has taken, and tells how many cards they asked for.
func (t *Tx) CancelOpenLines(ctx context.Context, order int64) (int64, error) {
	var cards int64
	if err := t.get(ctx, "count open lines", &cards, `SELECT CAST(coalesce(sum(quantity), 0) AS BIGINT) FROM order_lines WHERE order_number = $1 AND state = 1 AND unit < $2`,
		order, int64(RemadeUnits)); err != nil {
		return 0, err
	}
	return cards, t.exec(ctx, "cancel open lines", `UPDATE order_lines SET state = 3, pin_held_at = NULL, pin = NULL WHERE order_number = $1 AND state = 1 AND unit < $2`, order, int64(RemadeUnits))
}

// CancelPlannedLines cancels the planned lines whose units lie wholly in first to last.
func (t *Tx) CancelPlannedLines(ctx context.Context, order, first, last int64) error {
	return t.exec(ctx, "cancel planned lines", `UPDATE order_lines SET state = 3, pin = NULL WHERE order_number = $1 AND unit BETWEEN $2 AND $3 AND unit + quantity - 1 <= $3 AND state = 2`,
		order, first, last)
}

// CancelWaiting cancels the issues of an order that wait for a file because a bureau spoiled the ones before, and tells how many there were.
func (t *Tx) CancelWaiting(ctx context.Context, order int64) (int64, error) {
	r, err := t.run.ExecContext(ctx, `UPDATE issues SET state = $1 WHERE file_number IS NULL AND order_number = $2 AND state <> $1`, card.IssueCancelled, order)
	if err != nil {
		return 0, clean("cancel waiting issues", err)
	}
	n, err := r.RowsAffected()
	return n, clean("cancel waiting issues", err)
}

// CancelIssue cancels one issue that waits for a file; it fails with ErrStale when it does not wait any more.
func (t *Tx) CancelIssue(ctx context.Context, id card.ID, issue int) error {
	return t.execOne(ctx, "cancel a waiting issue", `UPDATE issues SET state = $1 WHERE card_id = $2 AND issue = $3 AND file_number IS NULL AND state = $4`,
		card.IssueCancelled, id, issue, card.IssueRequested)
}

// CancelMailer cancels one PIN mailer that waits for a file.
func (t *Tx) CancelMailer(ctx context.Context, m Mailer) error {
	return t.execOne(ctx, "cancel a waiting PIN mailer", `UPDATE pin_mailers SET state = $1, pin = NULL WHERE card_id = $2 AND issue = $3 AND attempt = $4 AND file_number IS NULL AND state <> $1`,
		card.IssueCancelled, m.Card, m.Issue, m.Attempt)
}

// CountCancelled adds to the cards of an order that were taken back.
func (t *Tx) CountCancelled(ctx context.Context, o *Order, cards int64) error {
	err := t.execOne(ctx, "count the cancelled cards of order "+o.Reference, `UPDATE orders SET cancelled = cancelled + $1 WHERE institution_id = $2 AND number = $3`,
		cards, o.Institution, o.Number)
	if err == nil {
		o.Cancelled += cards
	}
	return err
}
