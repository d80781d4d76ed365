package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"platen/card"
)

// MintLine is what minting needs of an order line, for one of a file's slices.
type MintLine struct {
	Slice    int64 // the slice's first line in the file
	Order    int64
	Unit     int64
	Quantity int64
	Reason   card.Reason
	Card     *card.ID
	Expiry   int
	Blocked  bool   // its cards are made blocked
	PIN      []byte // that was set for the card's next issue; nil = by the product's rule
}

// MintLines lists the order lines of lines first to last of a file, in the order of the file. firstSlice is where the slice of line first begins.
func (q Q) MintLines(ctx context.Context, file, firstSlice, first, last int64) ([]MintLine, error) {
	const what = "order lines to mint"
	// Whoever asks for units in the middle of a line of many gets that line: it begins at or before the first of them.
	rows, err := q.run.QueryxContext(ctx, `SELECT s.first_line, l.order_number, l.unit, l.quantity, l.reason, l.card_id, l.expiry, l.block_code <> '', l.pin FROM (
			SELECT first_line, source, first_unit + CASE WHEN first_line < $3 THEN $3 - first_line ELSE 0 END AS first_wanted,
				first_unit + CASE WHEN first_line + quantity > $4 THEN $4 - first_line ELSE quantity - 1 END AS last_wanted
			FROM file_slices WHERE file_number = $1 AND first_line BETWEEN $2 AND $4 AND kind IN (1, 2)) s
		JOIN order_lines l ON l.order_number = s.source AND l.unit <= s.last_wanted
			AND l.unit >= (SELECT max(h.unit) FROM order_lines h WHERE h.order_number = s.source AND h.unit <= s.first_wanted)
		ORDER BY s.first_line, l.unit`, file, firstSlice, first, last)
	if err != nil {
		return nil, clean(what, err)
	}
	var all []MintLine
	err = each(rows, func() error {
		var l MintLine
		if err := rows.Scan(&l.Slice, &l.Order, &l.Unit, &l.Quantity, &l.Reason, &l.Card, &l.Expiry, &l.Blocked, &l.PIN); err != nil {
			return err
		}
		all = append(all, l)
		return nil
	})
	return all, clean(what, err)
}

// MadeAtOnce gives an open line the card that was made when it was ordered. The line waits for its file like any other.
func (t *Tx) MadeAtOnce(ctx context.Context, order, unit int64, id card.ID) error {
	return t.execOne(ctx, "keep which card was made at once", `UPDATE order_lines SET card_id = $1 WHERE order_number = $2 AND unit = $3 AND state = 1 AND card_id IS NULL`,
		id, order, unit)
}

// MadeVirtual gives an open line the card that was made when it was ordered and has no plastic: nothing more is to be done for it.
func (t *Tx) MadeVirtual(ctx context.Context, order, unit int64, id card.ID) error {
	return t.execOne(ctx, "keep which card was made at once", `UPDATE order_lines SET card_id = $1, state = $2 WHERE order_number = $3 AND unit = $4 AND state = 1 AND card_id IS NULL`,
		id, LineVirtual, order, unit)
}

// NewestIssues reads the newest issue of each of these cards, with the PIN that it has by now: what the next issue may take over.
func (q Q) NewestIssues(ctx context.Context, ids []card.ID) (map[card.ID]Issue, error) {
	const what = "newest issues"
	if len(ids) == 0 {
		return nil, nil
	}
	where, list, err := among(q, "c.id", 1, ids)
	if err != nil {
		return nil, err
	}
	var all []Issue
	if err := q.list(ctx, what, &all, `SELECT `+prefixed("i.", issueLife)+`, CASE WHEN p.card_id IS NULL THEN i.pvv ELSE p.pvv END AS pvv,
		CASE WHEN p.card_id IS NULL THEN i.pin_offset ELSE p.pin_offset END AS pin_offset, CASE WHEN p.card_id IS NULL THEN i.pin ELSE p.pin END AS pin
		FROM cards c JOIN issues i ON i.card_id = c.id AND i.issue = c.newest_issue LEFT JOIN card_pins p ON p.card_id = i.card_id AND p.issue = i.issue
		WHERE `+where, list); err != nil {
		return nil, err
	}
	byCard := make(map[card.ID]Issue, len(all))
	for _, i := range all {
		byCard[i.Card] = i
	}
	return byCard, nil
}

// MadeLines marks planned card actions as carried out: so many lines of an order from unit first to last.
func (t *Tx) MadeLines(ctx context.Context, order, first, last, lines int64) error {
	return t.execMany(ctx, "mark card actions made", lines,
		`UPDATE order_lines SET state = 4, pin = NULL WHERE order_number = $1 AND unit BETWEEN $2 AND $3 AND state = 2`, order, first, last)
}

