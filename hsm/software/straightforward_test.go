package software_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	crand "crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"platen/card"
	"platen/hsm"
	"platen/hsm/keystore"
	"platen/hsm/vault"
)

// straightforward computes the values of a card as their standards tell them, one step after another: text, hexadecimal, big numbers, and a new
// cipher for each value. Tests compare the module with it, the benchmark its speed.
type straightforward struct{ cvk, pvk, zpk, storage, data []byte }

func newStraightforward(t testing.TB, store *keystore.Store) straightforward {
	t.Helper()
	clearKey := func(label string) (out []byte) {
		u := usages[label]
		if err := store.Use(ref(label), u.usage, u.alg, func(key []byte) error { out = append(out, key...); return nil }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	return straightforward{clearKey("cvk"), clearKey("pvk.visa"), clearKey("zpk.t"), clearKey("pins"), clearKey("data")}
}

func ecb(block cipher.Block, err error, do func(cipher.Block) func(dst, src []byte), text string) string {
	in, e := hex.DecodeString(text)
	if err != nil || e != nil {
		panic("a key or a block of a test is malformed")
	}
	out := make([]byte, len(in))
	do(block)(out, in)
	return strings.ToUpper(hex.EncodeToString(out))
}

func encrypt(b cipher.Block) func(dst, src []byte) { return b.Encrypt }
func decrypt(b cipher.Block) func(dst, src []byte) { return b.Decrypt }

func tripleOf(key []byte) (cipher.Block, error) {
	return des.NewTripleDESCipher(append(append([]byte(nil), key...), key[:8]...))
}

func added(a, b string) string {
	x, okX := new(big.Int).SetString(a, 16)
	y, okY := new(big.Int).SetString(b, 16)
	if !okX || !okY {
		panic("a block of a test is malformed")
	}
	return fmt.Sprintf("%0*X", len(a), x.Xor(x, y))
}

func decimal(block string, n int) string {
	first, second := "", ""
	for _, c := range block {
		if c < 'A' {
			first += string(c)
		} else {
			second += string(c - 'A' + '0')
		}
	}
	return (first + second)[:n]
}

func (s straightforward) code(pan, expiry, service string) string {
	text := pan + expiry + service
	text += strings.Repeat("0", 32-len(text))
	single, err := des.NewCipher(s.cvk[:8])
	first := ecb(single, err, encrypt, text[:16])
	triple, err := tripleOf(s.cvk)
	return decimal(ecb(triple, err, encrypt, added(first, text[16:])), 3)
}

func (s straightforward) pvv(pan, pvki, pin string) string {
	triple, err := tripleOf(s.pvk)
	return decimal(ecb(triple, err, encrypt, pan[len(pan)-12:len(pan)-1]+pvki+pin[:4]), 4)
}

func (s straightforward) block0(pan, pin string) string {
	triple, err := tripleOf(s.zpk)
	field := fmt.Sprintf("0%X%s%s", len(pin), pin, strings.Repeat("F", 14-len(pin)))
	return ecb(triple, err, encrypt, added(field, "0000"+pan[len(pan)-13:len(pan)-1]))
}

func account4(pan string) string {
	return fmt.Sprintf("%d%s%s", len(pan)-12, pan, strings.Repeat("0", 31-len(pan)))
}

func (s straightforward) block4(pan, pin, random string) string {
	block, err := aes.NewCipher(s.storage)
	field := fmt.Sprintf("4%X%s%s%s", len(pin), pin, strings.Repeat("A", 14-len(pin)), random)
	return ecb(block, err, encrypt, added(ecb(block, err, encrypt, field), account4(pan)))
}

// open4 reads the PIN of a format 4 block under the storage key.
func (s straightforward) open4(pan, sealed string) string {
	block, err := aes.NewCipher(s.storage)
	field := ecb(block, err, decrypt, added(ecb(block, err, decrypt, sealed), account4(pan)))
	return strings.TrimRight(field[2:16], "A")
}

// ff1 is FF1 of SP 800-38G (algorithm 7) for decimal digits.
func (s straightforward) ff1(digits string, tweak []byte) string {
	block, err := aes.NewCipher(s.data)
	if err != nil {
		panic(err)
	}
	n, u := len(digits), len(digits)/2
	v := n - u
	a, b := digits[:u], digits[u:]
	power := func(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
	size := (new(big.Int).Sub(power(v), big.NewInt(1)).BitLen() + 7) / 8
	used := 4*((size+3)/4) + 4
	p := fmt.Sprintf("010201%06X0A%02X%08X%08X", 10, u, n, len(tweak))
	for round := range 10 {
		number, _ := new(big.Int).SetString(b, 10)
		q := hex.EncodeToString(tweak)
		for (len(q)/2+1+size)%16 != 0 {
			q += "00"
		}
		q += fmt.Sprintf("%02X%0*X", round, 2*size, number)
		r := strings.Repeat("0", 32)
		for text := p + q; text != ""; text = text[32:] {
			r = ecb(block, nil, encrypt, added(r, text[:32]))
		}
		m := u
		if round%2 == 1 {
			m = v
		}
		y, _ := new(big.Int).SetString(r[:2*used], 16)
		c, _ := new(big.Int).SetString(a, 10)
		c.Add(c, y).Mod(c, power(m))
		a, b = b, fmt.Sprintf("%0*d", m, c)
	}
	return a + b
}

// pan is the number of a sequence in cardRange, whose domain FF1 fills.
func (s straightforward) pan(sequence int64) string {
	payload := cardRange().Prefix + s.ff1(fmt.Sprintf("%09d", sequence), []byte{0, 0, 0, 1})
	return payload + string(card.CheckDigit([]byte(payload)))
}

func randomDigits(n int) string {
	out := ""
	for range n {
		d, err := crand.Int(crand.Reader, big.NewInt(10))
		if err != nil {
			panic(err)
		}
		out += d.String()
	}
	return out
}

// run makes a chunk of cards: the values of cardSet.
func (s straightforward) run() error {
	for i := range int64(chunk) {
		pan, pin := s.pan(i*977), randomDigits(4)
		random := make([]byte, 8)
		if _, err := crand.Read(random); err != nil {
			return err
		}
		_, _, _ = s.code(pan, "3011", "201"), s.code(pan, "1130", "000"), s.code(pan, "3011", "999")
		_, _, _ = s.block4(pan, pin, hex.EncodeToString(random)), s.pvv(pan, "1", pin), s.block0(pan, pin)
	}
	return nil
}

func TestTheModuleComputesWhatTheStandardsSay(t *testing.T) {
	store := newStore(t)
	m := newModule(t, store, hsm.SystemEntropy())
	plain, set := newStraightforward(t, store), newCardSet(m, vault.New(store), 50)
	if err := set.run(); err != nil {
		t.Fatal(err)
	}
	for i := range set.pans {
		pan := string(set.pans[i].Reveal())
		if want := plain.pan(set.sequences[i]); pan != want {
			t.Fatalf("card number %d differs", i)
		}
		for at, want := range []string{plain.code(pan, "3011", "201"), plain.code(pan, "1130", "000"), plain.code(pan, "3011", "999")} {
			if string(set.codes.Reveal(3*i+at)) != want {
				t.Errorf("card %d: code %d differs", i, at)
			}
		}
		pin := plain.open4(pan, hex.EncodeToString(set.pins[i].Bytes()[2:]))
		if len(pin) != 4 || string(set.pvvs[i][:]) != plain.pvv(pan, "1", pin) {
			t.Errorf("card %d: PVV differs", i)
		}
		if strings.ToUpper(hex.EncodeToString(set.blocks.Reveal(i))) != plain.block0(pan, pin) {
			t.Errorf("card %d: PIN block differs", i)
		}
	}
}

// Numbers of every length: their digits end at other places of the blocks.
func TestValuesOfNumbersOfEveryLength(t *testing.T) {
	store := newStore(t)
	m := newModule(t, store, hsm.SystemEntropy())
	plain, ctx := newStraightforward(t, store), context.Background()
	for length := 13; length <= 19; length++ {
		payload := []byte("4000001234567890123"[:length-1])
		pan, err := card.NewPAN(append(payload, card.CheckDigit(payload)))
		if err != nil {
			t.Fatal(err)
		}
		pans, digits := []card.PAN{pan}, string(pan.Reveal())
		codes, pins, pvvs, blocks := card.NewSecrets(1, 3), make([]hsm.PIN, 1), make([]hsm.PVV, 1), card.NewSecrets(1, 8)
		request := []hsm.CodeRequest{{PAN: pan, Expiry: card.Expiry{Year: 2031, Month: 2}, ServiceCode: [3]byte{'6', '2', '1'}}}
		for _, err := range []error{
			m.Codes(ctx, ref("cvk"), request, codes), m.GeneratePINs(ctx, ref("pins"), 12, pans, objects(1), pins),
			m.PVVs(ctx, ref("pins"), ref("pvk.visa"), 6, pans, pins, pvvs), m.ExportPINs(ctx, ref("pins"), ref("zpk.t"), hsm.ISO0, pans, pins, pans, blocks),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		pin := plain.open4(digits, hex.EncodeToString(pins[0].Bytes()[2:]))
		if string(codes.Reveal(0)) != plain.code(digits, "3102", "621") || len(pin) != 12 || string(pvvs[0][:]) != plain.pvv(digits, "6", pin) ||
			strings.ToUpper(hex.EncodeToString(blocks.Reveal(0))) != plain.block0(digits, pin) {
			t.Errorf("a number of %d digits: some value differs", length)
		}
	}
}
