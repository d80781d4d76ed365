// Package vectors evaluates files of known answers: published test vectors, a scheme's test pack, or what an issuer's own module computed. Each
// entry names an algorithm, its inputs and the expected result; the file format is described in docs/vectors.md. Nothing here decides by the
// name of an entry. Keys in such files are in the clear, so they are test keys.
package vectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Limits of a file.
const (
	maxFileBytes = 64 << 20
	maxEntries   = 1_000_000
)

// Entry is one known answer.
type Entry struct {
	ID       string         `json:"id"`
	Algo     string         `json:"algo"`
	Inputs   map[string]any `json:"inputs"`
	Expected any            `json:"expected"`
	Source   string         `json:"source"`   // who says so
	Verified string         `json:"verified"` // how the value was proved: recomputed, own-regression, quoted
	Note     string         `json:"note"`
}

// ErrFile says that a file is not of the form. It names the entry and never what is in it.
var ErrFile = errors.New("not a file of known answers")

// Read reads a whole file. It fails with ErrFile.
func Read(r io.Reader) ([]Entry, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read known answers: %w", err)
	}
	if len(raw) > maxFileBytes {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrFile, maxFileBytes)
	}
	var texts []json.RawMessage
	if err := json.Unmarshal(raw, &texts); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("%w: line %d is no JSON", ErrFile, 1+bytes.Count(raw[:syntax.Offset], []byte("\n")))
		}
		return nil, fmt.Errorf("%w: it must be a JSON array", ErrFile)
	}
	if len(texts) > maxEntries {
		return nil, fmt.Errorf("%w: more than %d entries", ErrFile, maxEntries)
	}
	entries := make([]Entry, len(texts))
	for i, text := range texts {
		if err := entries[i].read(text); err != nil {
			return nil, fmt.Errorf("%w: entry %d: %w", ErrFile, i+1, err)
		}
	}
	return entries, nil
}

func (e *Entry) read(text json.RawMessage) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(e); err != nil {
		return errors.New("must be an object with id, algo, inputs and expected")
	}
	switch {
	case e.ID == "":
		return errors.New("id is missing")
	case e.Algo == "":
		return errors.New("algo is missing")
	case e.Inputs == nil:
		return errors.New("inputs are missing")
	case e.Expected == nil:
		return errors.New("expected is missing")
	}
	return nil
}
