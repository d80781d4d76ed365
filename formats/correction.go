package formats

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// CorrectionRow is a row that was refused and why.
type CorrectionRow struct {
	Row    Row
	Faults []Fault
}

// WriteCorrections writes a CSV file of refused rows that people correct and submit again. It has the columns order, line, field, code and
// hint before those of the order's kind; where a row has several faults, the three hold them in order, parted by "; ".
//
// Spreadsheets run a cell that begins with one of = + - @ as a formula. Such a value gets an apostrophe in front; so does a value in which
// apostrophes stand before that character, so that reading a correction file can take exactly one off again. Other values stay as they are.
func WriteCorrections(w io.Writer, kind OrderKind, orderID string, rows []CorrectionRow) error {
	out := csv.NewWriter(w)
	columns, _ := OrderColumns(kind)
	if err := out.Write(append(append([]string(nil), correctionColumns...), columns...)); err != nil {
		return fmt.Errorf("write corrections: %w", err)
	}
	for i := range rows {
		c := &rows[i]
		var fields, codes, hints []string
		for _, f := range c.Faults {
			fields, codes, hints = append(fields, f.Field), append(codes, f.Code), append(hints, f.Hint)
		}
		cells := []string{orderID, strconv.FormatInt(c.Row.Line, 10), strings.Join(fields, "; "), strings.Join(codes, "; "), strings.Join(hints, "; ")}
		for _, name := range columns {
			cells = append(cells, *columnNamed(name).value(&c.Row))
		}
		for i := range cells {
			cells[i] = escapeFormula(cells[i])
		}
		if err := out.Write(cells); err != nil {
			return fmt.Errorf("write corrections: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write corrections: %w", err)
	}
	return nil
}

// startsFormula tells whether v, after any apostrophes, begins like a formula.
func startsFormula(v string) bool {
	v = strings.TrimLeft(v, "'")
	return v != "" && strings.IndexByte("=+-@\t\r", v[0]) >= 0
}

func escapeFormula(v string) string {
	if startsFormula(v) {
		return "'" + v
	}
	return v
}

func unescapeFormula(v string) string {
	if strings.HasPrefix(v, "'") && startsFormula(v) {
		return v[1:]
	}
	return v
}
