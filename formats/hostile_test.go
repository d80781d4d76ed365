package formats

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// exampleFiles are the files of the built-in layouts' own tests, as they stand in UTF-8 or Latin-1: an EBCDIC file is one of Latin-1 behind a table.
func exampleFiles(t *testing.T) map[*Layout][]byte {
	t.Helper()
	files := map[*Layout][]byte{}
	for _, l := range builtIn(t) {
		e := examplesOf(t, l)[0]
		file, err := e.write(l)
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		if l.page == nil {
			files[l] = file
		}
	}
	return files
}

// inserted are bytes that no file may have anywhere.
var inserted = map[string]string{"a byte order mark": "\ufeff", "NUL": "\x00", "a bidirectional override": "\u202e", "what is no UTF-8": "\xff\xfe", "a vertical tab": "\v", "a substitute": "\x1a"}

func TestEveryReaderRefusesHostileBytesWhereverTheyStand(t *testing.T) {
	for l, file := range exampleFiles(t) {
		for what, bad := range inserted {
			if l.spec.encoding == latin1Encoding {
				continue
			}
			for at := 0; at <= len(file); at += 1 + len(file)/300 {
				hostile := slices.Concat(file[:at], []byte(bad), file[at:])
				if _, err := countDetails(l, hostile); err == nil {
					t.Errorf("%s: %s at %d was taken: %q", l, what, at, hostile[max(0, at-20):min(len(hostile), at+20)])
					break
				}
			}
		}
	}
}

// TestAFlippedBitNeverShiftsAValue flips bits of every file. What is still taken has as many records, and one value at most is another, or stands under
// another name where values have names: whatever the bit made of it, the neighbours stayed where they were.
func TestAFlippedBitNeverShiftsAValue(t *testing.T) {
	for l, file := range exampleFiles(t) {
		_, want, err := everything(l, file)
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		step := 1 + len(file)/400
		for at := 0; at < len(file); at += step {
			for bit := range 8 {
				flipped := bytes.Clone(file)
				flipped[at] ^= 1 << bit
				_, got, err := everything(l, flipped)
				if err != nil {
					continue
				}
				if len(got) != len(want) {
					t.Fatalf("%s: bit %d of byte %d makes %d records of %d", l, bit, at, len(got), len(want))
				}
				changed := map[Field]bool{}
				for i := range got {
					for f := Field(1); f < numFields; f++ {
						if !bytes.Equal(got[i].Get(f), want[i].Get(f)) {
							changed[f] = true
						}
					}
				}
				if len(changed) > 2 || len(changed) == 2 && !l.spec.mode.named() {
					t.Errorf("%s: bit %d of byte %d changes %v", l, bit, at, slices.Collect(maps.Keys(changed)))
				}
			}
		}
	}
}

// endless gives a beginning and then one byte without end.
type endless struct {
	begin *strings.Reader
	more  byte
	given int64
}

func (e *endless) Read(b []byte) (int, error) {
	if n, err := e.begin.Read(b); !errors.Is(err, io.EOF) {
		return n, err
	}
	for i := range b {
		b[i] = e.more
	}
	e.given += int64(len(b))
	return len(b), nil
}

// TestARecordWithoutEndIsRefusedInBoundedMemory lets a record go on for ever in the middle of a file of every layout: letters as of a line of a gigabyte, commas as
// of a hundred thousand columns and more, an open quote, brackets within brackets.
func TestARecordWithoutEndIsRefusedInBoundedMemory(t *testing.T) {
	for l, file := range exampleFiles(t) {
		for _, begin := range []string{"", string(file[:len(file)/2]), string(file)} {
			for _, more := range "x ,;|@\"{[<&0" {
				in := &endless{begin: strings.NewReader(begin), more: byte(more)}
				r := l.NewReader(in)
				var err error
				for err == nil {
					_, _, err = r.Next()
				}
				var refused *ReadError
				if !errors.As(err, &refused) {
					t.Errorf("%s: %q without end: %v", l, more, err)
				}
				if in.given > 1<<20 {
					t.Errorf("%s: %q without end: %d bytes were read", l, more, in.given)
				}
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapInuse > 64<<20 {
		t.Errorf("%d bytes are in use", m.HeapInuse)
	}
}
