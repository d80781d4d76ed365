package main_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// freshService starts a service on a fresh directory of the samples, without bureaus.
func freshService(t *testing.T) (*service, string) {
	t.Helper()
	dir := prepare(t, sizes{mass: 20, bulk: 20, actions: 3})
	platen(t, "init", dir)
	platen(t, "db", "migrate", config(dir))
	platen(t, "apply", config(dir), "-f", filepath.Join(dir, "programs"))
	return serve(t, dir, "--no-schedules"), dir
}

func TestAWrongHeaderIsRefusedBeforeTheFirstRow(t *testing.T) {
	t.Parallel()
	s, dir := freshService(t)
	for name, c := range map[string]struct{ header, column string }{
		"misspelt": {"product,quantitty", "quantitty"}, //nolint:misspell // on purpose
		"missing":  {"product,first_name,address1,city,country", "last_name"},
		"doubled":  {"product,quantity,branch,branch", "branch"},
		"empty":    {"product,quantity,", ""},
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte(c.header + "\nprepaid-mag,5,,,,\n")
			a := s.csv("/v1/orders?reference=HEADER-"+name, body)
			a.refused(t, http.StatusUnprocessableEntity, "bad_header")
			p := loose[struct{ Column, Detail string }](t, a.body)
			if p.Column != c.column || !strings.Contains(p.Detail, c.column) {
				t.Errorf("the problem names column %q: %s", p.Column, p.Detail)
			}
			path := filepath.Join(t.TempDir(), "order.csv")
			put(t, path, body)
			o := run(t, "order", "submit", path, "--reference", "HEADER-"+name, config(dir))
			if o.code == 0 || o.stdout != "" || !strings.Contains(o.stderr, c.column) {
				t.Errorf("order submit: exit code %d, %q, %q", o.code, o.stdout, o.stderr)
			}
		})
	}
	if list := loose[[]demoOrder](t, platen(t, "order", "list", "--json", config(dir))); len(list) != 0 {
		t.Errorf("%d orders were left behind", len(list))
	}
}

func TestAReferenceIsOneContent(t *testing.T) {
	t.Parallel()
	s, _ := freshService(t)
	body := []byte("product,quantity\nprepaid-mag,5\n")
	type receipt struct {
		ID         string
		Requested  int64
		NextCutoff struct {
			Schedule string
			At       string
		} `json:"next_cutoff"`
	}
	first, again := loose[receipt](t, s.order("ONCE", body).body), loose[receipt](t, s.order("ONCE", body).body)
	if first.ID == "" || first.Requested != 5 || first.NextCutoff.Schedule != "nightly" || first.NextCutoff.At == "" {
		t.Errorf("the order is answered with %+v", first)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the repetition is answered otherwise:\n%s", diff)
	}
	s.csv("/v1/orders?reference=ONCE", []byte("product,quantity\nprepaid-mag,6\n")).refused(t, http.StatusUnprocessableEntity, "reference_reused")
}

func TestAnOrderInFlightIsAConflict(t *testing.T) {
	t.Parallel()
	s, dir := freshService(t)
	body := []byte("product,quantity\nprepaid-mag,5\n")
	slow, sender := io.Pipe()
	type reply struct {
		answer answer
		err    error
	}
	done := make(chan reply, 1)
	go func() {
		a, err := s.try(http.MethodPost, "/v1/orders?reference=SLOW", map[string]string{"Content-Type": "text/csv"}, slow)
		done <- reply{a, err}
	}()
	_, err := sender.Write(body)
	must(t, err)
	until(t, "the beginning of the intake", func() bool {
		return len(loose[[]demoOrder](t, platen(t, "order", "list", "--json", config(dir)))) == 1
	})
	s.csv("/v1/orders?reference=SLOW", body).refused(t, http.StatusConflict, "order_in_flight")
	must(t, sender.Close())
	if r := <-done; r.err != nil || r.answer.status/100 != 2 {
		t.Errorf("the first sender is answered with %d %s, %v", r.answer.status, r.answer.body, r.err)
	}
	s.order("SLOW", body)
}

func TestACorrectionContinuesItsOrder(t *testing.T) {
	t.Parallel()
	s, dir := freshService(t)
	rows := [][]string{{"product", "quantity", "branch"}, {"prepaid-mag", "5", "B-1"}, {"prepaid-mag", "0", "B-2"}, {"no-such-card", "2", "B-3"}, {"prepaid-mag", "many", "B-4"}}
	s.order("GAPS", table(t, rows))
	gaps := loose[demoOrder](t, platen(t, "order", "show", "GAPS", "--json", config(dir)))
	if gaps.Requested != 5 || gaps.RefusedRows != 3 {
		t.Fatalf("%d cards, %d refused rows", gaps.Requested, gaps.RefusedRows)
	}
	a := s.get("/v1/orders/" + gaps.ID + "/errors?format=csv")
	if cli := platen(t, "order", "errors", "GAPS", config(dir)); cli != a.body {
		t.Errorf("the correction of the command and of the API differ:\n%s\n%s", cli, a.body)
	}
	faulty, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	must(t, err)
	column := map[string]int{}
	for i, name := range faulty[0] {
		column[name] = i
	}
	for i, want := range []struct{ line, field string }{{"3", "quantity"}, {"4", "product"}, {"5", "quantity"}} {
		row := faulty[i+1]
		if row[column["line"]] != want.line || row[column["field"]] != want.field || row[column["code"]] == "" || row[column["hint"]] == "" {
			t.Errorf("row %d is refused as %q", i, row)
		}
		row[column["product"]], row[column["quantity"]] = "prepaid-mag", "3"
	}
	corrected := table(t, faulty[:3]) // two of three are put right now, the third later
	if a := s.csv("/v1/orders/"+gaps.ID+"/corrections", corrected); a.status/100 != 2 {
		t.Fatalf("correction: %d %s", a.status, a.body)
	}
	path := filepath.Join(t.TempDir(), "corrections.csv")
	put(t, path, table(t, [][]string{faulty[0], faulty[3]}))
	platen(t, "order", "submit", path, config(dir))
	if whole := loose[demoOrder](t, platen(t, "order", "show", "GAPS", "--json", config(dir))); whole.Requested != 14 || whole.RefusedRows != 0 {
		t.Errorf("after the corrections: %d cards, %d refused rows", whole.Requested, whole.RefusedRows)
	}
}

