package formats

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// fuzzMode feeds the readers of all built-in layouts of some modes with files. What a reader takes as complete must be written again and read
// again as the same.
func fuzzMode(f *testing.F, modes ...mode) {
	all := builtIn(f)
	all["reversible latin"] = loaded(f, reversible["latin"])
	all["small xml"], all["small json"], all["small segments"] = loaded(f, smallXML), loaded(f, smallJSON), loaded(f, smallSegments)
	var names []string
	for name, l := range all {
		if slices.Contains(modes, l.spec.mode) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		f.Add(byte(i), []byte{})
		if strings.Contains(name, " ") {
			continue
		}
		for _, e := range examplesOf(f, all[name]) {
			if len(e.want) > 0 {
				f.Add(byte(i), e.want)
				f.Add(byte(i), e.want[:len(e.want)/2])
				f.Add(byte(i), append(bytes.Clone(e.want), e.want...))
			}
		}
	}
	f.Fuzz(func(t *testing.T, which byte, file []byte) {
		l := all[names[int(which)%len(names)]]
		head, details, err := everything(l, file)
		if err != nil {
			return
		}
		if len(details) > len(file) {
			t.Fatal("more records than bytes")
		}
		var again bytes.Buffer
		w, err := l.NewWriter(&again, head)
		for i := 0; err == nil && i < len(details); i++ {
			err = w.detail(details[i]) // which may stand for more cards already
		}
		if err == nil {
			err = w.Close()
		}
		if errors.Is(err, errAbsent) {
			return // a document may leave out what a layout puts together of parts
		}
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		_, second, err := everything(l, again.Bytes())
		if err != nil || len(second) != len(details) {
			t.Fatalf("what was written again is not read: %d of %d: %v", len(second), len(details), err)
		}
		for i := range details {
			for field := Field(1); field < numFields; field++ {
				if l.sections[Detail].returns(field) && !bytes.Equal(details[i].Get(field), second[i].Get(field)) {
					t.Fatalf("detail %d: %s changed", i+1, field)
				}
			}
		}
	})
}

// everything reads a file to its end.
func everything(l *Layout, file []byte) (head *Record, details []*Record, err error) {
	r := l.NewReader(bytes.NewReader(file))
	head = new(Record)
	for {
		which, rec, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return head, details, nil
		case err != nil:
			var at *ReadError
			if !errors.As(err, &at) {
				panic("not a ReadError: " + err.Error())
			}
			return head, details, err
		case which == Header:
			head = merged(rec)
		case which == Detail:
			details = append(details, merged(rec))
		}
	}
}

func FuzzFixed(f *testing.F)     { fuzzMode(f, fixedMode) }
func FuzzDelimited(f *testing.F) { fuzzMode(f, delimitedMode) }
func FuzzSegments(f *testing.F)  { fuzzMode(f, segmentsMode) }
func FuzzJSONLines(f *testing.F) { fuzzMode(f, jsonlMode) }
func FuzzJSON(f *testing.F)      { fuzzMode(f, jsonMode) }
func FuzzXML(f *testing.F)       { fuzzMode(f, xmlMode) }

// truncations is at how many places a file of each return layout is cut. All of it: make fuzz
var truncations = flag.Int("truncations", 500, "how many truncations of each return layout's files are read")

// TestTruncationsOfReturnFilesAreNeverComplete cuts files of every return layout, of no records and more. Where that is more than is asked for,
// it cuts at places drawn from a seed, and at every byte otherwise.
func TestTruncationsOfReturnFilesAreNeverComplete(t *testing.T) {
	for name, l := range builtIn(t) {
		if !l.Kind().IsReturn() {
			continue
		}
		e := examplesOf(t, l)[0]
		dice := rand.New(rand.NewPCG(1, uint64(len(name))))
		var records []*Record
		for cut := 0; cut < *truncations; {
			file := writeAll(t, l, e.head, records...)
			for n := range file {
				if *truncations < 20_000 && dice.IntN(4) > 0 {
					continue
				}
				if details, err := countDetails(l, file[:n]); err == nil {
					t.Fatalf("%s: %d of %d bytes are a file of %d records", name, n, len(file), details)
				}
				cut++
			}
			if details, err := countDetails(l, file); err != nil || details != int64(len(records)) {
				t.Fatalf("%s: the whole file: %d of %d: %v", name, details, len(records), err)
			}
			records = append(records, e.records[len(records)%len(e.records)])
		}
	}
}
