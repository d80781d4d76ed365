package formats

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/encoding/charmap"
)

// readOne reads a file of one detail.
func readOne(t *testing.T, l *Layout, file string) *Record {
	t.Helper()
	r := l.NewReader(strings.NewReader(file))
	for {
		which, rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if which == Detail {
			return merged(rec)
		}
	}
}

// writeAll writes a file of records.
func writeAll(t testing.TB, l *Layout, head *Record, records ...*Record) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := l.NewWriter(&out, merged(head))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAnIssuersLineBecomesTheEmbossersRecord(t *testing.T) {
	line := "000001#                          *4111 1111 1111 1111            29122601    ASHA RAO                                       %B4111111111111111^ASHA RAO                 /^2912201123A00000000000000000000?  456 ;4111111111111111=29122011230000000000?  0000012345678901 789 NEW"
	line += strings.Repeat(" ", 802-len(line)) + "\n"
	// The uid is the card's reference number; a line without one has no identifier.
	layouts := builtIn(t)
	card := readOne(t, layouts["fixed-802"], line)
	got := writeAll(t, layouts["tag-character"], new(Record), card)
	want := "000001$4111 1111 1111 1111#01/26 12/29     *456&ASHA RAO          @789[%B4111111111111111^ASHA RAO                 /^2912201123A00000000000000000000?;4111111111111111=29122011230000000000?;5F25=260101;57=4111111111111111D29122017890000000000F;9F1F=373839413030303030303030303030303030303030303030]\n"
	if string(got) != want {
		t.Errorf("got  %s want %s", got, want)
	}
}

func TestLinesOfFixedLayoutsHaveTheirLengths(t *testing.T) {
	layouts := builtIn(t)
	for name, want := range map[string][]int{"fixed-hdt": {199, 621, 621, 23}, "fixed-802": {802, 802}} {
		e := examplesOf(t, layouts[name])[0]
		file, err := e.write(layouts[name])
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(file), string(layouts[name].eol)), string(layouts[name].eol))
		for i, line := range lines {
			if len(lines) != len(want) || len(line) != want[i] {
				t.Errorf("%s: line %d has %d", name, i+1, len(line))
			}
		}
	}
}

func TestTracksOfEachLayoutHaveTheirLimits(t *testing.T) {
	layouts := builtIn(t)
	for _, c := range []struct {
		layout string
		field  Field
		limit  int
	}{{"cardgen-style", CardTrack1, 76}, {"cardgen-style", CardTrack2, 37}, {"north-fixed", CardTrack1, 76}, {"north-fixed", CardTrack2, 37}, {"embossing-json", CardChipTrack2, 38}} {
		l := layouts[c.layout]
		for n := c.limit; n <= c.limit+1; n++ {
			rec := merged(examplesOf(t, l)[0].records[0])
			rec.SetString(c.field, strings.Repeat("9", n))
			if err := l.NewPart().Add(rec); (err == nil) != (n == c.limit) {
				t.Errorf("%s: %s of %d characters: %v", c.layout, c.field, n, err)
			}
		}
	}
	// With sentinels the tracks of the 802-character line are 78 and 39, without them those of header, detail and trailer are 65 and 37.
	hdt, err := examplesOf(t, layouts["fixed-hdt"])[0].write(layouts["fixed-hdt"])
	if err != nil {
		t.Fatal(err)
	}
	detail := bytes.Split(hdt, []byte("\r\n"))[1]
	if t1, t2 := detail[138:203], detail[205:242]; bytes.ContainsAny(t1[64:], " ") || t2[36] == ' ' || detail[203] != '?' || detail[242] != '?' {
		t.Errorf("tracks %q and %q", t1, t2)
	}
	line, err := examplesOf(t, layouts["fixed-802"])[0].write(layouts["fixed-802"])
	if err != nil {
		t.Fatal(err)
	}
	if t1, t2 := line[124:202], line[208:247]; t1[0] != '%' || t1[77] != '?' || t2[0] != ';' || t2[38] != '?' {
		t.Errorf("tracks %q and %q", t1, t2)
	}
}