func TestEveryBadRowHasItsCode(t *testing.T) {
	t.Parallel()
	s, dir := freshService(t)
	rows := [][]string{{"product", "first_name", "last_name", "emboss_name", "address1", "city", "country", "expiry"},
		{"visa-debit-chip", "Asha", "Rao", "", "1 Lake Road", "Pune", "IN", ""},
		{"visa-debit-chip", "Asha", "Rao", strings.Repeat("A", 27), "1 Lake Road", "Pune", "IN", ""},
		{"visa-debit-chip", "张", "Rao", "", "1 Lake Road", "Pune", "IN", ""},
		{"visa-debit-chip", "Asha", "Rao", "", "1 Lake Road", "Pune", "IN", "2001-01"},
		{"no-such-card", "Asha", "Rao", "", "1 Lake Road", "Pune", "IN", ""}}
	s.order("ROWS", table(t, rows))
	s.order("QUANTITIES", []byte("product,quantity\nprepaid-mag,0\nprepaid-mag,1000001\nprepaid-mag,1\n"))
	s.order("CARDS", []byte("card,reason\nROWS#999,LOST\nNOBODY#1,LOST\n"))
	for reference, want := range map[string]string{
		"ROWS":       "3 emboss_name name_too_long|4 first_name name_unmappable|5 expiry expiry_past|6 product unknown_product",
		"QUANTITIES": "2 quantity quantity_zero|3 quantity quantity_over_maximum",
		"CARDS":      "2 card unknown_card|3 card unknown_card",
	} {
		faulty, err := csv.NewReader(strings.NewReader(platen(t, "order", "errors", reference, config(dir)))).ReadAll()
		must(t, err)
		column := map[string]int{}
		for i, name := range faulty[0] {
			column[name] = i
		}
		var got []string
		for _, row := range faulty[1:] {
			got = append(got, fmt.Sprintf("%s %s %s", row[column["line"]], row[column["field"]], row[column["code"]]))
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s: %q, want %q", reference, strings.Join(got, "|"), want)
		}
	}
}

func TestSimulatedBureausRefuseFlagsThatDoNotGoTogether(t *testing.T) {
	t.Parallel()
	for flags, said := range map[string]string{"--profile good --reject 500": "--dial reject=N", "--profile good --spoil 1": "--dial spoil=N", "--day 10m": "--profile"} {
		o := run(t, append([]string{"bureau", "simulate", config(t.TempDir())}, strings.Fields(flags)...)...)
		if o.code == 0 || !strings.Contains(o.stderr, said) {
			t.Errorf("%s: exit code %d, %q", flags, o.code, o.stderr)
		}
	}
}

func TestApplyRefusesWhatIsWrongAndNamesFileAndLine(t *testing.T) {
	t.Parallel()
	dir := prepare(t, sizes{mass: 20, bulk: 20, actions: 3})
	platen(t, "init", dir)
	platen(t, "db", "migrate", config(dir))
	for name, c := range map[string]struct{ file, old, new, said string }{
		"unknown key":        {"programs/products/prepaid-mag.yaml", "design: GIFT-RED", "desing: GIFT-RED", "desing"},
		"overlapping fields": {"layouts/north-fixed.yaml", "{at: 9, len: 24, value: record.uid}", "{at: 8, len: 24, value: record.uid}", "overlap"},
		"unknown field":      {"layouts/north-fixed.yaml", "value: card.token", "value: card.tokken", "card.tokken"},
	} {
		t.Run(name, func(t *testing.T) {
			broken := copyDir(t, dir)
			body := read(t, filepath.Join(broken, c.file))
			before, _, found := strings.Cut(string(body), c.old)
			if !found {
				t.Fatalf("%s holds no %q", c.file, c.old)
			}
			put(t, filepath.Join(broken, c.file), bytes.Replace(body, []byte(c.old), []byte(c.new), 1))
			for _, flags := range [][]string{nil, {"--dry-run"}} {
				o := run(t, append([]string{"apply", config(broken), "-f", filepath.Join(broken, "programs")}, flags...)...)
				where := fmt.Sprintf("%s:%d", filepath.Base(c.file), 1+strings.Count(before, "\n"))
				if o.code == 0 || o.stdout != "" || !strings.Contains(o.stderr, where) || !strings.Contains(o.stderr, c.said) {
					t.Errorf("exit code %d, want %s and %q in %q", o.code, where, c.said, o.stderr)
				}
			}
		})
	}
}
