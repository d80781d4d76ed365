package formats

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rowsOf reads an order file to its end.
func orderRows(t *testing.T, file string, m *Mapping) (OrderRows, []Row, []Fault, error) {
	t.Helper()
	in, err := NewOrderRows(strings.NewReader(file), m)
	if err != nil {
		return nil, nil, nil, err
	}
	var rows []Row
	var all []Fault
	for {
		row, faults, err := in.Next()
		if errors.Is(err, io.EOF) {
			return in, rows, all, nil
		}
		if err != nil {
			return in, rows, all, err
		}
		rows, all = append(rows, row), append(all, faults...)
	}
}

var coreBanking = &Mapping{
	Code: "core", Delimiter: ";", Columns: map[string]string{"CARDTYPE": "product", "FORENAME": "first_name", "SURNAME": "last_name", "STREET": "address1", "TOWN": "city", "LAND": "country"},
	Ignore: []string{"BATCHNO"}, Defaults: map[string]string{"delivery": "COURIER", "country": "FR"}, Values: map[string]map[string]string{"product": {"VDC": "visa-debit-chip"}, "country": {"GERMANY": "DE"}},
}

// One order, in our CSV, in another system's, as a JSON list and as JSON Lines: the rows are the same.
func TestAnOrderIsTheSameInEveryForm(t *testing.T) {
	own := "product,first_name,last_name,address1,city,country,delivery\nvisa-debit-chip,Łucja,Żółć,\"ul. Długa 7; m. 2\",Łódź,FR,COURIER\nvisa-debit-chip,Max,Ng,Hof 1,Ulm,DE,COURIER\n"
	_, want, faults, err := orderRows(t, own, nil)
	if err != nil || len(want) != 2 || len(faults) > 0 {
		t.Fatal(err, want, faults)
	}
	for name, c := range map[string]struct {
		file string
		m    *Mapping
	}{
		"another system's CSV": {"BATCHNO;CARDTYPE;FORENAME;SURNAME;STREET;TOWN;LAND\n7;VDC;Łucja;Żółć;\"ul. Długa 7; m. 2\";Łódź;\n7;VDC;Max;Ng;Hof 1;Ulm;GERMANY\n", coreBanking},
		"a JSON list":          {`[{"product":"visa-debit-chip","first_name":"Łucja","last_name":"Żółć","address1":"ul. Długa 7; m. 2","city":"Łódź","country":"FR","delivery":"COURIER"},` + "\n" + ` {"product":"visa-debit-chip","first_name":"Max","last_name":"Ng","address1":"Hof 1","city":"Ulm","country":"DE","delivery":"COURIER","branch":null}]`, nil},
		"another's JSON Lines": {"\xef\xbb\xbf" + `{"BATCHNO":7,"CARDTYPE":"VDC","FORENAME":"Łucja","SURNAME":"Żółć","STREET":"ul. Długa 7; m. 2","TOWN":"Łódź"}` + "\n" + `{"CARDTYPE":"VDC","FORENAME":"Max","SURNAME":"Ng","STREET":"Hof 1","TOWN":"Ulm","LAND":"GERMANY"}` + "\n", coreBanking},
	} {
		in, got, faults, err := orderRows(t, c.file, c.m)
		if err != nil || len(faults) > 0 || in.Kind() != BulkOrder {
			t.Errorf("%s: %v %v", name, err, faults)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	in, got, _, err := orderRows(t, `[{"product":"prepaid-mag","quantity":500,"same_day":true}]`, nil)
	if err != nil || in.Kind() != MassOrder || got[0].Quantity != "500" || got[0].SameDay != "true" {
		t.Errorf("%v %+v", err, got)
	}
}

func TestHostileJSONIsRefusedWithItsLine(t *testing.T) {
	const good = `{"product":"visa-debit-chip","first_name":"A","last_name":"B","address1":"x","city":"y","country":"FR"}`
	for name, c := range map[string]struct{ file, want string }{
		"cut in a row":         {good[:40], "the file ends before it is complete"},
		"cut list":             {"[" + good, "the file ends before it is complete"},
		"something behind":     {"[" + good + "]x", "something follows"},
		"a second list":        {"[" + good + "][]", "something follows"},
		"no object":            {"[1]", "a row must be an object"},
		"an unknown column":    {good + "\n" + `{"produkt":"x"}`, `line 3: column "produkt" is unknown`},
		"a number as a member": {good + "\n" + `{"city":"x","4111111111111111":1}`, "line 3: column 2 is unknown"},
		"a column twice":       {`{"product":"a","product":"b"}`, "stands twice"},
		"nested":               {`{"product":{"a":1}}`, "must be a text"},
		"invalid UTF-8":        {"{\"product\":\"\xff\"}", "not UTF-8"},
		"a row without end":    {`{"product":"` + strings.Repeat("x", 1<<20), "at most 64 kB"},
		"empty":                {"[]", "the file is empty"},
		"a comma too many":     {"[" + good + ",]", "not JSON"},
		"a NUL between rows":   {good + "\x00" + good, "not JSON"},
		"two rows on one line": {good + good, ""},
	} {
		_, _, _, err := orderRows(t, c.file, nil)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	if _, _, faults, err := orderRows(t, strings.Replace(good, `"A"`, `"=1+1"`, 1), nil); err != nil || len(faults) > 0 {
		t.Errorf("a formula in a name is the name checks' to judge: %v %v", faults, err)
	}
}

func TestAMappingThatIsWrongIsRefused(t *testing.T) {
	if err := coreBanking.Check(); err != nil {
		t.Error(err)
	}
	for want, m := range map[string]Mapping{
		`there is no column "nome"`:       {Columns: map[string]string{"A": "nome"}},
		"two columns become city":         {Columns: map[string]string{"A": "city", "B": "city"}},
		"A stands in columns too":         {Columns: map[string]string{"A": "city"}, Ignore: []string{"A"}},
		`defaults: there is no column "x`: {Defaults: map[string]string{"x": "y"}},
		`values: there is no column "x`:   {Values: map[string]map[string]string{"x": {}}},
		"is not one character":            {Delimiter: "::"},
	} {
		if err := m.Check(); err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, _, _, err := orderRows(t, "BATCHNO;CARDTYPE;OTHER\n", coreBanking); err == nil || !strings.Contains(err.Error(), `column "OTHER" is unknown`) {
		t.Error(err)
	}
	if _, _, _, err := orderRows(t, "BATCHNO;CARDTYPE;4111111111111111\n", coreBanking); err == nil || !strings.Contains(err.Error(), "column 3 is unknown") {
		t.Error(err)
	}
	if _, _, _, err := orderRows(t, "product;CARDTYPE;FORENAME;SURNAME;STREET;TOWN\n", coreBanking); err == nil || !strings.Contains(err.Error(), `column "product" stands twice`) {
		t.Error(err)
	}
}

func FuzzOrderJSON(f *testing.F) {
	f.Add(`[{"product":"a","quantity":5}]`)
	f.Add(`{"product":"a"}` + "\n" + `{"product":"b"}`)
	f.Add(strings.Repeat("0,", 20_000))
	f.Add(strings.Repeat("Ä,", 20_000))
	f.Fuzz(func(t *testing.T, file string) {
		_, rows, _, err := orderRows(t, file, nil)
		if err != nil && len(err.Error()) > 3000 {
			t.Errorf("%d rows, an error of %d bytes", len(rows), len(err.Error()))
		}
	})
}
