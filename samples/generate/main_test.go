package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"platen/formats"
)

func TestShippedOrdersAreThoseThatTheGeneratorWrites(t *testing.T) {
	for _, f := range orders() {
		shipped, err := os.ReadFile(filepath.Join("..", "orders", f.name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(shipped, f.content) {
			t.Errorf("%s differs; run go run ./samples/generate samples/orders", f.name)
		}
	}
}

// faultsOf reads an order and fits the names that are free of other faults.
func faultsOf(t *testing.T, content []byte) (rows []formats.Row, bad map[int64][]formats.Fault) {
	t.Helper()
	r, err := formats.NewOrderReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	bad = map[int64][]formats.Fault{}
	for {
		row, faults, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, bad
		}
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind() == formats.BulkOrder && len(faults) == 0 {
			name := row.EmbossName
			if name == "" {
				name = row.FirstName + " " + row.LastName
			}
			if _, fault := formats.FitName(name, 26); fault != nil {
				faults = append(faults, *fault)
			}
		}
		if row.Expiry == "2024-05" || row.Product == "visa-platinum" { // intake knows clock and products
			faults = append(faults, formats.Fault{Line: row.Line, Code: "intake"})
		}
		if len(faults) > 0 {
			bad[row.Line] = faults
		}
		rows = append(rows, row)
	}
}

func TestOneBulkRowInFiftyIsBadInAWayOfItsOwn(t *testing.T) {
	rows, bad := faultsOf(t, orders()[1].content)
	if len(rows) != bulkRows || len(bad) != bulkRows/50 {
		t.Errorf("%d rows, %d bad", len(rows), len(bad))
	}
	codes := map[string]bool{}
	for line, faults := range bad {
		if (line-1)%50 != 23 {
			t.Errorf("line %d should be good: %+v", line, faults)
		}
		codes[faults[0].Code] = true
	}
	if len(codes) < 12 {
		t.Errorf("only %d kinds of faults: %v", len(codes), codes)
	}
}

func TestMassOrderIsTenThousandCards(t *testing.T) {
	rows, bad := faultsOf(t, orders()[0].content)
	if len(rows) != 10 || len(bad) != 0 {
		t.Errorf("%d rows, bad %v", len(rows), bad)
	}
}

func TestActionsNameDifferentCardsThatExist(t *testing.T) {
	_, faulty := faultsOf(t, orders()[1].content)
	rows, bad := faultsOf(t, orders()[2].content)
	if len(rows) != 200 || len(bad) != 0 {
		t.Errorf("%d rows, bad %v", len(rows), bad)
	}
	refused := map[string]bool{}
	for line := range faulty {
		refused["DEMO-BULK#"+strconv.FormatInt(line-1, 10)] = true
	}
	seen := map[string]bool{}
	for _, row := range rows {
		if seen[row.Card] || refused[row.Card] {
			t.Errorf("line %d names a card twice or one that is not made", row.Line)
		}
		seen[row.Card] = true
		if row.Reason == "NAME_CHANGE" && row.EmbossName == "" {
			t.Errorf("line %d has no name", row.Line)
		}
	}
}
