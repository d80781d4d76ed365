package store

import (
	"context"
	"fmt"
	"time"

	"platen/card"
)

// Card is a card's row: its identity and life, no number.
type Card struct {
	ID          card.ID     `db:"id"`
	Product     int64       `db:"product_number"`
	Order       int64       `db:"order_number"`
	Status      card.Status `db:"status"`
	ClosedFor   card.Reason `db:"closed_for"` // 0 while it lives
	NewestIssue int         `db:"newest_issue"`
	ReplacedBy  *card.ID    `db:"replaced_by"`
}

// Issue is one version of a card. Expiry, PSN, reason, PIN data and file line never change once set.
type Issue struct {
	Card      card.ID         `db:"card_id"`
	Issue     int             `db:"issue"`
	Order     int64           `db:"order_number"`
	OrderUnit int64           `db:"order_unit"` // the key of its order line
	File      *int64          `db:"file_number"`
	Line      *int64          `db:"line"`
	Reason    card.Reason     `db:"reason"`
	Expiry    int             `db:"expiry"` // YYMM
	PSN       card.PSN        `db:"psn"`
	State     card.IssueState `db:"state"`
	Use       card.UseState   `db:"use_state"`
	PVV       *int            `db:"pvv"`
	Offset    *string         `db:"pin_offset"`
	PIN       []byte          `db:"pin"`
}

const (
	issueLife    = `card_id, issue, order_number, order_unit, file_number, line, reason, expiry, psn, state, use_state`
	issueColumns = issueLife + `, pvv, pin_offset, pin`
)

const cardColumns = `id, product_number, order_number, status, closed_for, newest_issue, replaced_by`

// NewCards are new cards as Insert takes them.
func (q Q) NewCards(cards []Card) *Bulk {
	b := q.bulk("cards", []string{"id", "product_number", "order_number", "status", "newest_issue"}, len(cards))
	for i := range cards {
		c := &cards[i]
		for _, v := range [...]int64{int64(c.ID), c.Product, c.Order, int64(c.Status), int64(c.NewestIssue)} {
			b.int(v)
		}
		b.endRow()
	}
	return b
}

// NewIssues are new issues as Insert takes them.
func (q Q) NewIssues(issues []Issue) *Bulk {
	b := q.bulk("issues", []string{"card_id", "issue", "order_number", "order_unit", "file_number", "line", "reason", "expiry", "psn", "state", "use_state",
		"pvv", "pin_offset", "pin"}, len(issues))
	for i := range issues {
		s := &issues[i]
		for _, v := range [...]int64{int64(s.Card), int64(s.Issue), s.Order, s.OrderUnit} {
			b.int(v)
		}
		pointed(b, s.File, b.int)
		pointed(b, s.Line, b.int)
		for _, v := range [...]int64{int64(s.Reason), int64(s.Expiry), int64(s.PSN), int64(s.State), int64(s.Use)} {
			b.int(v)
		}
		pointed(b, s.PVV, func(v int) { b.int(int64(v)) })
		pointed(b, s.Offset, b.string)
		b.bytes(s.PIN)
		b.endRow()
	}
	return b
}

