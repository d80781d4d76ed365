package formats

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gocarina/gocsv"
)

const (
	benchRecords = 20_000 // of one round
	benchRounds  = 9
)

// plainCards are sample cards in ASCII, so that nothing but the engine is measured: writing names in other letters costs both sides the same.
func plainCards(kind Kind, n int) (head *Record, records []*Record) {
	head, records = SampleCards(kind, n)
	for i, r := range records {
		r.SetString(HolderFirstName, "Asha")
		r.SetString(HolderLastName, "Rao")
		r.SetString(CarrierName, fmt.Sprintf("Asha Rao %d", i))
		r.SetString(CarrierAddress1, "12 Lake Road")
		r.SetString(CarrierCity, "Pune")
		r.SetString(CarrierPostcode, "411001")
		r.SetString(CarrierCountry, "IN")
	}
	return head, records
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// sideBySide measures two ways in turns and reports the median of their ratio, which is what counts, and ours per record.
func sideBySide(b *testing.B, records int, bound string, ours, theirs func()) {
	b.Helper()
	ours()
	theirs()
	var ratios, times []float64
	for range b.N * benchRounds {
		start := time.Now()
		theirs()
		middle := time.Now()
		ours()
		end := time.Since(middle)
		ratios = append(ratios, float64(end)/float64(middle.Sub(start)))
		times = append(times, float64(end)/float64(records))
	}
	b.ReportMetric(median(ratios), "x/"+bound)
	b.ReportMetric(median(times), "ns/record")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkWriting compares details written by layouts with the same bytes written by one function for one format. The goal is 2 at most.
func BenchmarkWriting(b *testing.B) {
	for _, name := range []string{"north-fixed", "south-delimited", "native-jsonl", "cardgen-style", "datacard-style"} {
		l, hand := builtIn(b)[name], byHand[name]
		_, records := plainCards(CardFile, 16) // few, as in production, where one record is filled again and again
		var plain []*handRecord
		for _, r := range records {
			plain = append(plain, handRecordOf(r))
		}
		dst := make([]byte, 0, 1<<20)
		b.Run(name, func(b *testing.B) {
			sideBySide(b, benchRecords, "by-hand", func() {
				for i := range benchRecords {
					if i%100 == 0 {
						dst = dst[:0]
					}
					var err error
					if dst, err = l.appendSection(dst, Detail, records[i%16]); err != nil {
						b.Fatal(err)
					}
				}
			}, func() {
				for i := range benchRecords {
					if i%100 == 0 {
						dst = dst[:0]
					}
					var err error
					if dst, err = hand(dst, plain[i%16]); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// What is compared must be the same.
func TestFormattersByHandWriteTheSameBytes(t *testing.T) {
	_, records := plainCards(CardFile, 200)
	for name, hand := range byHand {
		l := builtIn(t)[name]
		for _, r := range records {
			want, err := l.appendSection(nil, Detail, r)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := hand(nil, handRecordOf(r)); err != nil || string(got) != string(want) {
				t.Fatalf("%s: %v\n%q\n%q", name, err, got, want)
			}
		}
	}
}

// BenchmarkReading compares files read with layouts with the standard library's readers: encoding/csv over the same rows in columns (the goal
// is 3 at most), the token readers of encoding/xml and encoding/json over the same bytes (1.5 at most). Those only part the bytes.
func BenchmarkReading(b *testing.B) {
	for _, c := range []struct {
		layout, peer string
		tokens       func([]byte) error
	}{
		{"south-delimited", "encoding-csv", csvRecords(';')}, {"north-fixed", "encoding-csv", csvRecords(',')},
		{"cardgen-style", "encoding-xml", xmlTokens}, {"native-json", "encoding-json", jsonTokens}, {"native-jsonl", "encoding-json", jsonTokens},
	} {
		l := builtIn(b)[c.layout]
		head, records := plainCards(CardFile, benchRecords)
		file := writeAll(b, l, head, records...)
		same := file
		if l.spec.mode == fixedMode {
			same = inColumns(b, l, records)
		}
		b.Run(c.layout, func(b *testing.B) {
			sideBySide(b, benchRecords, c.peer, func() {
				if n, err := readThrough(l, bytes.NewReader(file)); err != nil || n != benchRecords {
					b.Fatal(n, err)
				}
			}, func() {
				if err := c.tokens(same); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// readThrough reads a file to its end and counts its details.
func readThrough(l *Layout, file io.Reader) (details int, err error) {
	in := l.NewReader(file)
	for {
		which, _, err := in.Next()
		if errors.Is(err, io.EOF) {
			return details, nil
		}
		if err != nil {
			return details, err
		}
		if which == Detail {
			details++
		}
	}
}

func csvRecords(comma rune) func([]byte) error {
	return func(file []byte) error {
		in := csv.NewReader(bytes.NewReader(file))
		in.Comma, in.ReuseRecord, in.FieldsPerRecord = comma, true, -1
		for {
			if _, err := in.Read(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	}
}

func xmlTokens(file []byte) error {
	in := xml.NewDecoder(bytes.NewReader(file))
	for {
		if _, err := in.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func jsonTokens(file []byte) error {
	in := json.NewDecoder(bytes.NewReader(file))
	for {
		if _, err := in.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// inColumns writes the values of a fixed layout's details as CSV.
func inColumns(b *testing.B, l *Layout, records []*Record) []byte {
	b.Helper()
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	for _, r := range records {
		var row []string
		for i := range l.sections[Detail].columns {
			cell, err := l.appendCell(nil, i, r)
			if err != nil {
				b.Fatal(err)
			}
			row = append(row, strings.TrimSpace(string(cell)))
		}
		if err := w.Write(row); err != nil {
			b.Fatal(err)
		}
	}
	w.Flush()
	return out.Bytes()
}

// millions is how many records the memory of either way is measured with: the most that a file may have.
const millions = maxFileRecords

// memoryBound is the most memory that either way may take, in MiB.
const memoryBound = 64

// BenchmarkMemory writes ten million records of every mode, and reads them while they are written, and reports the most memory that the process
// had of the system, and its part of what it may have.
func BenchmarkMemory(b *testing.B) {
	for _, name := range []string{"north-fixed", "south-delimited", "datacard-style", "native-jsonl", "native-json", "cardgen-style"} {
		l := builtIn(b)[name]
		head, records := plainCards(CardFile, 1)
		write := func(to io.Writer) error {
			whole := merged(head)
			whole.SetInt(FileRecords, millions)
			whole.SetInt(FileCarriers, millions)
			w, err := l.NewWriter(to, whole)
			for i := 1; err == nil && i <= millions; i++ {
				records[0].SetInt(RecordNumber, int64(i))
				err = w.Write(records[0])
			}
			if err != nil {
				return err
			}
			return w.Close()
		}
		b.Run("write/"+name, func(b *testing.B) {
			reportMemory(b, func() error { return write(io.Discard) })
		})
		b.Run("read/"+name, func(b *testing.B) {
			reportMemory(b, func() error {
				out, in := io.Pipe()
				go func() { _ = in.CloseWithError(write(in)) }()
				n, err := readThrough(l, out)
				if err == nil && n != millions {
					err = fmt.Errorf("%d records", n)
				}
				return err
			})
		})
	}
}

// reportMemory runs work and reports the most that the runtime held meanwhile.
func reportMemory(b *testing.B, work func() error) {
	b.Helper()
	debug.FreeOSMemory() // what benchmarks before this one left is not its own
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	var most atomic.Uint64
	done := make(chan struct{})
	go func() {
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			metrics.Read(sample)
			most.Store(max(most.Load(), sample[0].Value.Uint64()-sample[1].Value.Uint64()))
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	for range b.N {
		if err := work(); err != nil {
			b.Fatal(err)
		}
	}
	close(done)
	held := float64(most.Load()) / (1 << 20)
	b.ReportMetric(held, "MiB")
	b.ReportMetric(held/memoryBound, "x/bound")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkOrders compares taking rows in (parse, check, transliterate the name) with gocsv's own streaming of the same file into the same
// struct. The goal is 2 at most.
func BenchmarkOrders(b *testing.B) {
	body, err := os.ReadFile(filepath.Join("..", "samples", "orders", "bulk-1000.csv"))
	if err != nil {
		b.Fatal(err)
	}
	header, rows, _ := bytes.Cut(body, []byte("\n"))
	var whole [][]byte // some rows of the sample are wrong on purpose, and gocsv stops at the first that has other columns
	for _, row := range bytes.SplitAfter(rows, []byte("\n")) {
		if values, err := csv.NewReader(bytes.NewReader(row)).Read(); err == nil && len(values) == bytes.Count(header, []byte(","))+1 {
			whole = append(whole, row)
		}
	}
	rows = bytes.Join(whole, nil)
	file := append(append(slices.Clone(header), '\n'), bytes.Repeat(rows, 20)...)
	n := bytes.Count(rows, []byte("\n")) * 20
	b.Run("bulk-csv", func(b *testing.B) {
		sideBySide(b, n, "gocsv", func() {
			if err := takeIn(file); err != nil {
				b.Fatal(err)
			}
		}, func() {
			in, err := gocsv.NewUnmarshaller(csv.NewReader(bytes.NewReader(file)), fileRow{})
			for err == nil {
				_, err = in.Read()
			}
			if !errors.Is(err, io.EOF) {
				b.Fatal(err)
			}
		})
	})
}

// takeIn reads an order as intake does, up to what needs a database.
func takeIn(file []byte) error {
	in, err := NewOrderReader(bytes.NewReader(file))
	if err != nil {
		return err
	}
	for {
		row, _, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := row.EmbossName
		if name == "" {
			name = row.FirstName + " " + row.LastName
		}
		_, _ = FitName(name, longestName)
	}
}
