package formats_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"platen/formats"
)

const bulkHeader = "product,first_name,last_name,address1,city,country\n"

// rowsOf reads an order file to its end.
func rowsOf(t testing.TB, in string) (rows []formats.Row, faults []formats.Fault) {
	t.Helper()
	r, err := formats.NewOrderReader(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	for {
		row, wrong, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, faults
		}
		if err != nil {
			t.Fatal(err)
		}
		rows, faults = append(rows, row), append(faults, wrong...)
	}
}

func TestOrderReaderFindsTheKindByItsColumns(t *testing.T) {
	for header, want := range map[string]formats.OrderKind{
		"product,quantity": formats.MassOrder, "quantity,product,emboss_name": formats.MassOrder,
		bulkHeader: formats.BulkOrder, "card,reason": formats.ActionOrder, "\xef\xbb\xbfcard, reason ,same_day\r": formats.ActionOrder,
	} {
		r, err := formats.NewOrderReader(strings.NewReader(strings.TrimSuffix(header, "\n") + "\n"))
		if err != nil || r.Kind() != want || r.IsCorrection() {
			t.Errorf("%q: %v, %v", header, r, err)
		}
	}
}

func TestOrderReaderRefusesAHeaderAndNamesTheColumn(t *testing.T) {
	for header, want := range map[string]string{
		"product,quantty": `header of a mass order file: column "quantty" is unknown; column "quantity" is missing`,
		"product,first_name,last_name,adress1,address1,city,country": `header of a bulk order file: column "adress1" is unknown`,
		"product,first_name,last_name,address1,city,country,city":    `header of a bulk order file: column "city" stands twice`,
		"product,first_name,last_name,address1,city":                 `header of a bulk order file: column "country" is missing`,
		"product,quantity,": `header of a mass order file: column 3 has no name`,
		"product;quantity":  "header of an order file: columns are parted by commas",
		"":                  "header of an order file: the file is empty",
		"card,reason,line":  `header of a card-action order file: column "order" is missing`,
		"Product,Quantity":  `header of a mass order file: column "Product" is unknown; column "Quantity" is unknown; column "product" is missing; column "quantity" is missing`,
		`product,"quantity`: "header of an order file: its quotes are malformed",
		"product,quantity," + strings.Repeat("x", 70_000) + ",branch": "header of an order file: a row has at most 64 kB",
		"4111111111111111,1": `header of a mass order file: column 1 is unknown, and what stands there does not look like a name; column 2 is unknown, and what stands there ` +
			`does not look like a name; column "product" is missing; column "quantity" is missing`,
		"product,quantity,A4111-1111-1111-1111": "header of a mass order file: column 3 is unknown, and what stands there does not look like a name",
		"\x1f\x8b\x08\x00,product,quantity":     "header of an order file: the file is compressed: unpack it first",
	} {
		_, err := formats.NewOrderReader(strings.NewReader(header + "\nx,y\n"))
		var fault *formats.HeaderError
		if !errors.As(err, &fault) || err.Error() != want {
			t.Errorf("%.60q: got %v", header, err)
		}
	}
}