func nullable[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// InsertCards stores new cards.
func (t *Tx) InsertCards(ctx context.Context, cards []Card) error {
	return t.Insert(ctx, t.NewCards(cards))
}

// InsertIssues stores new issues.
func (t *Tx) InsertIssues(ctx context.Context, issues []Issue) error {
	return t.Insert(ctx, t.NewIssues(issues))
}

// Card reads one card.
func (q Q) Card(ctx context.Context, id card.ID) (Card, error) {
	var c Card
	err := q.get(ctx, "card", &c, `SELECT `+cardColumns+` FROM cards WHERE id = $1`, id)
	return c, err
}

// LockCard reads one card and keeps it locked until commit.
func (t *Tx) LockCard(ctx context.Context, id card.ID) (Card, error) {
	var c Card
	err := t.get(ctx, "lock card", &c, `SELECT `+cardColumns+` FROM cards WHERE id = $1`+t.forUpdate(), id)
	return c, err
}

// Issue reads one issue of a card.
func (q Q) Issue(ctx context.Context, id card.ID, issue int) (Issue, error) {
	var i Issue
	err := q.get(ctx, "issue", &i, `SELECT `+issueColumns+` FROM issues WHERE card_id = $1 AND issue = $2`, id, issue)
	return i, err
}

// Issues lists every issue of a card, oldest first.
func (q Q) Issues(ctx context.Context, id card.ID) ([]Issue, error) {
	var all []Issue
	err := q.list(ctx, "issues", &all, `SELECT `+issueColumns+` FROM issues WHERE card_id = $1 ORDER BY issue`, id)
	return all, err
}

// SetNewestIssue moves a card on to its next issue.
func (t *Tx) SetNewestIssue(ctx context.Context, id card.ID, issue int) error {
	return t.execOne(ctx, "move a card to its next issue", `UPDATE cards SET newest_issue = $1 WHERE id = $2 AND newest_issue = $3`, issue, id, issue-1)
}

// WaitingIssue is an issue, or one attempt at its PIN mailer, that exists and waits for a file.
type WaitingIssue struct {
	Card    card.ID `db:"card_id"`
	Issue   int     `db:"issue"`
	Attempt int     `db:"attempt"` // of a mailer; 0 for the card itself
	Product int64   `db:"product_number"`
}

// WaitingIssues lists what no file carries yet of one range, in card order: issues, but for those of paused orders and of cards that were made when they were ordered,
// which their open lines bring; or PIN mailers.
func (t *Tx) WaitingIssues(ctx context.Context, rangeNumber int32, mailers bool) ([]WaitingIssue, error) {
	first, err := card.NewID(rangeNumber, 0)
	if err != nil {
		return nil, err
	}
	last, err := card.NewID(rangeNumber, card.MaxSequence)
	if err != nil {
		return nil, err
	}
	query := `SELECT w.card_id, w.issue, 0 AS attempt, c.product_number FROM issues w JOIN cards c ON c.id = w.card_id
		WHERE w.file_number IS NULL AND w.state = $3 AND w.card_id BETWEEN $1 AND $2
		AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.number = w.order_number AND o.held <> '') ORDER BY w.card_id, w.issue`
	state := card.IssueRequested
	if mailers {
		state = card.IssueCancelled
		query = `SELECT w.card_id, w.issue, w.attempt, c.product_number FROM pin_mailers w JOIN cards c ON c.id = w.card_id
			WHERE w.file_number IS NULL AND w.state <> $3 AND w.card_id BETWEEN $1 AND $2 ORDER BY w.card_id, w.issue`
	}
	var all []WaitingIssue
	err = t.list(ctx, "waiting issues", &all, query, first, last, state)
	return all, err
}

// Attach gives a waiting issue or PIN mailer its file and line.
func (t *Tx) Attach(ctx context.Context, w WaitingIssue, file, line int64) error {
	if w.Attempt > 0 {
		return t.execOne(ctx, "attach a PIN mailer", `UPDATE pin_mailers SET file_number = $1, line = $2
			WHERE card_id = $3 AND issue = $4 AND attempt = $5 AND file_number IS NULL`, file, line, w.Card, w.Issue, w.Attempt)
	}
	return t.execOne(ctx, "attach an issue", `UPDATE issues SET file_number = $1, line = $2, state = $3
		WHERE card_id = $4 AND issue = $5 AND file_number IS NULL AND state <> $6`, file, line, card.IssueFollowsFile, w.Card, w.Issue, card.IssueCancelled)
}

// Mailer is a PIN mailer: its file and line, and how far it has come.
type Mailer struct {
	Card    card.ID         `db:"card_id"`
	Issue   int             `db:"issue"`
	Attempt int             `db:"attempt"`
	File    *int64          `db:"file_number"`
	Line    *int64          `db:"line"`
	State   card.IssueState `db:"state"`
	Reason  card.Reason     `db:"reason"` // PINReprint or PINNew of one that was asked for by itself; 0 of others
}

const mailerColumns = `card_id, issue, attempt, file_number, line, state, reason`

// InsertMailers puts the issues on lines first..first+quantity-1 of a card file on the lines of a mailer file from line on.
func (t *Tx) InsertMailers(ctx context.Context, cardFile, first, quantity, mailerFile, line int64) error {
	r, err := t.run.ExecContext(ctx, `INSERT INTO pin_mailers (card_id, issue, attempt, file_number, line)
		SELECT card_id, issue, 1, CAST($1 AS BIGINT), line - $2 + $3 FROM issues WHERE file_number = $4 AND line BETWEEN $2 AND $5`,
		mailerFile, first, line, cardFile, first+quantity-1)
	if err != nil {
		return clean("store PIN mailers", err)
	}
	if n, err := r.RowsAffected(); err != nil || n != quantity {
		return fmt.Errorf("store PIN mailers: %d issues where %d were planned", n, quantity)
	}
	return nil
}

// RemakeMailer lets a spoiled PIN mailer be followed by the next attempt, which waits for a file; where one was asked for meanwhile, that is it.
func (t *Tx) RemakeMailer(ctx context.Context, m FileLine) error {
	return t.exec(ctx, "repeat a PIN mailer", `INSERT INTO pin_mailers (card_id, issue, attempt, state, pin)
		SELECT card_id, issue, attempt + 1, $4, pin FROM pin_mailers WHERE card_id = $1 AND issue = $2 AND attempt = $3
		ON CONFLICT (card_id, issue, attempt) DO NOTHING`, m.Card, m.Issue, m.Attempt, int64(card.IssueFollowsFile))
}

// InsertMailer lets a PIN mailer wait for a file that was asked for by itself, with the PIN that it tells.
func (t *Tx) InsertMailer(ctx context.Context, m Mailer, pin []byte) error {
	return t.exec(ctx, "ask for a PIN mailer", `INSERT INTO pin_mailers (card_id, issue, attempt, state, reason, pin) VALUES ($1, $2, $3, $4, $5, $6)`,
		m.Card, m.Issue, m.Attempt, int64(m.State), int64(m.Reason), pin)
}

// MailersOf lists a card's PIN mailers.
func (q Q) MailersOf(ctx context.Context, id card.ID) ([]Mailer, error) {
	var all []Mailer
	err := q.list(ctx, "PIN mailers", &all, `SELECT `+mailerColumns+` FROM pin_mailers WHERE card_id = $1 ORDER BY issue, attempt`, id)
	return all, err
}

// ReturnPlastic keeps that the holder of a card gave an issue's plastic back.
func (t *Tx) ReturnPlastic(ctx context.Context, id card.ID, issue int, now time.Time) error {
	return t.exec(ctx, "keep that a plastic was given back", `INSERT INTO returned_plastics (card_id, issue, returned_at) VALUES ($1, $2, $3)`, id, issue, stored(now))
}

// ReturnedPlastics lists the issues of a card whose plastics were given back.
func (q Q) ReturnedPlastics(ctx context.Context, id card.ID) ([]int, error) {
	var all []int
	err := q.list(ctx, "plastics that were given back", &all, `SELECT issue FROM returned_plastics WHERE card_id = $1 ORDER BY issue`, id)
	return all, err
}

// CardCount counts all cards.
func (q Q) CardCount(ctx context.Context) (int64, error) {
	var n int64
	err := q.get(ctx, "count cards", &n, `SELECT count(*) FROM cards`)
	return n, err
}

// SetStatus moves a card on, unless it has moved on meanwhile.
func (t *Tx) SetStatus(ctx context.Context, c Card, next card.Status) error {
	return t.execOne(ctx, "set a card's status", `UPDATE cards SET status = $1 WHERE id = $2 AND status = $3`, next, c.ID, c.Status)
}

// UseIssue puts a pending issue of a card into use; the one that was in use is superseded, and older ones that never were are closed.
func (t *Tx) UseIssue(ctx context.Context, id card.ID, issue int) error {
	if err := t.exec(ctx, "supersede issues", `UPDATE issues SET use_state = CASE WHEN use_state = $1 THEN CAST($2 AS SMALLINT) ELSE CAST($3 AS SMALLINT) END WHERE card_id = $4 AND issue < $5 AND use_state IN ($1, $6)`,
		card.UseCurrent, card.UseSuperseded, card.UseClosed, id, issue, card.UsePending); err != nil {
		return err
	}
	return t.execOne(ctx, "use an issue", `UPDATE issues SET use_state = $1 WHERE card_id = $2 AND issue = $3 AND use_state = $4`, card.UseCurrent, id, issue, card.UsePending)
}

// HasStaticCVV2 tells whether the printed CVV2 of a card is valid although its product has one that changes.
func (q Q) HasStaticCVV2(ctx context.Context, id card.ID) (bool, error) {
	var n int
	err := q.get(ctx, "printed CVV2 of a card", &n, `SELECT count(*) FROM static_cvv2s WHERE card_id = $1`, id)
	return n > 0, err
}

// UseStaticCVV2 makes the printed CVV2 of a card valid. ErrStale: it is.
func (t *Tx) UseStaticCVV2(ctx context.Context, id card.ID) error {
	return t.execOne(ctx, "use a card's printed CVV2", `INSERT INTO static_cvv2s (card_id) VALUES ($1) ON CONFLICT DO NOTHING`, id)
}

// UseDynamicCVV2 undoes UseStaticCVV2. ErrStale: there is nothing to undo.
func (t *Tx) UseDynamicCVV2(ctx context.Context, id card.ID) error {
	return t.execOne(ctx, "use a card's dynamic CVV2", `DELETE FROM static_cvv2s WHERE card_id = $1`, id)
}
