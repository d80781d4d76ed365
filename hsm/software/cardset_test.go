package software_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"slices"
	"sync"
	"testing"
	"time"

	"platen/card"
	"platen/hsm"
	"platen/hsm/vault"
)

// What one card costs in blocks. DES: four for each of three card verification values, three for the PVV, three for the format 0 block. AES: ten
// rounds of FF1, two for the stored PIN in format 4, and two each time it is opened, for the PVV and for the format 0 block.
const (
	desBlocks = 18
	aesBlocks = 16
)

// cardSet is the security values of new cards: what a press asks of vault and module for each file of new cards.
type cardSet struct {
	module    hsm.Module
	vault     hsm.Vault
	cards     card.Range
	sequences []int64
	numbers   []uint64
	pans      []card.PAN
	store     *card.PANs
	requests  []hsm.CodeRequest
	codes     card.Secrets
	pins      []hsm.PIN
	pvvs      []hsm.PVV
	blocks    card.Secrets
}

// cardRange has a domain that FF1 fills, so that no number walks.
func cardRange() card.Range {
	return card.Range{Code: "bench", Number: 1, Prefix: "400000", Length: 16, Size: 1_000_000_000}
}

func newCardSet(m hsm.Module, v hsm.Vault, n int) *cardSet {
	s := &cardSet{
		module: m, vault: v, cards: cardRange(), sequences: make([]int64, n), numbers: objects(n), pans: make([]card.PAN, n), store: card.NewPANs(n),
		requests: make([]hsm.CodeRequest, 3*n), codes: card.NewSecrets(3*n, 3), pins: make([]hsm.PIN, n), pvvs: make([]hsm.PVV, n), blocks: card.NewSecrets(n, 8),
	}
	for i := range s.sequences {
		s.sequences[i] = int64(i) * 977
	}
	return s
}

// run makes the cards.
func (s *cardSet) run() error {
	ctx := context.Background()
	if err := s.vault.PANs(s.cards, ref("data"), s.sequences, s.pans, s.store); err != nil {
		return err
	}
	expiry := card.Expiry{Year: 2030, Month: 11}
	for i, pan := range s.pans {
		s.requests[3*i] = hsm.CodeRequest{PAN: pan, Expiry: expiry, ServiceCode: [3]byte{'2', '0', '1'}}
		s.requests[3*i+1] = hsm.CodeRequest{PAN: pan, Expiry: expiry, ServiceCode: [3]byte{'0', '0', '0'}, MMYY: true}
		s.requests[3*i+2] = hsm.CodeRequest{PAN: pan, Expiry: expiry, ServiceCode: [3]byte{'9', '9', '9'}}
	}
	if err := s.module.Codes(ctx, ref("cvk"), s.requests, s.codes); err != nil {
		return err
	}
	if err := s.module.GeneratePINs(ctx, ref("pins"), 4, s.pans, s.numbers, s.pins); err != nil {
		return err
	}
	if err := s.module.PVVs(ctx, ref("pins"), ref("pvk.visa"), 1, s.pans, s.pins, s.pvvs); err != nil {
		return err
	}
	return s.module.ExportPINs(ctx, ref("pins"), ref("zpk.t"), hsm.ISO0, s.pans, s.pins, s.pans, s.blocks)
}

// bound does nothing but the blocks of a chunk of cards, with ciphers built once.
type bound struct {
	des  cipher.Block
	aes  cipher.Block
	text [aes.BlockSize]byte
}

func newBound(t testing.TB) *bound {
	t.Helper()
	single, err := des.NewCipher([]byte("platen 8"))
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher([]byte("a key of thirty-two bytes, AES 2"))
	if err != nil {
		t.Fatal(err)
	}
	return &bound{des: single, aes: block}
}

func (b *bound) run() error {
	for range chunk {
		for range desBlocks {
			b.des.Encrypt(b.text[:], b.text[:])
		}
		for range aesBlocks {
			b.aes.Encrypt(b.text[:], b.text[:])
		}
	}
	return nil
}

// took is how long workers take to do a chunk each, side by side.
func took(b *testing.B, workers []func() error) float64 {
	b.Helper()
	var wait sync.WaitGroup
	start := time.Now()
	for _, run := range workers {
		wait.Go(func() {
			if err := run(); err != nil {
				b.Error(err)
			}
		})
	}
	wait.Wait()
	return float64(time.Since(start).Nanoseconds()) / chunk
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkCardSet compares the security values of new cards with the bare blocks they are made of and with the straightforward way to write
// them, on one core and on two. Each operation measures all of them one after another, so that a slow moment slows all; ratios are medians.
func BenchmarkCardSet(b *testing.B) {
	store := newStore(b)
	m, v := newModule(b, store, hsm.SystemEntropy()), vault.New(store)
	sets := []func() error{newCardSet(m, v, chunk).run, newCardSet(m, v, chunk).run}
	bounds := []func() error{newBound(b).run, newBound(b).run}
	plain := []func() error{newStraightforward(b, store).run}
	took(b, sets)
	ratios := map[string][]float64{}
	note := func(name string, value float64) { ratios[name] = append(ratios[name], value) }
	for b.Loop() {
		bound1, set1 := took(b, bounds[:1]), took(b, sets[:1])
		bound2, set2 := took(b, bounds), took(b, sets)
		note("of-bound-1-core", bound1/set1)
		note("of-bound-2-cores", bound2/set2)
		note("of-bound's-speedup-2-cores", (set1/set2)/(bound1/bound2))
		note("times-straightforward", took(b, plain)/set1)
		note("ns/card", set1)
	}
	for name, values := range ratios {
		b.ReportMetric(median(values), name)
	}
	b.ReportMetric(cardAllocations(b, m, v), "allocs/card")
}

// cardAllocations is how many allocations a card more costs.
func cardAllocations(t testing.TB, m hsm.Module, v hsm.Vault) float64 {
	count := func(n int) float64 {
		s := newCardSet(m, v, n)
		return testing.AllocsPerRun(20, func() {
			if err := s.run(); err != nil {
				t.Fatal(err)
			}
		})
	}
	return (count(5*chunk) - count(chunk)) / (4 * chunk)
}