func TestOrderReaderTellsWhatIsWrongWithARow(t *testing.T) {
	header := "product,first_name,last_name,title,emboss_name,address1,address2,city,postcode,country,delivery,branch,language,expiry,same_day\n"
	good := []string{"visa-debit-chip", "Zoë", "D'Arcy", "Dr", "", "1 rue du Bac", "", "Paris", "75007", "FR", "COURIER", "B-17", "fr", "2031-05", "true"}
	for _, c := range []struct {
		at    int
		value string
		field string
		code  string
	}{
		{0, "", "product", formats.FaultRequired},
		{1, "", "first_name", formats.FaultRequired},
		{1, "محمد", "first_name", formats.FaultNameUnmappable},
		{2, "山田", "last_name", formats.FaultNameUnmappable},
		{3, "Oberlandesgerichtsrat", "title", formats.FaultTooLong},
		{5, strings.Repeat("Ä", 21), "address1", formats.FaultTooLong},
		{5, "ถนนสุขุมวิท 7", "address1", formats.FaultUnmappable},
		{6, "a\tb", "address2", formats.FaultControl},
		{6, "a\xffb", "address2", formats.FaultUnmappable},
		{7, "", "city", formats.FaultRequired},
		{9, "XX", "country", formats.FaultUnknownCountry},
		{9, "fr", "country", formats.FaultUnknownCountry},
		{9, "FRA", "country", formats.FaultTooLong},
		{10, "pigeon", "delivery", formats.FaultUnknownMethod},
		{11, "B/17", "branch", formats.FaultBadCode},
		{12, "FR", "language", formats.FaultUnknownLang},
		{13, "2031-13", "expiry", formats.FaultBadExpiry},
		{13, "05/31", "expiry", formats.FaultBadExpiry},
		{14, "yes", "same_day", formats.FaultBadFlag},
	} {
		cells := append([]string(nil), good...)
		cells[c.at] = c.value
		_, faults := rowsOf(t, header+strings.Join(good, ",")+"\n\""+strings.Join(cells, `","`)+"\"\n")
		if len(faults) != 1 || faults[0].Line != 3 || faults[0].Field != c.field || faults[0].Code != c.code || faults[0].Hint == "" {
			t.Errorf("%q in column %d: %+v", c.value, c.at, faults)
		}
		for _, f := range faults {
			if len(c.value) > 4 && strings.Contains(f.Hint, c.value) {
				t.Errorf("the hint repeats the value: %s", f.Hint)
			}
		}
	}
}

