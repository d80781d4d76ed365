package vault_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/vault"
)

var (
	panKey   = card.KeyRef{Label: "pan"}
	tokenKey = card.KeyRef{Label: "token"}
)

func newStore(t testing.TB) *keystore.Store {
	t.Helper()
	key := make([]byte, 32)
	key[5] = 1
	s, err := keystore.Create(filepath.Join(t.TempDir(), "keys.json"), card.NewSecret(key), keystore.Test)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[card.KeyLabel]struct {
		usage keystore.Usage
		alg   keystore.Algorithm
	}{
		"pan": {keyblock.Data, keyblock.AES}, "token": {keyblock.Data, keyblock.AES},
		"cvk": {keyblock.CVK, keyblock.TDES}, "zpk": {keyblock.ZPK, keyblock.AES}, "pins": {keyblock.PINStorage, keyblock.AES},
	} {
		if err := s.Generate(name, k.usage, k.alg, hsm.SeededEntropy("vault test")); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func visa(size int64) card.Range {
	return card.Range{Number: 3, Code: "visa", Prefix: "400000", Length: 16, First: 100_000_000, Size: size}
}

func numbers(t *testing.T, v *vault.Vault, r card.Range, first, n int64) []card.PAN {
	t.Helper()
	sequences := make([]int64, n)
	for i := range sequences {
		sequences[i] = first + int64(i)
	}
	out := make([]card.PAN, n)
	if err := v.PANs(r, panKey, sequences, out, card.NewPANs(int(n))); err != nil {
		t.Fatal(err)
	}
	return out
}

// A whole range that is no power of ten: every number is inside it, none comes twice, each goes back to its sequence.
func TestPANsAreAPermutationOfTheRange(t *testing.T) {
	v := vault.New(newStore(t))
	for _, r := range []card.Range{
		{Number: 1, Code: "odd", Prefix: "41111111", Length: 14, First: 20_000, Size: 23_457},
		{Number: 2, Code: "small", Prefix: "41111111111", Length: 16, First: 17, Size: 901},
		{Number: 4, Code: "tiny", Prefix: "41111111111", Length: 13, First: 2, Size: 7},
	} {
		t.Run(r.Code, func(t *testing.T) {
			seen := map[string]bool{}
			for i, pan := range numbers(t, v, r, 0, r.Size) {
				digits := string(pan.Reveal())
				if seen[digits] || len(digits) != r.Length || !strings.HasPrefix(digits, r.Prefix) {
					t.Fatalf("number %d is outside the range or comes twice", i)
				}
				seen[digits] = true
				if i%53 != 0 {
					continue
				}
				if got, err := v.Sequence(r, panKey, pan); err != nil || got != int64(i) {
					t.Fatalf("number %d went back to %d, %v", i, got, err)
				}
			}
		})
	}
}

func TestSequenceInvertsPANs(t *testing.T) {
	v := vault.New(newStore(t))
	rapid.Check(t, func(rt *rapid.T) {
		r := card.Range{Number: rapid.Int32Range(1, card.MaxRange).Draw(rt, "number"), Code: "r"}
		r.Prefix = rapid.StringMatching(`4[0-9]{5,10}`).Draw(rt, "prefix")
		r.Length = rapid.IntRange(13, 19).Draw(rt, "length")
		bodies := int64(1)
		for range r.BodyDigits() {
			bodies *= 10
		}
		// Small intervals in a wide numeral walk long; the exhaustive test covers them.
		least := min(bodies, 50_000)
		r.Size = rapid.Int64Range(least, min(bodies, card.MaxSequence)).Draw(rt, "size")
		r.First = rapid.Int64Range(0, bodies-r.Size).Draw(rt, "first")
		n := rapid.Int64Range(0, r.Size-1).Draw(rt, "sequence")
		pan := numbers(t, v, r, n, 1)[0]
		if got, err := v.Sequence(r, panKey, pan); err != nil || got != n {
			rt.Fatalf("%d went back to %d, %v", n, got, err)
		}
	})
}

// What a sequence's number is may never change: cards in the field hang on it.
func TestNumbersAndTokensStayWhatTheyWere(t *testing.T) {
	v := vault.New(newStore(t))
	var got []string
	for _, pan := range numbers(t, v, visa(10_000_000), 0, 3) {
		got = append(got, string(pan.Reveal()))
	}
	id, err := card.NewID(3, 77)
	if err != nil {
		t.Fatal(err)
	}
	token, err := v.Token(id, tokenKey)
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, token)
	want := "[4000001083999490 4000001017304213 4000001013567912 T011SJSA6VCT3RNMIUS]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestRangesWithOneKeyDoNotRunInParallel(t *testing.T) {
	v := vault.New(newStore(t))
	a, b := visa(10_000_000), visa(10_000_000)
	b.Number = 4
	same := 0
	other := numbers(t, v, b, 0, 100)
	for i, pan := range numbers(t, v, a, 0, 100) {
		if pan.Equal(other[i]) {
			same++
		}
	}
	if same > 2 {
		t.Errorf("%d of 100 numbers agree", same)
	}
}

func TestPANsRefuseWhatIsOutsideTheRange(t *testing.T) {
	v := vault.New(newStore(t))
	r := visa(1_000_000)
	out := make([]card.PAN, 1)
	for _, n := range []int64{-1, r.Size} {
		if err := v.PANs(r, panKey, []int64{n}, out, card.NewPANs(1)); !errors.Is(err, hsm.ErrNotInRange) {
			t.Errorf("sequence %d: %v", n, err)
		}
	}
	below, other, longer := r, r, r
	below.First, below.Size = 0, r.First
	other.Prefix = "411111"
	longer.Length = 17
	for name, from := range map[string]card.Range{"interval": below, "prefix": other, "length": longer} {
		pan := numbers(t, v, from, 5, 1)[0]
		if _, err := v.Sequence(r, panKey, pan); !errors.Is(err, hsm.ErrNotInRange) {
			t.Errorf("number of another %s: %v", name, err)
		}
	}
	if _, err := v.Sequence(r, panKey, card.PAN{}); !errors.Is(err, hsm.ErrNotInRange) {
		t.Errorf("no number: %v", err)
	}
}

func TestOnlyDataKeysMakeNumbersAndTokens(t *testing.T) {
	v := vault.New(newStore(t))
	id, _ := card.NewID(1, 1)
	for _, label := range []card.KeyLabel{"cvk", "zpk", "pins"} {
		ref := card.KeyRef{Label: label}
		if err := v.PANs(visa(1_000_000), ref, []int64{1}, make([]card.PAN, 1), card.NewPANs(1)); !errors.Is(err, hsm.ErrKeyUsage) {
			t.Errorf("%s made a number: %v", label, err)
		}
		if _, err := v.Token(id, ref); !errors.Is(err, hsm.ErrKeyUsage) {
			t.Errorf("%s made a token: %v", label, err)
		}
		if _, err := v.OpenToken("T010000000000000000", label); !errors.Is(err, hsm.ErrKeyUsage) {
			t.Errorf("%s opened a token: %v", label, err)
		}
	}
	if _, err := v.Token(id, card.KeyRef{Label: "none"}); !errors.Is(err, hsm.ErrUnknownKey) {
		t.Errorf("unknown key: %v", err)
	}
}

func TestOpenTokenInvertsToken(t *testing.T) {
	v := vault.New(newStore(t))
	shape := regexp.MustCompile(`^T01[0-9A-Z]{16}$`)
	rapid.Check(t, func(t *rapid.T) {
		id, err := card.NewID(rapid.Int32Range(1, card.MaxRange).Draw(t, "range"), rapid.Int64Range(0, card.MaxSequence).Draw(t, "sequence"))
		if err != nil {
			t.Fatal(err)
		}
		token, err := v.Token(id, tokenKey)
		if err != nil || !shape.MatchString(token) {
			t.Fatalf("token %q, %v", token, err)
		}
		if got, err := v.OpenToken(token, tokenKey.Label); err != nil || got != id {
			t.Fatalf("opened %v, %v", got, err)
		}
	})
}

func TestTheKeysOfNumbersAndTokensNeverRotate(t *testing.T) {
	keys := newStore(t)
	if err := keys.Rotate("token", hsm.SystemEntropy()); !errors.Is(err, keystore.ErrFixed) {
		t.Errorf("got %v", err)
	}
	id, _ := card.NewID(9, 123)
	token, err := vault.New(keys).Token(id, tokenKey)
	if err != nil || !strings.HasPrefix(token, "T01") {
		t.Errorf("token %q, %v", token, err)
	}
}

func TestOpenTokenRefusesEverythingElse(t *testing.T) {
	v := vault.New(newStore(t))
	id, _ := card.NewID(9, 123)
	good, err := v.Token(id, tokenKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"empty": "", "short": good[:18], "long": good + "0", "lower case": strings.ToLower(good), "no T": "X" + good[1:],
		"sign": good[:8] + "-" + good[9:], "digits": "4000000000000000006", "version 0": "T00" + good[3:], "version 9": "T09" + good[3:],
		"no base 36": good[:18] + "é"[:1],
	} {
		if _, err := v.OpenToken(token, "token"); !errors.Is(err, hsm.ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Identities fill only a part of what a token can write (2^63 of 36^16), so nearly every invented token is refused.
func TestAnInventedTokenHardlyEverOpens(t *testing.T) {
	v := vault.New(newStore(t))
	opened := 0
	for i := range 5000 {
		token := fmt.Sprintf("T01%016d", i)
		if _, err := v.OpenToken(token, "token"); err == nil {
			opened++
		}
	}
	if opened > 1 {
		t.Errorf("%d of 5000 invented tokens opened", opened)
	}
}

func FuzzOpenToken(f *testing.F) {
	f.Add("T01ABCDEFGH12345678")
	f.Add("T0100000000ZZZZZZZZ")
	f.Fuzz(func(t *testing.T, token string) {
		v := vault.New(newStore(t))
		id, err := v.OpenToken(token, "token")
		if err != nil {
			return
		}
		if again, err := v.Token(id, tokenKey); err != nil || again != token {
			t.Errorf("%q opened but is not the token of its identity", token)
		}
	})
}

func TestNumbersCostNoAllocationEach(t *testing.T) {
	v := vault.New(newStore(t))
	const n = 1000
	sequences, out, store := make([]int64, n), make([]card.PAN, n), card.NewPANs(n)
	for i := range sequences {
		sequences[i] = int64(i)
	}
	r := visa(10_000_000)
	allocations := testing.AllocsPerRun(20, func() {
		if err := v.PANs(r, panKey, sequences, out, store); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 10 {
		t.Errorf("%v allocations for %d numbers", allocations, n)
	}
}

func BenchmarkPANs(b *testing.B) {
	v := vault.New(newStore(b))
	const n = 1000
	sequences, out, store := make([]int64, n), make([]card.PAN, n), card.NewPANs(n)
	for i := range sequences {
		sequences[i] = int64(i)
	}
	r := visa(100_000_000)
	b.ReportAllocs()
	for b.Loop() {
		if err := v.PANs(r, panKey, sequences, out, store); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/card")
}
