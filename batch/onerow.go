package batch

import (
	"io"

	"platen/formats"
)

// OneRow are the rows of an order of one row.
func OneRow(kind formats.OrderKind, row formats.Row) Rows { return &oneRow{kind: kind, row: row} }

type oneRow struct {
	kind formats.OrderKind
	row  formats.Row
	read bool
}

// Kind implements Rows.
func (o *oneRow) Kind() formats.OrderKind { return o.kind }

// Next implements Rows.
func (o *oneRow) Next() (formats.Row, []formats.Fault, error) {
	if o.read {
		return formats.Row{}, nil, io.EOF
	}
	o.read = true
	faults := formats.CheckRow(o.kind, &o.row)
	return o.row, faults, nil
}