func TestMassRowsNeedAQuantityAndAWholeAddress(t *testing.T) {
	_, faults := rowsOf(t, "product,quantity,address1,city,country\np,-5,,,\np,1e3,,,\np,,,,\np,7,1 Quay,,\n")
	var got []string
	for _, f := range faults {
		got = append(got, fmt.Sprintf("%d %s %s", f.Line, f.Field, f.Code))
	}
	want := []string{"2 quantity not_a_number", "3 quantity not_a_number", "4 quantity required", "5 city required", "5 country required"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestActionRowsNeedACardThatIsNoNumber(t *testing.T) {
	for card, ok := range map[string]bool{
		"T01ABCDEFGHJKLMNPQ1": true, "DEMO-BULK#17": true, "4111111111111111": false, "DEMO-BULK#": false, "DEMO#BULK#1": false, "#1": false, "DEMO#0": false,
	} {
		_, faults := rowsOf(t, "card,reason\n"+card+",LOST\n")
		if (len(faults) == 0) != ok {
			t.Errorf("%s: %+v", card, faults)
		}
	}
}

func TestARowOfAnotherWidthIsAFaultAndNotTheEnd(t *testing.T) {
	rows, faults := rowsOf(t, bulkHeader+"p,Ann,Lee,1 A St,Cork,IE\np,Ann,Lee,1 A St, Apt 2,Cork,IE\np,Ann\n\np,Bo,Ek,2 B St,Umeå,SE\n")
	if len(rows) != 4 || rows[3].Line != 6 || rows[3].City != "Umeå" || rows[1].FirstName != "Ann" || rows[1].City != "Apt 2" || rows[2].Line != 4 {
		t.Errorf("rows %+v", rows)
	}
	if len(faults) != 2 || faults[0].Code != formats.FaultColumnCount || !strings.Contains(faults[0].Hint, "copy them from line 3") || faults[0].Line != 3 || faults[1].Line != 4 {
		t.Errorf("faults %+v", faults)
	}
}

func TestMalformedQuotesEndTheFileAndNameTheLine(t *testing.T) {
	r, err := formats.NewOrderReader(strings.NewReader(bulkHeader + "p,Ann,Lee,1 A St,Cork,IE\np,\"Ann\" x,Lee,1 A St,Cork,IE\np,Bo,Ek,2 B St,Umeå,SE\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, _, err = r.Next()
		var at *formats.ReadError
		if !errors.As(err, &at) || at.Line != 3 {
			t.Errorf("got %v", err)
		}
	}
}

// endless is a row that never ends.
type endless struct{ given int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.given += len(p)
	return len(p), nil
}

func TestARowWithoutEndIsRefusedInBoundedMemory(t *testing.T) {
	for _, begin := range []string{"p,", `p,"`} {
		tail := &endless{}
		r, err := formats.NewOrderReader(io.MultiReader(strings.NewReader(bulkHeader+"p,Ann,Lee,1 A St,Cork,IE\n"+begin), tail))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = r.Next()
		if err == nil {
			_, _, err = r.Next()
		}
		var at *formats.ReadError
		if !errors.As(err, &at) || at.Line != 3 || tail.given > 200<<10 {
			t.Errorf("after %d bytes: %v", tail.given, err)
		}
	}
}

func TestCorrectionsComeBackAsTheyWere(t *testing.T) {
	rows := []formats.CorrectionRow{
		{Row: formats.Row{Line: 17, Product: "=cmd()", FirstName: "-Ann", LastName: "'t Hooft", Address1: "'=x", Address2: "+49", City: "''@y", Country: "NL"},
			Faults: []formats.Fault{{Line: 17, Field: "product", Code: "unknown_product", Hint: "a, b"}, {Line: 17, Field: "city", Code: "too_long", Hint: "c"}}},
		{Row: formats.Row{Line: 900, Product: "p", FirstName: `A "B"`, LastName: "C, D", Address1: "x", City: "y", Country: "SE"}},
	}
	var file bytes.Buffer
	if err := formats.WriteCorrections(&file, formats.BulkOrder, "0190-order", rows); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(file.String(), "\n") {
		for _, cell := range strings.Split(line, ",") {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@") {
				t.Errorf("a cell begins like a formula: %s", cell)
			}
		}
	}
	r, err := formats.NewOrderReader(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if !r.IsCorrection() || r.OrderID() != "0190-order" || r.Kind() != formats.BulkOrder {
		t.Errorf("correction %v of %q, kind %v", r.IsCorrection(), r.OrderID(), r.Kind())
	}
	for i := range rows {
		row, faults, err := r.Next()
		if err != nil || len(faults) > 0 {
			t.Fatal(err, faults)
		}
		if diff := cmp.Diff(rows[i].Row, row); diff != "" {
			t.Error(diff)
		}
	}
	if _, _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestACorrectionBelongsToOneOrderAndKeepsItsLines(t *testing.T) {
	_, faults := rowsOf(t, "order,line,card,reason\no1,5,A#1,LOST\no2,6,A#2,LOST\no1,,A#3,LOST\n")
	if len(faults) != 2 || faults[0].Code != formats.FaultOtherOrder || faults[0].Line != 6 || faults[1].Code != formats.FaultBadLine {
		t.Errorf("%+v", faults)
	}
}

func FuzzOrderReader(f *testing.F) {
	f.Add(bulkHeader + "p,Ann,Lee,1 A St,Cork,IE\n")
	f.Add("product,quantity\np,5\np\n\"p\n")
	f.Add("order,line,field,code,hint,card,reason\no,2,,,,'=A#1,LOST\n")
	f.Fuzz(func(t *testing.T, in string) {
		r, err := formats.NewOrderReader(strings.NewReader(in))
		if err != nil {
			return
		}
		last := int64(0)
		for n := 0; ; n++ {
			row, faults, err := r.Next()
			if err != nil {
				return
			}
			if n > len(in) || row.Line < 2 || !r.IsCorrection() && row.Line <= last {
				t.Fatalf("row %d says line %d after %d", n, row.Line, last)
			}
			last = row.Line
			for _, fault := range faults {
				if fault.Code == "" || fault.Hint == "" {
					t.Fatalf("empty fault %+v", fault)
				}
			}
		}
	})
}
