package formats_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"platen/formats"
)

var update = flag.Bool("update", false, "write the golden files anew")

// shipped loads a layout of the samples.
func shipped(t testing.TB, name string) *formats.Layout {
	t.Helper()
	file := filepath.Join("..", "samples", "layouts", name+".yaml")
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	l, err := formats.Load(file, src)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var shippedNames = []string{"north-fixed", "south-delimited", "native-jsonl", "pin-mailer", "ack", "status"}

// head is what is true of a whole file.
func head(records int64) *formats.Record {
	r := new(formats.Record)
	r.SetInt(formats.FileReference, 42)
	r.SetString(formats.FileName, "demo-bank_north_cards_20261123_000007_42.emb")
	r.SetString(formats.FileDate, "20261123")
	r.SetString(formats.FileTime, "203000")
	r.SetInt(formats.FileSequence, 7)
	r.SetString(formats.FileStamp, "TEST")
	r.SetString(formats.FileIssuer, "demo-bank")
	r.SetString(formats.FileBureau, "north")
	r.SetString(formats.FilePurpose, "CARDS")
	r.SetInt(formats.FileRecords, records)
	r.SetString(formats.ProductCode, "visa-debit-chip")
	r.SetString(formats.ProductDesign, "VD-BLUE")
	r.SetString(formats.ProductScheme, "visa")
	r.SetString(formats.ProductTechnology, "DUAL_INTERFACE")
	r.SetString(formats.ProductCurrency, "978")
	r.SetInt(formats.AckFile, 42)
	r.SetInt(formats.ReturnFile, 42)
	return r
}

// fillDetail sets what one line may show, of invented test data.
func fillDetail(r *formats.Record, line int64) {
	people := []struct{ first, last, street, city, region, country string }{
		{"Asha", "Rao", "12 Lake Road", "Pune", "MH", "IN"},
		{"Jürgen", "Groß", "Königsstraße 7; Hof \"B\"", "Köln", "", "DE"},
		{"Łucja", "O'Żółć", "ul. Świętokrzyska 1", "Łódź", "łódzkie", "PL"},
	}
	p := people[int(line-1)%len(people)]
	r.SetInt(formats.RecordNumber, line)
	r.SetString(formats.RecordUID, fmt.Sprintf("42-%07d", line))
	r.SetString(formats.CardPAN, []string{"4000001234567899", "4111111111111111", "4000000000000000006"}[int(line-1)%3])
	r.SetString(formats.CardToken, "T01ABCDEFGHJKLMNPQ1")
	r.SetString(formats.CardExpiry, "3011")
	r.SetString(formats.CardPSN, "00")
	r.SetString(formats.CardServiceCode, "201")
	name, _ := formats.FitName(p.first+" "+p.last, 26)
	r.SetString(formats.CardName, name)
	r.SetString(formats.CardTrack1, "B4000001234567899^RAO/ASHA^30112011123400123000000")
	r.SetString(formats.CardTrack2, "4000001234567899=30112011123412300000")
	r.SetString(formats.CardChipTrack2, "4000001234567899D30112011123445600000F")
	r.SetString(formats.CardCVV, "123")
	r.SetString(formats.CardCVV2, "007")
	r.SetString(formats.CardICVV, "456")
	r.Set(formats.CardPINBlock, []byte{0, 0x0d, 0x0a, '"', ';', 0x1a, '#', 0xff})
	r.SetString(formats.CardPVV, "1234")
	r.SetInt(formats.CardPVKI, 1)
	r.SetString(formats.CardReason, "NEW")
	r.SetString(formats.HolderFirstName, p.first)
	r.SetString(formats.HolderLastName, p.last)
	r.SetString(formats.HolderLanguage, "en")
	r.SetString(formats.CarrierName, p.first+" "+p.last)
	r.SetString(formats.CarrierAddress1, p.street)
	r.SetString(formats.CarrierCity, p.city)
	r.SetString(formats.CarrierRegion, p.region)
	r.SetString(formats.CarrierPostcode, "411001")
	r.SetString(formats.CarrierCountry, p.country)
	r.SetString(formats.OrderReference, "DEMO-BULK")
	r.SetInt(formats.OrderUnit, line)
	r.SetString(formats.MailerReference, fmt.Sprintf("90000042%07d0", line))
	r.Set(formats.MailerPINBlock, bytes.Repeat([]byte{0xA0 + byte(line)}, 8))
	r.SetInt(formats.ReturnFile, 42)
	r.SetString(formats.ReturnUID, fmt.Sprintf("42-%07d", line))
	r.SetString(formats.ReturnStatus, []string{"PRODUCED", "REJECTED", "SPOILED"}[int(line-1)%3])
	r.SetString(formats.ReturnReason, []string{"", "E12, unknown plastic", `chip "mute"`}[int(line-1)%3])
	r.SetString(formats.ReturnOccurredAt, "2026-11-24T05:55:10Z")
	r.SetInt(formats.ReturnAttempt, 1)
	r.SetString(formats.ReturnLast4, "7899")
	r.SetInt(formats.AckFile, 42)
	r.SetString(formats.AckName, "demo-bank_north_cards_20261123_000007_42.emb")
	r.SetString(formats.AckReceivedAt, "2026-11-23T20:31:00Z")
	r.SetString(formats.AckStatus, "ACCEPTED")
	r.SetInt(formats.AckRead, 3)
	r.SetInt(formats.AckOK, 3)
	r.SetInt(formats.AckBad, 0)
	r.SetString(formats.AckSHA256, strings.Repeat("ab", 32))
}

// write makes a file of n details.
func write(t testing.TB, l *formats.Layout, n int64) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := l.NewWriter(&out, head(n))
	if err != nil {
		t.Fatal(err)
	}
	rec := head(n)
	for line := int64(1); line <= n; line++ {
		fillDetail(rec, line)
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// readAll reads a file to its end and counts its details.
func readAll(l *formats.Layout, file []byte) (details int64, err error) {
	r := l.NewReader(bytes.NewReader(file))
	for {
		which, _, err := r.Next()
		if errors.Is(err, io.EOF) {
			return details, nil
		}
		if err != nil {
			return details, err
		}
		if which == formats.Detail {
			details++
		}
	}
}

func TestShippedLayoutsWriteTheirGoldenFiles(t *testing.T) {
	for _, name := range shippedNames {
		t.Run(name, func(t *testing.T) {
			got := write(t, shipped(t, name), 3)
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("the file differs from %s:\n%s", golden, diff)
			}
		})
	}
}

func TestShippedLayoutsReadWhatTheyWrote(t *testing.T) {
	for _, name := range shippedNames {
		t.Run(name, func(t *testing.T) {
			l := shipped(t, name)
			for _, n := range []int64{0, 1, 3, 100} {
				if got, err := readAll(l, write(t, l, n)); err != nil || got != n {
					t.Errorf("%d details came back as %d: %v", n, got, err)
				}
			}
		})
	}
}

func TestShippedLayoutsNameTheirFiles(t *testing.T) {
	want := map[string]string{
		"north-fixed": "demo-bank_north_cards_20261123_000007_42.emb", "south-delimited": "demo-bank_north_cards_20261123_000007_42.csv",
		"native-jsonl": "demo-bank_north_cards_20261123_000007_42.jsonl", "pin-mailer": "demo-bank_north_pins_20261123_000007_42.pin",
		"ack": "demo-bank_north_cards_20261123_000007_42.emb.ack", "status": "demo-bank_north_cards_20261123_000007_42.emb.status",
	}
	for _, name := range shippedNames {
		if got, err := shipped(t, name).FileName(head(1)); err != nil || got != want[name] {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
