package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"platen/bureau"
	"platen/card"
	"platen/formats"
	"platen/samples"
)

var updateManual = flag.Bool("update-manual", false, "write the generated tables into docs")

var generatedBlock = regexp.MustCompile(`(?s)<!-- generated: ([a-z0-9 -]+) -->\n(.*?)<!-- end -->`)

func TestTheGeneratedTablesOfTheManualAreCurrent(t *testing.T) {
	seen := 0
	for name, page := range manual(t) {
		fresh := generatedBlock.ReplaceAllStringFunc(page, func(block string) string {
			seen++
			which := generatedBlock.FindStringSubmatch(block)[1]
			return fmt.Sprintf("<!-- generated: %s -->\n%s<!-- end -->", which, generate(t, which))
		})
		if fresh == page {
			continue
		}
		if !*updateManual {
			t.Errorf("docs/%s has tables that are not current: go test ./cmd/platen -run %s -update-manual", name, t.Name())
			continue
		}
		if err := os.WriteFile(filepath.Join(manualRoot, "docs", name), []byte(fresh), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if seen < 15 {
		t.Errorf("only %d generated tables were found", seen)
	}
}

func TestTheManualNamesEveryDial(t *testing.T) {
	guide := manual(t)["guide.md"]
	simulate, _, err := bureauCommand(&shared{}).Find([]string{"simulate"})
	if err != nil {
		t.Fatal(err)
	}
	for _, dial := range bureau.DialNames() {
		if !regexp.MustCompile(`(?m)^\|.*`+"`"+dial+"`"+`.*\|`).MatchString(guide) || !regexp.MustCompile(`\b`+dial+`\b`).MatchString(simulate.Long) {
			t.Errorf("the dial %s is not named in the manual, or not by the command", dial)
		}
	}
}

func generate(t *testing.T, which string) string {
	t.Helper()
	kind, name, _ := strings.Cut(which, " ")
	switch kind {
	case "fields":
		return fieldTable()
	case "columns":
		return columnTable(t)
	case "sheet":
		return sheet(t, name)
	case "states":
		return states(t, name)
	}
	t.Fatalf("the manual asks for a table %q", which)
	return ""
}

func fieldTable() string {
	var b strings.Builder
	b.WriteString("| fields | class |\n| --- | --- |\n")
	for class := formats.Public; class <= formats.PINBlock; class++ {
		var names []string
		for _, f := range formats.Fields() {
			if f.Sensitivity() == class {
				names = append(names, "`"+f.String()+"`")
			}
		}
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(names, " "), class)
	}
	return b.String()
}

var orderKinds = []formats.OrderKind{formats.MassOrder, formats.BulkOrder, formats.ActionOrder}

// columnTable asks the reader's own checks: which kinds take a column, and from how many characters on it is too long.
func columnTable(t *testing.T) string {
	t.Helper()
	uses := map[string][]string{}
	var order []string
	for i, kind := range orderKinds {
		allowed, required := formats.OrderColumns(kind)
		for _, name := range allowed {
			if uses[name] == nil {
				uses[name] = make([]string, len(orderKinds))
			}
			uses[name][i] = "may"
		}
		for _, name := range required {
			uses[name][i] = "must"
		}
	}
	row := regexp.MustCompile(`csv:"([a-z0-9_]+)"`)
	source, err := os.ReadFile(filepath.Join(manualRoot, "formats", "order.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range row.FindAllStringSubmatch(string(source), -1) {
		order = append(order, found[1])
	}
	if len(order) != len(uses) {
		t.Fatalf("%d columns in the row, %d in the kinds", len(order), len(uses))
	}
	var b strings.Builder
	b.WriteString("| column | mass | bulk | card-action | characters |\n| --- | --- | --- | --- | --- |\n")
	for _, name := range order {
		fmt.Fprintf(&b, "| `%s` | %s | %d |\n", name, strings.Join(uses[name], " | "), limitOf(t, name, uses[name]))
	}
	return b.String()
}

func limitOf(t *testing.T, column string, uses []string) int {
	t.Helper()
	kind := formats.MassOrder
	for i, use := range uses {
		if use != "" {
			kind = orderKinds[i]
		}
	}
	for n := 1; n < 1000; n++ {
		var row formats.Row
		body, err := json.Marshal(map[string]string{column: strings.Repeat("a", n)})
		if err == nil {
			err = json.Unmarshal(body, &row)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range formats.CheckRow(kind, &row) {
			if f.Field == column && f.Code == formats.FaultTooLong {
				return n - 1
			}
		}
	}
	t.Fatalf("column %s has no limit", column)
	return 0
}

func sheet(t *testing.T, name string) string {
	t.Helper()
	body, err := fs.ReadFile(samples.FS, "layouts/"+name+".yaml")
	if err != nil {
		t.Fatal(err)
	}
	l, err := formats.Load(name, body)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("```\n")
	last, bytes := formats.Section(0), map[formats.Section]int{}
	for _, r := range l.Sheet() {
		bytes[r.Section] += r.Length
	}
	for _, r := range l.Sheet() {
		if r.Section != last {
			last = r.Section
			b.WriteString(r.Part)
			if r.At > 0 {
				fmt.Fprintf(&b, ", %d bytes", bytes[r.Section])
			}
			b.WriteByte('\n')
		}
		where := r.Place
		if r.At > 0 {
			where = fmt.Sprintf("%d+%d", r.At, r.Length)
		}
		fmt.Fprintf(&b, "  %-12s  %s\n", where, strings.Join(append([]string{r.Content}, r.Form...), " | "))
	}
	return b.String() + "```\n"
}

func states(t *testing.T, object string) string {
	t.Helper()
	switch object {
	case "order":
		return drawStates(card.OrderReceived)
	case "file":
		return drawStates(card.FilePlanned)
	case "issue":
		return drawStates(card.IssueFollowsFile)
	case "use":
		return drawStates(card.UsePending)
	case "card":
		return drawStates(card.CardInactive)
	case "return":
		return drawStates(card.ReturnDetected)
	case "batch":
		return drawStates(card.BatchOpen)
	case "holder":
		return drawStates(card.HolderWaiting)
	case "operation":
		return drawStates(card.OperationWaiting)
	}
	t.Fatalf("nothing is known of the states of %q", object)
	return ""
}

// drawStates writes a transition table as text, from the first state on.
func drawStates[S interface {
	~uint8
	String() string
	To(S) error
}](first S) string {
	var all []S
	width := 0
	for s := first; !strings.HasPrefix(s.String(), "unknown"); s++ {
		all = append(all, s)
		width = max(width, len(s.String()))
	}
	var b strings.Builder
	b.WriteString("```\n")
	for _, from := range all {
		var to []string
		for _, next := range all {
			if from.To(next) == nil {
				to = append(to, next.String())
			}
		}
		if len(to) == 0 {
			fmt.Fprintf(&b, "%-*s  ends\n", width, from)
			continue
		}
		fmt.Fprintf(&b, "%-*s ─▶ %s\n", width, from, strings.Join(to, ", "))
	}
	return b.String() + "```\n"
}
