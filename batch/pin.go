package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"

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

// Zones returns the current declarations of what clients share with an institution, by code.
func (p *Plant) Zones(ctx context.Context, i store.Institution) ([]*programs.Zone, error) {
	zones, err := current(ctx, p, p.Store.Q, i.ID, store.ZoneProgram, decodeJSON[programs.Zone])
	if err != nil {
		return nil, err
	}
	var all []*programs.Zone
	for _, z := range sortedEntries(zones) {
		all = append(all, z.value)
	}
	return all, nil
}

// CardPIN is the PIN of an issue of a card, and by what it is verified.
type CardPIN struct {
	Issue   int
	Tries   int // wrong PINs in a row that are looked at, as the product has it today
	check   pinData
	product *card.Product // as it stood when the PIN was made
	pvk     card.KeyRef
	today   entry[*card.Product]
	alsoOf  []int // later issues that took the PIN over
	card    card.ID
}

// pinData is a PIN as it is stored.
type pinData struct {
	pvv    *int
	offset *string
	pin    []byte
}

// same tells whether two are one PIN. What is purged of it is known by its verification data.
func (a pinData) same(b pinData) bool {
	number := func(x, y *int) bool { return x == nil && y == nil || x != nil && y != nil && *x == *y }
	text := func(x, y *string) bool { return x == nil && y == nil || x != nil && y != nil && *x == *y }
	purged := len(a.pin) == 0 || len(b.pin) == 0
	return number(a.pvv, b.pvv) && text(a.offset, b.offset) && (purged || bytes.Equal(a.pin, b.pin))
}

// Same tells whether a card has the PIN that it had.
func (p *CardPIN) Same(q *CardPIN) bool { return p.Issue == q.Issue && p.check.same(q.check) }

// Card is whose PIN it is.
func (p *CardPIN) Card() card.ID { return p.card }

// CardPIN finds the PIN of a card: that of the issue in use, or of the newest while none is. It fails with ErrNoPIN.
func (p *Plant) CardPIN(ctx context.Context, q store.Q, i store.Institution, c store.Card) (CardPIN, error) {
	issues, err := q.Issues(ctx, c.ID)
	if err != nil {
		return CardPIN{}, err
	}
	list, err := q.ChosenPINs(ctx, c.ID)
	if err != nil {
		return CardPIN{}, err
	}
	chosen := make(map[int]store.ChosenPIN, len(list))
	for _, choice := range list {
		chosen[choice.Issue] = choice
	}
	has := func(k int) pinData {
		if choice, ok := chosen[issues[k].Issue]; ok {
			return pinData{choice.PVV, choice.Offset, choice.PIN}
		}
		return pinData{issues[k].PVV, issues[k].Offset, issues[k].PIN}
	}
	at := inUse(issues)
	if at < 0 || has(at).pvv == nil && has(at).offset == nil {
		return CardPIN{}, ErrNoPIN
	}
	pin := CardPIN{Issue: issues[at].Issue, check: has(at), card: c.ID}
	if pin.today, err = p.productOf(ctx, q, i, c); err != nil {
		return CardPIN{}, err
	}
	pin.Tries = pin.today.value.PIN.Tries()
	for k := at + 1; k < len(issues) && has(k).same(pin.check); k++ {
		pin.alsoOf = append(pin.alsoOf, issues[k].Issue)
	}
	first := at
	for first > 0 && chosen[issues[first].Issue].Issue == 0 && has(first-1).same(pin.check) {
		first--
	}
	return pin, p.madeBy(ctx, q, i, issues[first], chosen[issues[first].Issue], &pin)
}

// productOf is the current declaration of a card's product.
func (p *Plant) productOf(ctx context.Context, q store.Q, i store.Institution, c store.Card) (entry[*card.Product], error) {
	products, err := current(ctx, p, q, i.ID, store.ProductProgram, decodeJSON[card.Product])
	if err != nil {
		return entry[*card.Product]{}, err
	}
	for _, e := range products {
		if e.number == c.Product {
			return e, nil
		}
	}
	return entry[*card.Product]{}, fmt.Errorf("product of a card: %w", store.ErrNotFound)
}

