//go:build pkcs11

package pkcs11

import (
	"context"
	"fmt"
	"sync"

	p11 "github.com/miekg/pkcs11"

	"platen/card"
	"platen/hsm"
	"platen/hsm/amex"
	"platen/hsm/arguments"
	"platen/hsm/cvv"
	"platen/hsm/keyblock"
	"platen/hsm/nibbles"
	"platen/hsm/pin"
	"platen/hsm/tdes"
)

// tag is the first byte of every PIN this module stores.
const tag = 'T'

// chunk is how many cards go to the token in one call: 4 KiB of AES blocks.
const chunk = 256

// Module implements hsm.Module on a token.
type Module struct {
	token   *token
	entropy hsm.Entropy

	mu     sync.Mutex
	values map[card.KeyRef]string // check values that were computed
	fills  map[card.KeyRef]fill
}

var _ hsm.Module = (*Module)(nil)

// New loads the library and finds the token. entropy draws PINs; nil takes the token's own random numbers.
func New(options Options, entropy hsm.Entropy) (*Module, error) {
	t, err := load(options)
	if err != nil {
		return nil, err
	}
	return newModule(t, entropy), nil
}

func newModule(t *token, entropy hsm.Entropy) *Module {
	if entropy == nil {
		entropy = &randomness{token: t}
	}
	return &Module{token: t, entropy: entropy, values: map[card.KeyRef]string{}, fills: map[card.KeyRef]fill{}}
}

// Close ends the module's sessions.
func (m *Module) Close() { m.token.close() }

// Tag implements hsm.Module.
func (m *Module) Tag() byte { return tag }

// Formats implements hsm.Module.
func (m *Module) Formats() []hsm.PINFormat { return []hsm.PINFormat{hsm.ISO0, hsm.ISO4} }

// IncomingFormats implements hsm.Module.
func (m *Module) IncomingFormats() []hsm.PINFormat {
	return []hsm.PINFormat{hsm.ISO0, hsm.ISO1, hsm.ISO3, hsm.ISO4}
}

// Ready implements hsm.Module: the token lets its user in and draws a random number.
func (m *Module) Ready(ctx context.Context) error {
	return m.token.do(ctx, func(s p11.SessionHandle) error {
		_, err := m.token.lib.GenerateRandom(s, 1)
		return err
	})
}

// KeyVersion implements hsm.Module. The highest version is the current one; the token computes the check value.
func (m *Module) KeyVersion(ctx context.Context, ref card.KeyRef) (version int, kcv string, err error) {
	found, k, err := m.token.lookup(ctx, ref, ref.Version == 0)
	if err != nil {
		return 0, "", err
	}
	m.mu.Lock()
	kcv, known := m.values[found]
	m.mu.Unlock()
	if known {
		return found.Version, kcv, nil
	}
	if kcv, err = m.token.checkValue(ctx, found, k.algorithm); err != nil {
		return 0, "", fmt.Errorf("check value of key %s: %w", found, err)
	}
	m.mu.Lock()
	m.values[found] = kcv
	m.mu.Unlock()
	return found.Version, kcv, nil
}

// chunks runs a job for 0 to n-1, so many at a time, and looks before each whether the call was cancelled.
func chunks(ctx context.Context, n int, job func(from, to int) error) error {
	for from := 0; ; from += chunk {
		if err := ctx.Err(); err != nil || from >= n {
			return err
		}
		if err := job(from, min(from+chunk, n)); err != nil {
			return err
		}
	}
}

// Codes implements hsm.Module.
func (m *Module) Codes(ctx context.Context, cvk card.KeyRef, in []hsm.CodeRequest, out card.Secrets) error {
	if err := arguments.Codes(in, out); err != nil {
		return err
	}
	ref, err := m.token.resolve(ctx, cvk, keyblock.CVK, keyblock.TDES)
	if err != nil {
		return fmt.Errorf("card verification values: %w", err)
	}
	return chunks(ctx, len(in), func(from, to int) error {
		if err := m.codes(ctx, ref, in[from:to], from, out); err != nil {
			return fmt.Errorf("card verification values: %w", err)
		}
		return nil
	})
}

