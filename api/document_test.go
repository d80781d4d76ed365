package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"platen/formats"
)

// readAll reads a document to its end.
func readAll(r io.Reader) ([]formats.Row, error) {
	d, err := newDocument(r, false)
	if err != nil {
		return nil, err
	}
	var rows []formats.Row
	for {
		row, _, err := d.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}

func TestRowsOfADocumentComeOutAsTheyWentIn(t *testing.T) {
	columns, _ := formats.OrderColumns(formats.BulkOrder)
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[ -~äßøΩЖ"\\/\t]{0,30}`)
		type member map[string]string
		given := make([]member, rapid.IntRange(0, 20).Draw(t, "rows"))
		for i := range given {
			given[i] = member{}
			for _, name := range columns {
				if rapid.Bool().Draw(t, "has "+name) {
					given[i][name] = value.Draw(t, name)
				}
			}
		}
		rows, err := json.Marshal(given)
		if err != nil {
			t.Fatal(err)
		}
		read, err := readAll(strings.NewReader(`{"kind":"bulk","rows":` + string(rows) + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if len(read) != len(given) {
			t.Fatalf("%d rows out of %d", len(read), len(given))
		}
		for i, row := range read {
			if row.Line != int64(i)+2 {
				t.Errorf("row %d is on line %d", i, row.Line)
			}
			want := formats.Row{Line: row.Line}
			trimmed := member{}
			for name, v := range given[i] {
				trimmed[name] = strings.TrimSpace(v)
			}
			body, err := json.Marshal(trimmed)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(body, &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, row); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// counting tells how much was read of it.
type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// endless repeats its text for ever.
type endless string

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n+len(e) <= len(p) {
		n += copy(p[n:], e)
	}
	if n == 0 {
		n = copy(p, e)
	}
	return n, nil
}

func TestADocumentThatNeverEndsIsLeftAfterOneRow(t *testing.T) {
	for name, c := range map[string]struct{ start, forever string }{
		"blanks before the start": {"", " "},
		"a head without end":      {`{"reference":"`, "x"},
		"blanks in the head":      {`{"reference":`, "\n"},
		"a string without end":    {`{"kind":"mass","rows":[{"branch":"`, "x"},
		"blanks between rows":     {`{"kind":"mass","rows":[{"branch":"x"}`, " "},
		"blanks after the rows":   {`{"kind":"mass","rows":[]`, " "},
		"blanks after the end":    {`{"kind":"mass","rows":[]}`, " "},
		"a number without end":    {`{"kind":"mass","rows":[{"quantity":`, "1"},
		"lists without end":       {`{"kind":"mass","rows":[`, "["},
	} {
		t.Run(name, func(t *testing.T) {
			in := &counting{r: io.MultiReader(strings.NewReader(c.start), endless(c.forever))}
			if _, err := readAll(in); err == nil {
				t.Fatal("it was read to its end")
			}
			if most := int64(3 * maxRow); in.n > most {
				t.Errorf("%d bytes were read before it was refused", in.n)
			}
		})
	}
}

func FuzzDocument(f *testing.F) {
	for _, s := range []string{
		`{"kind":"mass","rows":[{"product":"p","quantity":1,"same_day":true},{"product":null}]}`, `{"reference":"r","kind":"bulk","rows":[]}`,
		`{"kind":"card-action","rows":[{"card":"A#1","reason":"LOST"}]} x`, `{"rows":[{"product":"p"}],"kind":"mass"}`, `[`, `{"kind":"mass","rows":[{"product":"\ud800"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, err := readAll(bytes.NewReader(body))
		if err != nil {
			return
		}
		var whole struct{ Rows []map[string]any }
		if err := json.Unmarshal(body, &whole); err != nil {
			t.Fatalf("a document was taken that is no JSON: %v", err)
		}
		if len(rows) != len(whole.Rows) {
			t.Fatalf("%d rows were taken of %d", len(rows), len(whole.Rows))
		}
	})
}
