package api

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"

	"platen/formats"
)

// csvProblem turns what is wrong with a CSV file itself into its answer. What ended the connection is found at the upload, before this.
func csvProblem(err error) error {
	var header *formats.HeaderError
	var parse *csv.ParseError
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return err
	case errors.As(err, &header):
		return badHeader(header)
	case errors.As(err, &parse):
		return problem(http.StatusBadRequest, "malformed_body", fmt.Sprintf("line %d: the quotes of a CSV are wrong", parse.Line))
	}
	p := problem(http.StatusBadRequest, "malformed_body", "the file cannot be read as CSV")
	p.cause = err
	return p
}

// badHeader names the column that is wrong.
func badHeader(header *formats.HeaderError) *Problem {
	p := problem(http.StatusUnprocessableEntity, "bad_header", header.Error())
	p.Column = header.Column
	return p
}
