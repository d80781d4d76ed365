package formats

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const samples = "../samples/layouts"

// builtIn are the layouts of the samples by name.
func builtIn(t testing.TB) map[string]*Layout {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(samples, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*Layout{}
	for _, file := range files {
		if strings.HasSuffix(file, ".test.yaml") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		l, err := Load(file, src)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSuffix(filepath.Base(file), ".yaml"); l.Name() != want {
			t.Errorf("%s is called %s", file, l.Name())
		}
		if len(l.Ciphers()) > 0 {
			l, _ = underTestKey(t, l)
		}
		all[l.Name()] = l
	}
	return all
}

// examplesOf reads the test beside a built-in layout.
func examplesOf(t testing.TB, l *Layout) []Example {
	t.Helper()
	file := filepath.Join(samples, l.Name()+".test.yaml")
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all, err := LoadExamples(file, src, l)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryBuiltInLayoutDoesWhatItsTestSays(t *testing.T) {
	layouts := builtIn(t)
	if len(layouts) < 43 {
		t.Errorf("only %d layouts", len(layouts))
	}
	for name, l := range layouts {
		t.Run(name, func(t *testing.T) {
			for _, e := range examplesOf(t, l) {
				if err := e.Run(l); err != nil {
					t.Errorf("%s: %v", e.Name, err)
				}
			}
		})
	}
}

func TestAnExampleThatIsWrongFails(t *testing.T) {
	l := loaded(t, smallSegments)
	const common = "records:\n  - {card.pan: \"4111111111111111\", record.uid: U, card.expiry: \"2912\", card.track1: T, carrier.name: N}\ncases:\n  - name: x\n"
	const right = `    expect: "#DCC##EMB#4111 1111 1111 1111\"12/29\"N\"U\"#ENC#%T?#END#@@@@@@\n"`
	for name, c := range map[string]struct{ src, want string }{
		"right":                        {common + right, ""},
		"another byte":                 {common + strings.Replace(right, "12/29", "12/28", 1), "line 1 column 35"},
		"a byte too many":              {common + strings.Replace(right, `@\n`, `@@\n`, 1), "line 1 column"},
		"a refusal that does not come": {common + `    refuse: "too long"`, "it was written"},
		"a refusal for another reason": {common + "    set: {card.expiry: \"2913\"}\n    refuse: \"too long\"", "is not of the field's type"},
		"a file with another name":     {common + "    file: y\n" + right, "the file is called x, not y"},
		"a refusal that comes":         {common + "    set: {carrier.name: 'a\"b'}\n    refuse: holds what ends it", ""},
		"a copy that shows too little": {common + "    audience: issuer-masked\n" + right, "line 1 column 18"},
		"the bytes in hexadecimal":     {common + "    records: []\n    expect_hex: \"\"", ""},
		"other bytes in hexadecimal":   {common + "    records: []\n    expect_hex: \"00\"", "line 1 column 1"},
	} {
		all, err := LoadExamples("x.test.yaml", []byte(c.src), l)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		err = all[0].Run(l)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	for src, want := range map[string]string{
		"cases:\n  - name: x\n":                             "x.test.yaml:2: case: needs either",
		"cases:\n  - expect: x\n":                           "x.test.yaml:2: case: name is missing",
		"cases:\n  - {name: x, expect: x, refuse: y}\n":     "needs either",
		"head: {card.nome: x}\ncases: []\n":                 `x.test.yaml:1: unknown field "card.nome"`,
		"head: {chip.data: 0x}\ncases: []\n":                "not hexadecimal",
		"heads: {}\n":                                       "unknown key",
		"head: {}\n":                                        "has no cases",
		"cases:\n  - {name: x, audience: all, expect: x}\n": "unknown word",
		"": "empty",
	} {
		if _, err := LoadExamples("x.test.yaml", []byte(src), l); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", src, err, want)
		}
	}
}

// hostileNames are texts that files have stumbled over: marks of every format, and characters that look like others or like nothing.
var hostileNames = []string{
	"", "X", `O'Neil "Bob" & <Sons>`, "a;b,c|d@e", "#END#@@@@@@", "]]>", "&amp;", `\"`, `\u0041`, `{"a":1}`, "</RECORD>", "<!--", "H;1", "T;2;", "D,42", "%B4?;1=2?", "a^b^c", "'", `""`,
	" leads", "trails ", "two  blanks", "Łódź Ø ß Ž", "علي", "山田太郎", "e\u0301", "ﬁ", "I\u0307", "\u0130", "a\u00a0b", "a\u00adb", "\U0001f0a1", "=1+1", "@SUM(1)", "-1", "+1", "null", "NaN", "0", "00",
	"D0000000", "é", "ÿ", "\u00d7", "a/b", "a\\b", "$#*&@[", "57=", ";5F25=", "PIN=", "{0000001", "?", "=", "/^",
}

// smuggled are texts that no file may hold at all.
var smuggled = []string{"a\nb", "a\r\nb", "a\x00b", "a\x1ab", "\ufeffa", "a\u202eb", "a\u2028b", "a\x85b", "a\xffb", "a\tb"}

// drawCard draws one line of a file: values that belong together, with hostile texts where people write.
func drawCard(t *rapid.T, line int) *Record {
	r := new(Record)
	digitsOf := func(label string, low, high int) string {
		return rapid.StringMatching(fmt.Sprintf("[1-9][0-9]{%d,%d}", low-1, high-1)).Draw(t, label)
	}
	name := func(label string, n int) string {
		v := []rune(rapid.OneOf(rapid.SampledFrom(hostileNames), rapid.StringMatching(`[A-Z][A-Z '.-]{0,16}[A-Z]`), rapid.StringMatching(`[ -~]{0,20}`)).Draw(t, label))
		return string(v[:min(len(v), n)])
	}
	psn, technology := rapid.StringMatching("[0-9]{2}").Draw(t, "psn"), rapid.SampledFrom([]string{"MAGSTRIPE", "CHIP", "DUAL_INTERFACE"}).Draw(t, "technology")
	pan, month := digitsOf("pan", 16, 16), rapid.StringMatching("[2-4][0-9](0[1-9]|1[0-2])").Draw(t, "expiry")
	end := month + "201" + digitsOf("end", 5, 8)
	for f, v := range map[Field]string{
		RecordNumber: strconv.Itoa(line), RecordUID: fmt.Sprintf("42-%07d", line), CardPAN: pan, CardToken: "T01ABCDEFGHJKLMNPQ" + strconv.Itoa(line%10), CardExpiry: month,
		CardEffective: rapid.StringMatching("2[0-9](0[1-9]|1[0-2])").Draw(t, "effective"), CardPSN: psn, CardServiceCode: "201", CardName: name("card.name", 18), CardTrackName: "RAO/ASHA",
		CardTrack1: "B" + pan + "^RAO/ASHA^" + end, CardTrack2: pan + "=" + end, CardChipTrack2: strings.TrimSuffix((pan + "D" + end + "F")[:2*((len(pan+end)+2)/2)], ""),
		CardCVV: digitsOf("cvv", 3, 3), CardCVV2: digitsOf("cvv2", 3, 3), CardICVV: digitsOf("icvv", 3, 3), CardPINBlock: string(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "pin")),
		CardPVKI: "1", CardReason: "NEW", CardRequest: rapid.SampledFrom([]string{"NEW", "REPLACEMENT", "NEW_WITH_MAILER", "REPLACEMENT_WITH_MAILER"}).Draw(t, "request"), CardIssueNumber: digitsOf("issue", 1, 2),
		HolderTitle: name("title", 8), HolderFirstName: name("first", 20), HolderLastName: name("last", 20), HolderLanguage: "en", CarrierName: name("carrier", 30),
		CarrierAddress1: name("address1", 30), CarrierAddress2: name("address2", 30), CarrierAddress3: name("address3", 30), CarrierCity: name("city", 20), CarrierRegion: name("region", 20),
		CarrierPostcode: name("postcode", 6), CarrierCountry: rapid.SampledFrom([]string{"", "IN", "DE", "US", "CI", "AX"}).Draw(t, "country"),
		CarrierDelivery: rapid.SampledFrom([]string{"", "STANDARD", "REGISTERED", "COURIER", "BRANCH"}).Draw(t, "delivery"), CarrierBranch: name("branch", 9), ProductCode: "visa-debit-chip",
		ProductDesign: "VD-BLUE", ProductScheme: "visa", ProductTechnology: technology, ProductCurrency: "978", ProductBIN: "411111", OrderReference: name("order", 20), OrderUnit: strconv.Itoa(line),
		CustomerReference: name("customer", 16), MailerReference: fmt.Sprintf("9%07d%07d", 42, line), MailerPINBlock: string(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "mailer pin")),
		ReturnFile: "42", ReturnUID: fmt.Sprintf("42-%07d", line), ReturnStatus: "PRODUCED", ReturnReason: name("reason", 40), ReturnOccurredAt: "2026-01-16T05:55:10Z", ReturnAttempt: "1",
		ReturnLast4: pan[12:], ReturnLastUID: "", ReturnQuantity: digitsOf("quantity", 1, 6), ReturnSite: name("site", 12), AckFile: "42", AckName: name("ack name", 40), AckReceivedAt: "2026-01-16T05:55:10Z",
		AckStatus: "ACCEPTED", AckRead: "3", AckOK: "2", AckBad: "1", AckSHA256: strings.Repeat("ab", 32), AckReason: name("ack reason", 40), ProductionOrdered: "10", ProductionProduced: "9",
		ProductionSpoiled: "1", ProductionRemade: "1", ProductionShipped: "8", ProductionPending: "0", ProductionOpening: "3", ProductionClosing: "4", DispatchShipment: name("shipment", 24),
		DispatchCarrier: name("courier", 24), DispatchService: name("service", 24), DispatchTracking: name("tracking", 30), DispatchFrom: name("from", 12), DispatchTo: name("to", 12), DispatchBox: "1",
		DispatchBoxes: "2", DeliveryReceivedBy: name("received by", 30), DeliveryRelation: name("relation", 20), DeliveryRedispatch: name("redispatch", 20), StockPlastic: name("plastic", 20),
		StockOpening: "1", StockReceived: "2", StockUsed: "3", StockDamaged: "4", StockScrap: "5", StockAdjusted: rapid.SampledFrom([]string{"", "0", "-12", "7"}).Draw(t, "adjusted"), StockDestroyed: "6",
		StockAllocated: "7", StockClosing: "8", StockReorderLevel: "9", DestructionWhat: "CARD", DestructionMethod: name("method", 20), DestructionWitness1: name("witness", 30),
		DestructionWitness2: name("witness 2", 30), DestructionCertificate: name("certificate", 20), FileDate: "20260115", FileTime: "020000", FileReference: "42", FileName: "cards_42", FileSequence: "7",
		FileIssuer: "demo-bank", FileBureau: "north", FilePurpose: "CARDS", FileStamp: "TEST", FileSHA256: strings.Repeat("cd", 32), FileBytes: "123",
	} {
		r.SetString(f, v)
	}
	if rapid.Bool().Draw(t, "chip data") {
		r.Set(ChipData, append([]byte("#END#\"\r\n\x1a"), rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "chip bytes")...))
	}
	return r
}

