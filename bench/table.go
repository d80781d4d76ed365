package bench

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
)

// Line is one measurement beside its target.
type Line struct {
	What    string  `json:"what"`
	Value   float64 `json:"value"`           // the median
	Unit    string  `json:"unit"`            // cards/s, MiB, ...
	Ratio   float64 `json:"ratio,omitempty"` // of medians, against Against
	Against string  `json:"against,omitempty"`
	Target  string  `json:"target,omitempty"`
	Reached *bool   `json:"reached,omitempty"` // nil where there is no target, or not at this size
	Rounds  int     `json:"rounds"`
	Note    string  `json:"note,omitempty"`
}

// Table is what one run measured and under which conditions.
type Table struct {
	Conditions []string `json:"conditions"`
	Lines      []Line   `json:"lines"`
}

// holds is a verdict on a target.
func holds(ok bool) *bool { return &ok }

// median of some measurements; 0 of none.
func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

func (b *bench) add(l Line) {
	b.table.Lines = append(b.table.Lines, l)
	b.Say("%s", l.text())
}

func (l Line) text() string {
	text := fmt.Sprintf("%s: %.*f %s", l.What, decimals(l.Value), l.Value, l.Unit)
	if l.Ratio != 0 {
		text += fmt.Sprintf(", %.2f x %s", l.Ratio, l.Against)
	}
	if l.Target != "" {
		text += fmt.Sprintf(" (%s: %s)", l.Target, l.verdict())
	}
	return text
}

func decimals(v float64) int {
	if v < 10 {
		return 2
	}
	return 0
}

func (l Line) verdict() string {
	switch {
	case l.Reached == nil && l.Target == "":
		return ""
	case l.Reached == nil:
		return "not at this size"
	case *l.Reached:
		return "reached"
	}
	return "not reached"
}

// Print writes the table in Markdown, as docs/benchmarks.md holds it.
func (t Table) Print(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 4, 1, ' ', 0)
	_, _ = fmt.Fprintln(out, "| what\t| median\t| ratio\t| reach\t| verdict\t| rounds\t|") // an error stays in the writer until Flush
	_, _ = fmt.Fprintln(out, "| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|")
	for _, l := range t.Lines {
		ratio := ""
		if l.Ratio != 0 {
			ratio = fmt.Sprintf("%.2f × %s", l.Ratio, l.Against)
		}
		_, _ = fmt.Fprintf(out, "| %s\t| %.*f %s\t| %s\t| %s\t| %s\t| %d\t|\n", l.What, decimals(l.Value), l.Value, l.Unit, ratio, l.Target, l.verdict(), l.Rounds)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	for _, l := range t.Lines {
		if l.Note == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s: %s", l.What, l.Note); err != nil {
			return fmt.Errorf("print the table: %w", err)
		}
	}
	_, err := fmt.Fprintln(w)
	for _, c := range t.Conditions {
		if err == nil {
			_, err = fmt.Fprintf(w, "\n- %s", c)
		}
	}
	if err == nil {
		_, err = fmt.Fprintln(w)
	}
	if err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}

// conditions are what the numbers hold under, in words.
func (b *bench) conditions() []string {
	return []string{
		fmt.Sprintf("%s on %s/%s, %d processors for bench, workers and database together; nothing else ran, unless somebody says so", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
		"PostgreSQL with its default settings: fsync, full_page_writes and synchronous_commit on, 128 MB of shared buffers; SQLite in WAL with synchronous=FULL",
		fmt.Sprintf("the bound (raw) is the same rows of cards and issues in the same tables with their constraints, in transactions of %d cards on as many connections as files are made side by side (%d; SQLite has one), from lines that were put together before the clock ran",
			chunkRows, side),
		fmt.Sprintf("parts in rounds of %d cards, end to end in rounds of %d; files of 50000 lines of 300 bytes with CVV, CVV2, iCVV, PIN block, three tracks, OpenPGP, and every hundredth record made once more by the read-back", b.size.Part, b.size.Order),
		"software security module with test keys; mint includes PIN, PVV and their encryption, with every commit on disk",
	}
}