func TestChipDataOfAnyBytesSurvives(t *testing.T) {
	l := builtIn(t)["datacard-style"]
	e := examplesOf(t, l)[0]
	var cards []*Record
	for i, chip := range []string{"#END#@@@@@@\r\n", `"`, "\r\n\x1a\x00", "{0000003}", "", strings.Repeat("\xff#END#", 5000), "#DCC##EMB#"} {
		card := merged(e.records[0])
		card.SetString(ChipData, chip)
		card.SetString(RecordUID, fmt.Sprintf("42-%07d", i+1))
		cards = append(cards, card)
	}
	file := writeAll(t, l, e.head, cards...)
	if !bytes.Contains(file, []byte("{0000013#END#@@@@@@\r\n#END#@@@@@@\r\n")) {
		t.Error("the chip data does not stand behind its length")
	}
	r := l.NewReader(bytes.NewReader(file))
	for i := 0; ; i++ {
		_, rec, err := r.Next()
		if errors.Is(err, io.EOF) && i == len(cards) {
			return
		}
		if err != nil {
			t.Fatalf("card %d: %v", i+1, err)
		}
		if !bytes.Equal(rec.Get(ChipData), cards[i].Get(ChipData)) || !bytes.Equal(rec.Get(RecordUID), cards[i].Get(RecordUID)) {
			t.Errorf("card %d came back as another", i+1)
		}
	}
}

func TestCardNumbersOf19DigitsAreGrouped(t *testing.T) {
	l := builtIn(t)["cardgen-style"]
	e := examplesOf(t, l)[0]
	card := merged(e.records[0])
	card.SetString(CardPAN, "4111111111111111110")
	head := merged(e.head)
	head.SetInt(FileRecords, 1)
	head.SetInt(FileCarriers, 1)
	file := writeAll(t, l, head, card)
	if !bytes.Contains(file, []byte("<EMBOSS_PAN>4111 1111 1111 1111 110</EMBOSS_PAN>")) {
		t.Errorf("%s", file)
	}
	if got := readOne(t, l, string(file)); string(got.Get(CardPAN)) != "4111111111111111110" {
		t.Error("the number came back as another")
	}
}

func TestNamesStandAsTheyMay(t *testing.T) {
	layouts := builtIn(t)
	for _, c := range []struct{ layout, name, want string }{
		{"cardgen-style", "X", "<NAME>X</NAME>"},
		{"cardgen-style", "Jean-Luc O'Neil & Søns", "<NAME>Jean-Luc O&apos;Neil &amp; Søns</NAME>"},
		{"cardgen-style", "علي", "<NAME>علي</NAME>"},
		{"cardgen-style", "ŁØßŽ", "<NAME>ŁØßŽ</NAME>"},
		{"north-fixed", "ŁØßŽ", "LOESSZ"},
		{"north-fixed", "علي", ""},
		{"fixed-ebcdic", "Øß", "\x80\x59"},
		{"fixed-ebcdic", "Ž", ""},
		{"native-jsonl", `Łucja "Ø" \ß`, `"carrier":"Łucja \"Ø\" \\ß"`},
	} {
		l := layouts[c.layout]
		e := examplesOf(t, l)[0]
		card := merged(e.records[0])
		card.SetString(CarrierName, c.name)
		p := l.NewPart()
		err := p.Add(card)
		if (err == nil) != (c.want != "") || err == nil && !bytes.Contains(p.body, []byte(c.want)) {
			t.Errorf("%s %q: %v\n%s", c.layout, c.name, err, p.body)
		}
	}
}

func TestNamesOnCardsHaveTheLengthsOfTheirLayouts(t *testing.T) {
	for layout, limit := range map[string]int{"cardgen-style": 27, "north-fixed": 26, "fixed-802": 18, "fixed-hdt": 24} {
		l := builtIn(t)[layout]
		for n, fits := range map[int]bool{1: true, limit: true, limit + 1: false} {
			card := merged(examplesOf(t, l)[0].records[0])
			card.SetString(CardName, strings.Repeat("N", n))
			if err := l.NewPart().Add(card); (err == nil) != fits {
				t.Errorf("%s: a name of %d characters: %v", layout, n, err)
			}
		}
	}
}

