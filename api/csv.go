package api

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"

	"platen/batch"
	"platen/formats"
	"platen/sql/store"
)

// longestEcho is how much of what a client wrote is shown back to it.
const longestEcho = 400

// fileRows tells apart what is wrong with an order file from what is wrong with reading it.
type fileRows struct{ formats.OrderRows }

// Next implements batch.Rows.
func (f fileRows) Next() (formats.Row, []formats.Fault, error) {
	row, faults, err := f.OrderRows.Next()
	return row, faults, fileProblem(err)
}

// openOrder reads an order file: a CSV, or rows that are JSON objects; with a mapping that of another system. Corrected rows go to the order that they
// continue.
func openOrder(r io.Reader, asCSV bool, m *formats.Mapping) (batch.Rows, error) {
	rows, err := formats.NewOrderRows(r, m)
	if err != nil {
		return nil, fileProblem(err)
	}
	if _, isCSV := rows.(*formats.OrderReader); isCSV != asCSV {
		return nil, problem(http.StatusBadRequest, "malformed_body", "the body is not what its Content-Type says")
	}
	if rows.IsCorrection() {
		return nil, problem(http.StatusUnprocessableEntity, "is_correction", "send corrected rows to the corrections of their order")
	}
	return fileRows{rows}, nil
}

// openCorrection reads corrected rows of one order.
func openCorrection(r io.Reader, o store.Order) (batch.Rows, error) {
	rows, err := formats.NewOrderReader(r)
	if err != nil {
		return nil, fileProblem(err)
	}
	if !rows.IsCorrection() {
		p := problem(http.StatusUnprocessableEntity, "bad_header", "a correction has the columns order and line before those of its rows")
		p.Column = lineMember
		return nil, p
	}
	if id := rows.OrderID(); id != "" && id != o.ID.String() && id != o.Reference {
		return nil, problem(http.StatusUnprocessableEntity, "other_order", "the rows belong to another order")
	}
	return fileRows{rows}, nil
}

// fileProblem turns what is wrong with an order file itself into its answer. What ended the connection is found at the upload.
func fileProblem(err error) error {
	var header *formats.HeaderError
	var unreadable *formats.ReadError
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return err
	case errors.As(err, &header):
		return badHeader(header)
	case errors.As(err, &unreadable) && len(unreadable.Error()) <= longestEcho:
		return problem(http.StatusBadRequest, "malformed_body", unreadable.Error())
	}
	p := problem(http.StatusBadRequest, "malformed_body", "the file cannot be read")
	p.cause = err
	return p
}

// badHeader names the columns that are wrong, and the first of them as a member of its own: by its place where what stands there may be a value.
func badHeader(header *formats.HeaderError) *Problem {
	p := problem(http.StatusUnprocessableEntity, "bad_header", header.Error())
	if len(p.Detail) > longestEcho {
		p.Detail = "the first line must name the columns"
	}
	switch named := slices.Concat(header.Unknown, header.Doubled); {
	case len(named) > 0:
		p.Column = named[0]
	case len(header.Strange) > 0:
		p.Column = strconv.Itoa(header.Strange[0])
	case len(header.Missing) > 0:
		p.Column = header.Missing[0]
	}
	return p
}
