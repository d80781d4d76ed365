package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/personalization"
	"platen/programs"
	"platen/sql/store"
)

// ErrNoPIN says that a card has no PIN.
var ErrNoPIN = errors.New("the card has no PIN")

// Zone returns the current declaration of a key that clients share.
func (p *Plant) Zone(ctx context.Context, i store.Institution, code string) (*programs.Zone, error) {
	zones, err := current(ctx, p, p.Store.Q, i.ID, store.ZoneProgram, decodeJSON[programs.Zone])
	if err != nil {
		return nil, err
	}
	z, ok := zones[code]
	if !ok {
		return nil, fmt.Errorf("zone %q is not declared: %w", code, store.ErrNotFound)
	}
	return z.value, nil
}

// CardPIN is the PIN of an issue of a card, and by what it is verified.
type CardPIN struct {
	Issue   int
	Tries   int // wrong PINs in a row that are looked at, as the product has it today
	stored  store.Issue
	product *card.Product // as it stood when the PIN was made
	pvk     card.KeyRef
}

// CardPIN finds the PIN of a card: that of the issue in use, or of the newest while none is. It fails with ErrNoPIN.
func (p *Plant) CardPIN(ctx context.Context, q store.Q, i store.Institution, c store.Card) (CardPIN, error) {
	issues, err := q.Issues(ctx, c.ID)
	if err != nil {
		return CardPIN{}, err
	}
	at := len(issues) - 1
	for k := range issues {
		if issues[k].Use == card.UseCurrent {
			at = k
		}
	}
	if at < 0 || issues[at].PVV == nil && issues[at].Offset == nil {
		return CardPIN{}, ErrNoPIN
	}
	products, err := current(ctx, p, q, i.ID, store.ProductProgram, decodeJSON[card.Product])
	if err != nil {
		return CardPIN{}, err
	}
	for _, e := range products {
		if e.number == c.Product {
			pin := CardPIN{Issue: issues[at].Issue, Tries: e.value.PIN.Tries(), stored: issues[at], product: e.value, pvk: card.KeyRef{Label: e.value.Keys.PVK}}
			return pin, p.madeBy(ctx, q, i, issues[:at+1], &pin)
		}
	}
	return CardPIN{}, fmt.Errorf("product of a card: %w", store.ErrNotFound)
}

// madeBy finds the product's version and the key that a PIN was made with: those of the file of the first issue that had it. Later ones took it over.
func (p *Plant) madeBy(ctx context.Context, q store.Q, i store.Institution, issues []store.Issue, pin *CardPIN) error {
	first := pin.stored
	for k := len(issues) - 2; k >= 0 && samePIN(issues[k], first); k-- {
		first = issues[k]
	}
	if first.File == nil {
		return nil
	}
	f, err := q.FileByNumber(ctx, *first.File)
	if err != nil {
		return err
	}
	if pin.product, err = p.product(ctx, q, i.ID, f.Product, f.ProductVersion); err != nil {
		return err
	}
	keys, err := pressKeys(f.Keys)
	if err != nil {
		return fmt.Errorf("file %d: %w", f.Number, err)
	}
	if keys.PVK.Label != "" {
		pin.pvk = keys.PVK
	}
	return nil
}

// samePIN tells whether an issue had the PIN of the next one. What is purged of it is known by its verification data.
func samePIN(a, b store.Issue) bool {
	same := func(x, y *int) bool { return x == nil && y == nil || x != nil && y != nil && *x == *y }
	text := func(x, y *string) bool { return x == nil && y == nil || x != nil && y != nil && *x == *y }
	purged := len(a.PIN) == 0 || len(b.PIN) == 0
	return same(a.PVV, b.PVV) && text(a.Offset, b.Offset) && (purged || bytes.Equal(a.PIN, b.PIN))
}

// VerifyPIN asks the security module whether a PIN block that came in under a zone's key holds the PIN of a card. A block that cannot be read fails
// with hsm.ErrPINBlock.
func (p *Plant) VerifyPIN(ctx context.Context, z *programs.Zone, id card.ID, pin CardPIN, block []byte) (bool, error) {
	press, pan, err := p.pinPress(ctx, z, id, pin)
	if err != nil {
		return false, err
	}
	got, err := press.Receive(ctx, hsm.PresentedPIN, pan, block)
	switch {
	case errors.Is(err, hsm.ErrWeakPIN): // a module that lets no card have this PIN
		return false, nil
	case err != nil:
		return false, err
	case pin.stored.PVV != nil:
		return got.SamePVV(hsm.PVV(fmt.Appendf(nil, "%04d", *pin.stored.PVV))), nil
	}
	want := hsm.Offset{N: uint8(len(*pin.stored.Offset))}
	copy(want.Digits[:], *pin.stored.Offset)
	return got.SameOffset(want), nil
}

// pinPress makes what works on incoming PINs of a card.
func (p *Plant) pinPress(ctx context.Context, z *programs.Zone, id card.ID, pin CardPIN) (*personalization.Press, card.PAN, error) {
	press, err := personalization.NewPress(p.Module, *pin.product, personalization.Keys{CVK: card.KeyRef{Label: pin.product.Keys.CVK}, PVK: pin.pvk,
		Storage: card.KeyRef{Label: p.PINStorage}, ZPK: card.KeyRef{Label: z.Key}, PINFormat: hsm.PINFormat(z.PINFormat)})
	if err != nil {
		return nil, card.PAN{}, err
	}
	pan, err := p.number(ctx, id)
	return press, pan, err
}

// number is the number of a card.
func (p *Plant) number(ctx context.Context, id card.ID) (card.PAN, error) {
	ranges, err := p.Store.Ranges(ctx)
	if err != nil {
		return card.PAN{}, err
	}
	for _, r := range ranges {
		if r.Number == id.Range() {
			out := make([]card.PAN, 1)
			err := p.Vault.PANs(r.Range, r.PermutationKey, []int64{id.Sequence()}, out, card.NewPANs(1))
			return out[0], err
		}
	}
	return card.PAN{}, fmt.Errorf("range of a card: %w", store.ErrNotFound)
}
