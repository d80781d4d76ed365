package main

import (
	"bytes"
	"errors"
	"io"

	"platen/formats"
)

// peekOrder reads the beginning of an order file to see whether it is a correction, and gives back the whole. A correction names its order in every row;
// an order that is none answers "".
func peekOrder(body io.Reader) (order string, whole io.Reader, err error) {
	var seen bytes.Buffer
	r, err := formats.NewOrderRows(io.TeeReader(body, &seen), nil)
	if err != nil {
		return "", nil, err
	}
	if r.IsCorrection() {
		if _, _, err := r.Next(); err != nil && !errors.Is(err, io.EOF) {
			return "", nil, err
		}
		order = r.OrderID()
	}
	return order, io.MultiReader(&seen, body), nil
}