// TestWhatABuiltInLayoutWritesItReadsBack holds for every layout and whatever people are called: either the layout refuses the value and names
// its field, or every value comes back as it was.
func TestWhatABuiltInLayoutWritesItReadsBack(t *testing.T) {
	for name, l := range builtIn(t) {
		t.Run(name, func(t *testing.T) {
			written := 0
			rapid.Check(t, func(t *rapid.T) {
				n := rapid.IntRange(0, 4).Draw(t, "cards")
				var cards []*Record
				for i := range n {
					c := drawCard(t, i+1)
					if l.Kind() == PINMailer {
						c.SetString(CardRequest, "MAILER")
					}
					if i > 0 {
						c.Set(CarrierBranch, cards[0].Get(CarrierBranch))
						c.Set(ProductTechnology, cards[0].Get(ProductTechnology))
					}
					if rapid.IntRange(0, 40).Draw(t, "smuggle") == 0 {
						c.SetString(rapid.SampledFrom([]Field{CardName, CarrierName, CarrierCity, HolderLastName, ReturnReason, CustomerReference}).Draw(t, "field"), rapid.SampledFrom(smuggled).Draw(t, "text"))
					}
					cards = append(cards, c)
				}
				if checkRoundTrip(t, l, cards) {
					written++
				}
			})
			if written == 0 {
				t.Error("no file was written at all")
			}
		})
	}
}

