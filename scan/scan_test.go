package scan

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

const canary = "4761730000123458"

func scanner(t testing.TB, prefixes []string, secrets ...Secret) *Scanner {
	t.Helper()
	s, err := New(prefixes, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// leaks are ways in which a card number gets into bytes, written here by hand or by another library than the scanner's own table.
var leaks = map[string][]byte{
	"text":                 []byte(canary),
	"inside digits":        []byte("0000017" + canary + "2912201"),
	"groups of four":       []byte("4761 7300 0012 3458"),
	"hyphens":              []byte("4761-7300-0012-3458"),
	"hex":                  []byte("34373631373330303030313233343538"),
	"base64":               []byte(base64.StdEncoding.EncodeToString([]byte(canary))),
	"base64 after one":     []byte(base64.StdEncoding.EncodeToString([]byte("x" + canary + "y"))),
	"base64 after two":     []byte(base64.StdEncoding.EncodeToString([]byte("xy" + canary))),
	"base64 in a document": []byte(base64.URLEncoding.EncodeToString([]byte(`{"name":"?>~~","pan":"` + canary + `","expiry":"2912"}`))),
	"BCD":                  {0x47, 0x61, 0x73, 0x00, 0x00, 0x12, 0x34, 0x58},
	"BCD half a byte on":   {0xB4, 0x76, 0x17, 0x30, 0x00, 0x01, 0x23, 0x45, 0x8D},
	"UTF-16LE":             []byte("4\x007\x006\x001\x007\x003\x000\x000\x000\x000\x001\x002\x003\x004\x005\x008\x00"),
	"UTF-16BE":             []byte("\x004\x007\x006\x001\x007\x003\x000\x000\x000\x000\x001\x002\x003\x004\x005\x008"),
	"EBCDIC":               {0xF4, 0xF7, 0xF6, 0xF1, 0xF7, 0xF3, 0xF0, 0xF0, 0xF0, 0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF8},
	"reversed":             []byte("8543210000371674"),
	"number, big end":      {0x00, 0x10, 0xEA, 0xC4, 0xA9, 0x2C, 0x76, 0x42},
	"number, little end":   {0x42, 0x76, 0x2C, 0xA9, 0xC4, 0xEA, 0x10, 0x00},
	"numeric":              {0x99, 0x12, 0x84, 0x1C, 0x0C, 0x00, 0x82, 0x0D},
}

func TestScannerFindsACanaryInEveryEncoding(t *testing.T) {
	s := scanner(t, nil, Text("the canary", canary))
	for name, leak := range leaks {
		for _, around := range []string{"", "x", "\x00\x00\xff", strings.Repeat("noise ", 1000)} {
			findings := s.Bytes("memory", slices.Concat([]byte(around), leak, []byte(around)))
			if len(findings) == 0 {
				t.Errorf("%s between %d bytes was not found", name, len(around))
			}
			for _, f := range findings {
				if strings.Contains(fmt.Sprintf("%+v %s", f, f), canary) {
					t.Errorf("the finding shows the value: %v", f)
				}
			}
		}
	}
}

func TestScannerFindsBinarySecrets(t *testing.T) {
	key := []byte("\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10")
	s := scanner(t, nil, Bytes("a key", key))
	for name, leak := range map[string]string{
		"bytes":     string(key),
		"lower hex": hex.EncodeToString(key),
		"upper hex": strings.ToUpper(hex.EncodeToString(key)),
		"base64":    base64.StdEncoding.EncodeToString(append([]byte("k"), key...)),
		"base64url": base64.RawURLEncoding.EncodeToString(key),
	} {
		if len(s.Bytes("memory", []byte("key="+leak+";"))) == 0 {
			t.Errorf("%s was not found", name)
		}
	}
}

func TestScannerFindsNothingInNoise(t *testing.T) {
	noise := &bytes.Buffer{}
	for i := range 200_000 {
		_, _ = fmt.Fprintf(noise, "%x-%d ", i*2654435761, i*40503)
	}
	s := scanner(t, nil, Text("card", canary), Text("PIN", "493027561834"), Bytes("key", []byte("sixteen byte key")))
	if findings := s.Bytes("noise", noise.Bytes()); len(findings) != 0 {
		t.Errorf("%v", findings)
	}
}

func TestScannerRefusesSecretsThatNoiseContains(t *testing.T) {
	if _, err := New(nil, Text("a short PIN", "49")); err == nil || strings.Contains(err.Error(), "49") {
		t.Errorf("got %v", err)
	}
}

func TestScannerFindsWhatLiesAcrossBlocksOnce(t *testing.T) {
	s := scanner(t, []string{"476173"}, Text("the canary", canary))
	for _, shift := range []int{-40, -16, -15, -8, -1, 0, 1} {
		at := blockSize + s.longest + shift
		content := bytes.Repeat([]byte{'.'}, 3*blockSize)
		copy(content[at:], canary)
		for how, r := range map[string]io.Reader{"whole": bytes.NewReader(content), "in halves": iotest.HalfReader(bytes.NewReader(content))} {
			findings, err := s.Reader("stream", r)
			if err != nil {
				t.Fatal(err)
			}
			if len(findings) != 2 || findings[0].Offset != int64(at) || findings[1].Offset != int64(at) {
				t.Errorf("shift %d, %s: %v", shift, how, findings)
			}
		}
	}
}

func TestScannerPassesReadErrorsOn(t *testing.T) {
	s := scanner(t, nil, Text("the canary", canary))
	if _, err := s.Reader("stream", iotest.ErrReader(io.ErrClosedPipe)); err == nil {
		t.Error("a broken stream scanned clean")
	}
}

func TestScannerWalksDirectoriesAndTheirNames(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"clean": "nothing", "log": "pan=" + canary, canary + ".txt": ""} {
		if err := os.WriteFile(filepath.Join(deep, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	findings, err := scanner(t, nil, Text("the canary", canary)).Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(findings) != 2 || findings[0].Offset != -1 || findings[1].Where != filepath.Join(deep, "log") || findings[1].Offset != 4 {
		t.Errorf("%+v", findings)
	}
	if _, err := scanner(t, nil).Files(filepath.Join(dir, "absent")); err == nil {
		t.Error("an absent directory scanned clean")
	}
}

func TestScannerFindsAnyCardNumberOfAPrefix(t *testing.T) {
	s := scanner(t, []string{"476173", "378282"})
	for text, want := range map[string]int{
		canary:                           1,
		"pan=" + canary + ";":            1,
		"%B" + canary + "^NAME/X^2912":   1,
		";" + canary + "=29122010000000": 1,
		"4761 7300 0012 3458":            1,
		"42 " + canary + " 2912":         1,
		"378282246310005":                1,
		"3782-822463-10005":              1,
		"4761730000123459":               0, // check digit
		"4111111111111111":               0, // another prefix
		"1" + canary:                     0, // 17 digits that begin otherwise
		canary + "00000000":              0, // too long to be one
		"4761  7300  0012  3458":         0, // columns, not groups
		"47617300001234 58":              1,
		"476173":                         0,
	} {
		if got := len(s.Bytes("memory", []byte(text))); got != want {
			t.Errorf("%q: %d findings, want %d", text, got, want)
		}
	}
}

// Any number at any place, in any encoding of the table, is found at its place.
func TestScannerFindsEveryFormAtEveryPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[1-9][0-9]{11,18}`).Draw(t, "digits")
		secret := Text("it", digits)
		f := rapid.SampledFrom(secret.forms).Draw(t, "form")
		before := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "before")
		after := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "after")
		s, err := New(nil, secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range s.Bytes("memory", slices.Concat(before, f.bytes, after)) {
			if found.Offset == int64(len(before)) && found.Encoding == f.encoding {
				return
			}
		}
		t.Fatalf("%s was not found", f.encoding)
	})
}

func BenchmarkScannerWithTenThousandCards(b *testing.B) {
	secrets := make([]Secret, 10_000)
	for i := range secrets {
		secrets[i] = Text("card", fmt.Sprintf("476173%010d", i*99991))
	}
	s := scanner(b, []string{"476173"}, secrets...)
	content := bytes.Repeat([]byte("an ordinary line of a log file with 12345 numbers\n"), 1<<20/50)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		s.Bytes("memory", content)
	}
}