// TestACountThatIsOffByOneIsRefused holds for every built-in layout whose files say how many records they have.
func TestACountThatIsOffByOneIsRefused(t *testing.T) {
	for name, l := range builtIn(t) {
		e := examplesOf(t, l)[0]
		for _, f := range []Field{FileRecords, FileCarriers, FileProducts} {
			if !l.sections[Header].carries(f) {
				continue
			}
			head := merged(e.head)
			head.SetInt(f, decimal(head.Get(f))+1)
			file := writeAll(t, l, head, e.records...)
			if _, err := countDetails(l, file); err == nil {
				t.Errorf("%s: a header whose %s is off by one was taken", name, f)
			}
		}
		if l.sections[Trailer].carries(TotalsRecords) {
			// A record that is not there: the trailer of all records behind all but one of them.
			all, err := e.write(l)
			if err != nil {
				t.Fatal(err)
			}
			fewer := merged(e.head)
			for _, f := range []Field{FileRecords, FileCarriers} {
				if fewer.Has(f) {
					fewer.SetInt(f, int64(len(e.records)-1))
				}
			}
			if len(e.records) == 1 && fewer.Has(FileProducts) {
				fewer.SetInt(FileProducts, 0)
			}
			less := writeAll(t, l, fewer, e.records[:len(e.records)-1]...)
			tail, short := trailerOf(t, l, all), trailerOf(t, l, less)
			if _, err := countDetails(l, append(bytes.TrimSuffix(less, short), tail...)); err == nil {
				t.Errorf("%s: a trailer that counts a record too many was taken", name)
			}
		}
	}
}

// trailerOf is the end of a file from its trailer on.
func trailerOf(t *testing.T, l *Layout, file []byte) []byte {
	t.Helper()
	if l.spec.mode.isDocument() {
		i := bytes.LastIndex(file, []byte(l.spec.sections[Trailer].path))
		return file[i-1:]
	}
	n := l.sections[Trailer].length
	if len(l.eol) == 0 {
		return file[len(file)-n:]
	}
	i := bytes.LastIndex(bytes.TrimSuffix(file, l.eol), l.eol)
	return file[i+len(l.eol):]
}

func countDetails(l *Layout, file []byte) (int64, error) {
	r := l.NewReader(bytes.NewReader(file))
	n := int64(0)
	for {
		which, _, err := r.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if which == Detail {
			n++
		}
	}
}

func TestACopyForTheIssuerHoldsNoSecrets(t *testing.T) {
	for name, l := range builtIn(t) {
		if l.Kind() != CardFile {
			continue
		}
		e := examplesOf(t, l)[0]
		for _, a := range []Audience{ForIssuerMasked, ForIssuerCutdown} {
			e.audience = a
			var cards []*Record
			for _, r := range e.records {
				card := merged(r)
				card.SetString(CardPAN, "4012345738261494")
				// Values that nothing else holds.
				for f, v := range map[Field]string{CardCVV: "713", CardCVV2: "829", CardICVV: "937", CardTrack1: "B4012345738261494^SECRETONE/X^2912201713", CardTrack2: "4012345738261494=29122011357", CardChipTrack2: "4012345738261494D29122012468", CardPINBlock: "\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8", ChipData: "\xc1\xc2CHIPBYTES"} {
					card.SetString(f, v)
				}
				cards = append(cards, card)
			}
			file := writeAll(t, l.For(a), e.head, cards...)
			l.page.read(file)
			plain := bytes.ReplaceAll(bytes.ReplaceAll(file, []byte(" "), nil), []byte("-"), nil)
			for _, r := range cards[:1] {
				pan := string(r.Get(CardPAN))
				for what, secret := range map[string]string{"number": pan, "middle of the number": pan[6:12], "track 1": "SECRETONE", "track 2": "=29122011357", "chip track": "D29122012468", "CVV": "713", "CVV2": "829", "iCVV": "937",
					"PIN block": "D1D2D3D4", "chip data": "CHIPBYTES", "chip data in hex": "C1C2"} {
					if strings.Contains(string(plain), secret) {
						t.Errorf("%s for %s shows a %s:\n%s", name, a, what, file)
					}
				}
				if masked := pan[:6] + "******" + pan[12:]; a == ForIssuerCutdown && bytes.Contains(plain, []byte(pan[12:])) || a == ForIssuerMasked && !bytes.Contains(plain, []byte(masked)) && l.sections[Detail].carries(CardPAN) && !strings.HasPrefix(name, "dgi-") {
					t.Errorf("%s for %s:\n%s", name, a, file)
				}
			}
		}
	}
}

// read turns bytes of a file into those of ISO 8859-1.
func (p *codePage) read(b []byte) {
	for i := range b {
		if p != nil {
			b[i] = p.in[b[i]]
		}
	}
}