// madeBy finds the product's version and the key that a PIN was made with, at the first issue that had it: those of the choice, or else those of the file.
func (p *Plant) madeBy(ctx context.Context, q store.Q, i store.Institution, first store.Issue, choice store.ChosenPIN, pin *CardPIN) (err error) {
	pin.product, pin.pvk = pin.today.value, card.KeyRef{Label: pin.today.value.Keys.PVK}
	if choice.Issue != 0 {
		if pin.product, err = p.product(ctx, q, i.ID, pin.today.number, choice.ProductVersion); err != nil {
			return err
		}
		pin.pvk = card.KeyRef{Label: pin.product.Keys.PVK, Version: choice.PVKVersion}
		return nil
	}
	var keys personalization.Keys
	pin.product, keys, err = p.madeWith(ctx, q, i, first, pin.today.value)
	if keys.PVK.Label != "" {
		pin.pvk = keys.PVK
	}
	return err
}

// madeWith finds the product's version and the keys that an issue was made with: those of its file, or today's for one that waits for a file.
func (p *Plant) madeWith(ctx context.Context, q store.Q, i store.Institution, issue store.Issue, today *card.Product) (*card.Product, personalization.Keys, error) {
	if issue.File == nil {
		return today, personalization.KeysOf(today), nil
	}
	f, err := q.FileByNumber(ctx, *issue.File)
	if err != nil {
		return nil, personalization.Keys{}, err
	}
	product, err := p.product(ctx, q, i.ID, f.Product, f.ProductVersion)
	if err != nil {
		return nil, personalization.Keys{}, err
	}
	keys, err := pressKeys(f.Keys)
	if err != nil {
		return nil, keys, fmt.Errorf("file %d: %w", f.Number, err)
	}
	return product, keys, nil
}

// inUse is the place of the issue that is in use, or of the newest while none is; -1 of none.
func inUse(issues []store.Issue) int {
	at := len(issues) - 1
	for k := range issues {
		if issues[k].Use == card.UseCurrent {
			at = k
		}
	}
	return at
}

// VerifyPIN asks the security module whether a PIN block that came in under a zone's key holds the PIN of a card. A block that cannot be read fails
// with hsm.ErrPINBlock.
func (p *Plant) VerifyPIN(ctx context.Context, z *programs.Zone, pin CardPIN, block []byte) (bool, error) {
	press, pan, err := p.pinPress(ctx, z, pin.card, pin.product, pin.pvk)
	if err != nil {
		return false, err
	}
	got, err := press.Receive(ctx, hsm.PresentedPIN, pan, block)
	switch {
	case errors.Is(err, hsm.ErrWeakPIN): // a module that lets no card have this PIN
		return false, nil
	case err != nil:
		return false, err
	case pin.check.pvv != nil:
		return got.SamePVV(hsm.PVV(fmt.Appendf(nil, "%04d", *pin.check.pvv))), nil
	}
	want := hsm.Offset{N: uint8(len(*pin.check.offset))}
	copy(want.Digits[:], *pin.check.offset)
	return got.SameOffset(want), nil
}

// ChoosePIN makes what is stored of a PIN that a holder chose for a card and that came in under a zone's key: by the product as it stands today. It fails with
// hsm.ErrPINBlock for a block that cannot be read and with hsm.ErrWeakPIN for a PIN that is easy to guess. There is a row for each issue that has the PIN.
func (p *Plant) ChoosePIN(ctx context.Context, z *programs.Zone, pin CardPIN, block []byte) ([]store.ChosenPIN, error) {
	return p.choosePIN(ctx, z, pin, func(press *personalization.Press, pan card.PAN) (personalization.Received, error) {
		return press.Receive(ctx, hsm.ChosenPIN, pan, block)
	})
}

// TakePIN is ChoosePIN of a PIN as its digits. It fails with hsm.ErrClearPIN where the security module takes none, and with an hsm.InputError for what is no PIN of the product's length.
func (p *Plant) TakePIN(ctx context.Context, pin CardPIN, digits card.Secret) ([]store.ChosenPIN, error) {
	return p.choosePIN(ctx, &programs.Zone{}, pin, func(press *personalization.Press, pan card.PAN) (personalization.Received, error) {
		return press.Take(ctx, hsm.ChosenPIN, pan, digits)
	})
}