// codes computes the values of some requests, of which the first is number from.
func (m *Module) codes(ctx context.Context, ref card.KeyRef, in []hsm.CodeRequest, from int, out card.Secrets) error {
	var b cvv.Bench
	first, second := make([]byte, 0, len(in)*tdes.BlockSize), make([]byte, 0, len(in)*tdes.BlockSize)
	for i := range in {
		expiry := in[i].Expiry.YYMM()
		if in[i].MMYY {
			expiry = in[i].Expiry.MMYY()
		}
		one, two := b.Blocks(in[i].PAN.Reveal(), expiry, in[i].ServiceCode)
		first, second = append(first, one...), append(second, two...)
	}
	defer wipe(first, second)
	half, err := m.token.encrypt(ctx, partID{ref, true}, first)
	if err != nil {
		return err
	}
	nibbles.Xor(half, second)
	whole, err := m.token.encrypt(ctx, partID{ref, false}, half)
	if err != nil {
		return err
	}
	defer wipe(half, whole)
	for i := range in {
		out.Set(from+i, b.Value(whole[i*tdes.BlockSize:][:tdes.BlockSize]))
	}
	return nil
}

// CSCs implements hsm.Module.
func (m *Module) CSCs(ctx context.Context, csck card.KeyRef, pans []card.PAN, expiries []card.Expiry, out card.Secrets) error {
	if err := arguments.CSCs(pans, expiries, out); err != nil {
		return err
	}
	ref, err := m.token.resolve(ctx, csck, keyblock.CVK, keyblock.TDES)
	if err != nil {
		return fmt.Errorf("card security codes: %w", err)
	}
	var b amex.Bench
	return chunks(ctx, len(pans), func(from, to int) error {
		blocks := make([]byte, 0, (to-from)*tdes.BlockSize)
		defer func() { wipe(blocks) }()
		for i := from; i < to; i++ {
			blocks = append(blocks, b.Block(pans[i].Reveal(), expiries[i].YYMM())...)
		}
		sealed, err := m.token.encrypt(ctx, partID{ref, false}, blocks)
		if err != nil {
			return fmt.Errorf("card security codes: %w", err)
		}
		defer wipe(sealed)
		for i := from; i < to; i++ {
			out.Set(i, b.Value(sealed[(i-from)*tdes.BlockSize:][:tdes.BlockSize]))
		}
		return nil
	})
}

// naturals computes the natural PINs of some cards.
func (m *Module) naturals(ctx context.Context, ref card.KeyRef, s *pin.Scheme, pans []card.PAN) ([]pin.Clear, error) {
	var b pin.Bench
	blocks := make([]byte, 0, len(pans)*tdes.BlockSize)
	for i := range pans {
		blocks = append(blocks, b.NaturalBlock(s, pin.AccountField(pans[i].Reveal()))...)
	}
	sealed, err := m.token.encrypt(ctx, partID{ref, false}, blocks)
	if err != nil {
		return nil, err
	}
	defer wipe(sealed)
	out := make([]pin.Clear, len(pans))
	for i := range out {
		b.NaturalFrom(sealed[i*tdes.BlockSize:][:tdes.BlockSize], &s.Table, s.Length, &out[i])
	}
	return out, nil
}

// pvvs computes the PIN verification values of clear PINs.
func (m *Module) pvvs(ctx context.Context, ref card.KeyRef, pvki int, pans []card.PAN, pins []pin.Clear, out []hsm.PVV) error {
	var b pin.Bench
	blocks := make([]byte, 0, len(pans)*tdes.BlockSize)
	for i := range pans {
		blocks = append(blocks, b.PVVBlock(pin.AccountField(pans[i].Reveal()), pvki, &pins[i])...)
	}
	defer wipe(blocks)
	sealed, err := m.token.encrypt(ctx, partID{ref, false}, blocks)
	if err != nil {
		return err
	}
	for i := range pans {
		out[i] = b.PVVOf(sealed[i*tdes.BlockSize:][:tdes.BlockSize])
	}
	return nil
}

func wipe(buffers ...[]byte) {
	for _, b := range buffers {
		clear(b)
	}
}