// checkRoundTrip tells whether a file was written.
func checkRoundTrip(t *rapid.T, l *Layout, cards []*Record) bool {
	head := new(Record)
	if len(cards) > 0 {
		head = merged(cards[0])
	}
	head.SetInt(FileRecords, int64(len(cards)))
	head.SetInt(FileCarriers, int64(len(cards)))
	if l.CarrierWise() {
		var carriers Carriers
		for _, c := range cards {
			carriers.Add(c)
		}
		head.SetInt(FileCarriers, carriers.Count())
	}
	head.SetInt(FileProducts, int64(min(1, len(cards))))
	var out bytes.Buffer
	w, err := l.NewWriter(&out, head)
	kept := cards[:0:0]
	for i := 0; err == nil && i < len(cards); i++ {
		if err = w.Write(cards[i]); err == nil {
			kept = append(kept, cards[i])
		}
	}
	if err == nil {
		err = w.Close()
	}
	var refused *ValueError
	if err != nil {
		if !errors.As(err, &refused) && !errors.Is(err, errLineEndInside) {
			t.Fatalf("refused without a field: %v", err)
		}
		return false
	}
	r := l.NewReader(bytes.NewReader(out.Bytes()))
	kept = l.gather(kept)
	read := 0
	for {
		which, rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("read: %v\n%s", err, out.Bytes())
		}
		if which != Detail {
			continue
		}
		if err := testKeysOf(l).open(l, rec, kept[read]); err != nil {
			t.Fatalf("what was enciphered does not come back: %v\n%s", err, out.Bytes())
		}
		for f := Field(1); f < numFields; f++ {
			if l.sections[Detail].returns(f) && !bytes.Equal(rec.Get(f), kept[read].Get(f)) && !l.blankEqual(f, rec, kept[read]) {
				t.Fatalf("%s came back as %q, not %q\n%s", f, rec.Get(f), kept[read].Get(f), out.Bytes())
			}
		}
		read++
	}
	if read != len(kept) {
		t.Fatalf("%d of %d cards", read, len(kept))
	}
	return true
}

// blankEqual allows blanks at the end of a text to be lost where blanks fill its place: in fixed lines and in parts of one length.
func (l *Layout) blankEqual(f Field, got, want *Record) bool {
	return catalogue[f].valueType == text && slices.Contains([]mode{fixedMode, segmentsMode}, l.spec.mode) && bytes.Equal(got.Get(f), trimBlanks(want.Get(f)))
}