func (p *Plant) choosePIN(ctx context.Context, z *programs.Zone, pin CardPIN, take func(*personalization.Press, card.PAN) (personalization.Received, error)) ([]store.ChosenPIN, error) {
	pvk, err := p.newestPVK(ctx, pin)
	if err != nil {
		return nil, err
	}
	press, pan, err := p.pinPress(ctx, z, pin.card, pin.today.value, pvk)
	if err != nil {
		return nil, err
	}
	got, err := take(press, pan)
	if err != nil {
		return nil, err
	}
	return p.chosen(pin, pvk, got.PIN.Bytes(), got.PVV, got.Offset)
}

// newestPVK is what PINs are verified with that a card of a product gets now.
func (p *Plant) newestPVK(ctx context.Context, pin CardPIN) (pvk card.KeyRef, err error) {
	pvk.Label = pin.today.value.Keys.PVK
	pvk.Version, _, err = p.Module.KeyVersion(ctx, pvk)
	return pvk, err
}

// chosen are the rows of a PIN that takes the place of a card's: one for each issue that has that PIN.
func (p *Plant) chosen(pin CardPIN, pvk card.KeyRef, block []byte, pvv hsm.PVV, offset hsm.Offset) ([]store.ChosenPIN, error) {
	choice := store.ChosenPIN{Card: pin.card, ProductVersion: pin.today.version, PVKVersion: pvk.Version, PIN: block, ChosenAt: p.Now()}
	if pin.today.value.PIN.Method == card.RandomPIN {
		n, err := strconv.Atoi(string(pvv[:]))
		if err != nil {
			return nil, errors.New("a PIN verification value is no number")
		}
		choice.PVV = &n
	} else {
		text := string(offset.Digits[:offset.N])
		choice.Offset = &text
	}
	var rows []store.ChosenPIN
	for _, issue := range append([]int{pin.Issue}, pin.alsoOf...) {
		choice.Issue = issue
		rows = append(rows, choice)
	}
	return rows, nil
}

// ExportPIN makes a PIN block of a card's PIN under a zone's key. It fails with ErrNoPIN for a PIN that was purged.
func (p *Plant) ExportPIN(ctx context.Context, z *programs.Zone, pin CardPIN) ([]byte, error) {
	if len(pin.check.pin) == 0 {
		return nil, ErrNoPIN
	}
	pan, err := p.number(ctx, pin.card)
	if err != nil {
		return nil, err
	}
	kept, err := hsm.NewPIN(pin.check.pin)
	if err != nil {
		return nil, err
	}
	format, pans := hsm.PINFormat(z.PINFormat), []card.PAN{pan}
	out := card.NewSecrets(1, z.BlockSize())
	err = p.Module.ExportPINs(ctx, card.KeyRef{Label: p.PINStorage}, card.KeyRef{Label: z.Key}, format, pans, []hsm.PIN{kept}, pans, out)
	return out.Reveal(0), err
}

// pinPress makes what works on incoming PINs of a card.
func (p *Plant) pinPress(ctx context.Context, z *programs.Zone, id card.ID, product *card.Product, pvk card.KeyRef) (*personalization.Press, card.PAN, error) {
	keys := personalization.KeysOf(product)
	keys.PVK, keys.Storage, keys.ZPK, keys.PINFormat = pvk, card.KeyRef{Label: p.PINStorage}, card.KeyRef{Label: z.Key}, hsm.PINFormat(z.PINFormat)
	incoming := *product
	incoming.PIN.InCardFile = false // the format of what comes in is the zone's
	press, err := personalization.NewPress(p.Module, incoming, keys)
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

// ChosenUnder tells whether a PIN that the holder of a living card chose is verified with a version of a key.
func (p *Plant) ChosenUnder(ctx context.Context, institution uuid.UUID, key card.KeyRef) (bool, error) {
	all, err := p.Store.ChoicesInUse(ctx, institution)
	if err != nil {
		return false, err
	}
	for _, v := range all {
		product, err := p.product(ctx, p.Store.Q, institution, v.Product, v.ProductVersion)
		if err != nil {
			return false, err
		}
		if key == (card.KeyRef{Label: product.Keys.PVK, Version: v.PVKVersion}) {
			return true, nil
		}
	}
	return false, nil
}
