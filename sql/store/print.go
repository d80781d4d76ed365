package store

import (
	"context"
	"database/sql"
	"fmt"

	"platen/card"
)

// PrintRow is an issue with the order line whose data it carries: all that rendering reads. Rows of one order line share it.
type PrintRow struct {
	Issue
	*OrderLine
	Position  int64 // line in the file being rendered
	Reference string
}

// Reason is the issue's reason.
func (r *PrintRow) Reason() card.Reason { return r.Issue.Reason }

// PrintRows reads a file's rows from line first to last, in line order: card files from issues, mailer files from PIN mailers. Order lines are read once,
// however many cards they ask for.
func (q Q) PrintRows(ctx context.Context, file int64, mailers bool, first, last int64) ([]PrintRow, error) {
	rows, err := q.printIssues(ctx, file, mailers, first, last)
	if err != nil {
		return nil, clean("rows to print", err)
	}
	wanted := map[int64][]int64{}
	var orders []int64 // in the order of the file
	for i := range rows {
		order, unit := rows[i].Issue.Order, rows[i].OrderUnit
		units, known := wanted[order]
		if !known {
			orders = append(orders, order)
		}
		if len(units) == 0 || units[len(units)-1] != unit {
			wanted[order] = append(units, unit)
		}
	}
	known := map[int64]map[int64]*printLine{}
	for _, order := range orders {
		if known[order], err = q.printLines(ctx, order, wanted[order]); err != nil {
			return nil, clean("order lines to print", err)
		}
	}
	for i := range rows {
		l, ok := known[rows[i].Issue.Order][rows[i].OrderUnit]
		if !ok {
			return nil, fmt.Errorf("order line of file %d line %d: %w", file, rows[i].Position, ErrNotFound)
		}
		rows[i].OrderLine, rows[i].Reference = &l.OrderLine, l.reference
	}
	return rows, nil
}

func (q Q) printIssues(ctx context.Context, file int64, mailers bool, first, last int64) ([]PrintRow, error) {
	source := `issues i WHERE i.file_number = $1 AND i.line BETWEEN $2 AND $3 ORDER BY i.line`
	position := `i.line`
	pin := `i.pin`
	if mailers {
		pin = `coalesce(m.pin, i.pin)`
		source = `pin_mailers m JOIN issues i ON i.card_id = m.card_id AND i.issue = m.issue WHERE m.file_number = $1 AND m.line BETWEEN $2 AND $3 ORDER BY m.line`
		position = `m.line`
	}
	found, err := q.run.QueryxContext(ctx, `SELECT i.card_id, i.issue, i.order_number, i.order_unit, i.reason, i.expiry, i.psn, i.pvv, i.pin_offset, `+pin+`, `+position+`
		FROM `+source, file, first, last)
	if err != nil {
		return nil, err
	}
	n := max(last-first+1, 0)
	rows, pvvs := make([]PrintRow, 0, n), make([]int, 0, n)
	// database/sql copies an int64 into an int64; into anything else it goes by way of reflection and text.
	var id, issue, reason, expiry, psn int64
	var pvv sql.NullInt64
	err = each(found, func() error {
		rows = append(rows, PrintRow{})
		r := &rows[len(rows)-1]
		if err := found.Scan(&id, &issue, &r.Issue.Order, &r.OrderUnit, &reason, &expiry, &psn, &pvv, &r.Offset, &r.PIN, &r.Position); err != nil {
			return err
		}
		r.Issue.Card, r.Issue.Issue, r.Issue.Reason, r.Issue.Expiry, r.PSN = card.ID(id), int(issue), card.Reason(reason), int(expiry), card.PSN(psn)
		if pvv.Valid {
			pvvs = append(pvvs, int(pvv.Int64))
			r.PVV = &pvvs[len(pvvs)-1]
		}
		return nil
	})
	return rows, err
}

// printLine is an order line with its order's reference.
type printLine struct {
	OrderLine
	reference string
}

// printLines reads lines of one order, by unit.
func (q Q) printLines(ctx context.Context, order int64, units []int64) (map[int64]*printLine, error) {
	where, list, err := among(q, "l.unit", 2, units)
	if err != nil {
		return nil, err
	}
	found, err := q.run.QueryxContext(ctx, `SELECT o.reference, `+prefixed("l.", lineColumns)+` FROM order_lines l JOIN orders o ON o.number = l.order_number
		WHERE l.order_number = $1 AND `+where, order, list)
	if err != nil {
		return nil, err
	}
	lines := make(map[int64]*printLine, len(units))
	err = each(found, func() error {
		l := new(printLine)
		if err := found.Scan(append([]any{&l.reference}, l.fields()...)...); err != nil {
			return err
		}
		lines[l.Unit] = l
		return nil
	})
	return lines, err
}

// fields leads to what lineColumns name, in their order.
func (l *OrderLine) fields() []any {
	return []any{&l.Order, &l.Unit, &l.Quantity, &l.SourceLine, &l.State, &l.Product, &l.Reason, &l.SameDay, &l.Card, &l.Expiry, &l.Title, &l.FirstName, &l.LastName,
		&l.EmbossName, &l.EmbossName2, &l.PrintName, &l.GivenName, &l.CustomerReference, &l.Recipient, &l.Address1, &l.Address2, &l.Address3, &l.City, &l.Region, &l.Postcode, &l.Country, &l.Delivery, &l.Branch,
		&l.Language, &l.BlockCode, &l.NotBefore, &l.MailerDelay, &l.Extra}
}
