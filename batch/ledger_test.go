package batch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func ledger(t *testing.T, dir string) *Ledger {
	t.Helper()
	l, err := OpenLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestMarksAreTheHighestOfAllProcesses(t *testing.T) {
	dir := t.TempDir()
	one, two := ledger(t, dir), ledger(t, dir)
	for _, err := range []error{
		one.Intend([]Reservation{{"a", 0, 10}, {"b", 5, 1}}), one.Done([]Reservation{{"a", 0, 10}}),
		two.Intend([]Reservation{{"a", 10, 10}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := ledger(t, dir).marks()
	if err != nil {
		t.Fatal(err)
	}
	if got["a"] != (mark{intended: 20, done: 10}) || got["b"] != (mark{intended: 6}) {
		t.Errorf("marks: %+v", got)
	}
}

func TestALineThatACrashCutIsNoReservation(t *testing.T) {
	dir := t.TempDir()
	whole := "intent a 0 10\ndone a 0 10\n"
	for cut := range len("intent a 10 999") {
		name := filepath.Join(dir, "cut"+ledgerSuffix)
		if err := os.WriteFile(name, []byte(whole+"intent a 10 999"[:cut]), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ledger(t, dir).marks()
		if err != nil || got["a"] != (mark{intended: 10, done: 10}) {
			t.Errorf("cut after %d bytes: %+v, %v", cut, got, err)
		}
	}
}

func TestADamagedLedgerStopsTheStart(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"+ledgerSuffix), []byte("intent a 0 10\nrubbish\ndone a 0 10\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger(t, dir).marks(); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error: %v", err)
	}
}

func TestAFailedWriteIsNeverContinued(t *testing.T) {
	dir := t.TempDir()
	l := ledger(t, dir)
	if err := l.Intend([]Reservation{{"a", 0, 10}}); err != nil {
		t.Fatal(err)
	}
	// The disk took half a line and then no more.
	if _, err := l.file.WriteString("intent a 10"); err != nil {
		t.Fatal(err)
	}
	if err := l.file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Intend([]Reservation{{"a", 10, 10}}); err == nil {
		t.Fatal("a reservation that is not on disk was taken for written")
	}
	if err := l.Intend([]Reservation{{"a", 10, 20}}); err != nil {
		t.Errorf("after the failure: %v", err)
	}
	if all, err := l.marks(); err != nil || all["a"].intended != 30 {
		t.Errorf("%+v, %v", all, err)
	}
}