// AdvanceIssues moves cards on to their next issues, which have the numbers of these. Each card must stand one before. What still waited of them is not made any more: it
// returns the orders of that, by number.
func (t *Tx) AdvanceIssues(ctx context.Context, next []Issue) (overtaken []int64, err error) {
	byNumber := map[int][]card.ID{}
	for i := range next {
		byNumber[next[i].Issue] = append(byNumber[next[i].Issue], next[i].Card)
	}
	for _, issue := range slices.Sorted(maps.Keys(byNumber)) {
		ids := byNumber[issue]
		where, list, err := among(t.Q, "id", 2, ids)
		if err != nil {
			return nil, err
		}
		if err := t.execMany(ctx, "move cards to their next issues", int64(len(ids)), `UPDATE cards SET newest_issue = $1 WHERE newest_issue = $1 - 1 AND `+where, issue, list); err != nil {
			return nil, err
		}
		if where, list, err = among(t.Q, "card_id", 4, ids); err != nil {
			return nil, err
		}
		var orders []int64
		if err := t.list(ctx, "cancel what next issues overtake", &orders, `UPDATE issues SET state = $1 WHERE file_number IS NULL AND state = $3 AND issue < $2 AND `+where+`
			RETURNING order_number`, card.IssueCancelled, issue, card.IssueRequested, list); err != nil {
			return nil, err
		}
		overtaken = append(overtaken, orders...)
	}
	slices.Sort(overtaken)
	return slices.Compact(overtaken), nil
}

// Closing is a card that is closed, and what takes its place.
type Closing struct {
	Card   card.ID
	Reason card.Reason
	By     card.ID // 0 = nothing
}

// CloseCards closes cards, each for its own reason, links those that replace them, and closes their issues' use. Evidence of their production stays; what
// waits for a file is cancelled. It fails with ErrStale when one of them is closed or gone already.
func (t *Tx) CloseCards(ctx context.Context, list []Closing) error {
	if len(list) == 0 {
		return nil
	}
	const what = "close cards"
	ids, rows := make([]card.ID, len(list)), make([][3]int64, len(list))
	for i, c := range list {
		ids[i], rows[i] = c.Card, [3]int64{int64(c.Card), int64(c.Reason), int64(c.By)}
	}
	where, listed, err := among(t.Q, "id", 1, ids)
	if err != nil {
		return err
	}
	var before []Card
	if err := t.list(ctx, what, &before, `SELECT `+cardColumns+` FROM cards WHERE `+where+` ORDER BY id`+t.forUpdate(), listed); err != nil {
		return err
	}
	for _, c := range before {
		if c.Status.To(card.CardClosed) != nil {
			return fmt.Errorf("%s: one is %s: %w", what, c.Status, ErrStale)
		}
	}
	body, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	values := `(SELECT CAST(e->>0 AS BIGINT) AS id, CAST(e->>1 AS SMALLINT) AS reason, CAST(e->>2 AS BIGINT) AS successor FROM json_array_elements(CAST($2 AS json)) e) v`
	if t.dialect == SQLite {
		values = `(SELECT value->>0 AS id, value->>1 AS reason, value->>2 AS successor FROM json_each($2)) v`
	}
	if err := t.execMany(ctx, what, int64(len(list)), `UPDATE cards SET status = $1, closed_for = v.reason, replaced_by = nullif(v.successor, 0) FROM `+values+`
		WHERE cards.id = v.id`, card.CardClosed, string(body)); err != nil {
		return err
	}
	if where, listed, err = among(t.Q, "card_id", 2, ids); err != nil {
		return err
	}
	for _, change := range []string{`issues SET state = $1`, `pin_mailers SET state = $1, pin = NULL`} {
		if err := t.exec(ctx, "cancel what closed cards wait for", `UPDATE `+change+` WHERE file_number IS NULL AND `+where, card.IssueCancelled, listed); err != nil {
			return err
		}
	}
	return t.exec(ctx, "close cards' issues", `UPDATE issues SET use_state = $1 WHERE use_state IN ($3, $4) AND `+where,
		card.UseClosed, listed, card.UsePending, card.UseCurrent)
}

// LinkReplaced lets a card take the place of one that is closed. ErrStale: that one is not closed, or another took its place.
func (t *Tx) LinkReplaced(ctx context.Context, closed, by card.ID) error {
	return t.execOne(ctx, "link a card that was replaced", `UPDATE cards SET replaced_by = $1 WHERE id = $2 AND status = $3 AND replaced_by IS NULL`, by, closed, card.CardClosed)
}