func TestAMillionRecordsTakeNoMoreMemoryThanAThousand(t *testing.T) {
	l := builtIn(t)["status"]
	head, rec := new(Record), examplesOf(t, l)[0].records[1]
	out, in := io.Pipe()
	go func() {
		w, err := l.NewWriter(in, head)
		for i := 0; err == nil && i < 1_000_000; i++ {
			err = w.Write(rec)
		}
		if err == nil {
			err = w.Close()
		}
		_ = in.CloseWithError(err) // it never fails
	}()
	r := l.NewReader(out)
	details := 0
	var peak uint64
	for {
		which, _, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if which != Detail {
			continue
		}
		if details++; details%100_000 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse)
		}
	}
	if details != 1_000_000 || peak > 64<<20 {
		t.Errorf("%d records in %d bytes", details, peak)
	}
}

// tool finds a program that the tests need.
func tool(t *testing.T, name, install string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing; on Debian: apt-get install %s", name, install)
	}
	return path
}

func TestXMLLintAcceptsTheDocumentsAgainstTheirSchema(t *testing.T) {
	xmllint := tool(t, "xmllint", "libxml2-utils")
	schema := filepath.Join(samples, "cardgen-style.xsd")
	check := func(file []byte) (string, error) {
		cmd := exec.Command(xmllint, "--noout", "--schema", schema, "-")
		cmd.Stdin = bytes.NewReader(file)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	layouts := builtIn(t)
	for _, name := range []string{"cardgen-style", "cardgen-style-pins"} {
		l := layouts[name]
		e := examplesOf(t, l)[0]
		file, err := e.write(l)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := check(file); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if _, err := check(bytes.Replace(file, []byte("</UID>"), []byte("x</UID>"), 1)); err == nil {
			t.Errorf("%s: the schema takes any identifier", name)
		}
		for _, request := range []string{"NEW", "REPLACEMENT", "NEW_WITH_MAILER", "REPLACEMENT_WITH_MAILER"} {
			if name != "cardgen-style" {
				continue
			}
			for _, technology := range []string{"MAGSTRIPE", "CHIP", "DUAL_INTERFACE"} {
				card := merged(e.records[1])
				card.SetString(CardRequest, request)
				card.SetString(ProductTechnology, technology)
				head := merged(e.head)
				head.SetInt(FileRecords, 1)
				head.SetInt(FileCarriers, 1)
				if out, err := check(writeAll(t, l, head, card)); err != nil {
					t.Errorf("%s %s: %v\n%s", request, technology, err, out)
				}
			}
		}
	}
}

func TestAnIndependentValidatorAcceptsTheJSON(t *testing.T) {
	layouts := builtIn(t)
	for name, lines := range map[string]bool{"native-json": false, "native-jsonl": true} {
		schema, err := jsonschema.NewCompiler().Compile(filepath.Join(samples, name+".schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		file, err := examplesOf(t, layouts[name])[0].write(layouts[name])
		if err != nil {
			t.Fatal(err)
		}
		documents := [][]byte{file}
		if lines {
			documents = bytes.Split(bytes.TrimSuffix(file, []byte("\n")), []byte("\n"))
		}
		for _, d := range documents {
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(d))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(v); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			broken, err := jsonschema.UnmarshalJSON(bytes.NewReader(bytes.Replace(d, []byte(`"records":`), []byte(`"recordz":`), 1)))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(d, []byte(`"records":`)) && schema.Validate(broken) == nil {
				t.Errorf("%s: the schema takes any key", name)
			}
		}
	}
}

func TestARealConverterReadsTheEBCDICFile(t *testing.T) {
	iconv := tool(t, "iconv", "libc-bin")
	l := builtIn(t)["fixed-ebcdic"]
	file, err := examplesOf(t, l)[0].write(l)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(iconv, "-f", "IBM037", "-t", "UTF-8")
	cmd.Stdin = bytes.NewReader(file)
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"H0000000042demo-bank", "D0000001", "ASHA RAO", "B4111111111111111^RAO/ASHA^", "Jürgen Groß", "Köln", "T00000002"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	for name, page := range map[string]struct {
		encoding encoding
		charmap  *charmap.Charmap
	}{"IBM037": {cp037Encoding, charmap.CodePage037}, "IBM1047": {cp1047Encoding, charmap.CodePage1047}} {
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		mine := bytes.Clone(all)
		page.encoding.page().write(mine)
		cmd := exec.Command(iconv, "-f", "ISO-8859-1", "-t", name)
		cmd.Stdin = bytes.NewReader(all)
		theirs, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for i := range all {
			if printable(byte(i)) || i >= 0xa0 || i == '\n' || i == '\r' {
				if mine[i] != theirs[i] {
					t.Errorf("%s: character %#x is %#x, and iconv says %#x", name, i, mine[i], theirs[i])
				}
			}
		}
	}
}
