package batch

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"platen/card"
	"platen/hsm"
	"platen/hsm/dynamic"
	"platen/personalization"
	"platen/programs"
	"platen/sql/store"
)

// SecurityValues are the codes of the issue of a card that is in use, or of the newest while none is. They are computed when they are asked for and kept nowhere.
type SecurityValues struct {
	Issue  int
	Expiry card.Expiry
	personalization.SecurityValues
	CVV2Until *time.Time // when a dynamic CVV2 is followed by the next; nil for a printed one
}

// SecurityValues computes the codes of a card with the keys that it was made with. Where the product has a dynamic CVV2, that stands for the printed one.
func (p *Plant) SecurityValues(ctx context.Context, i store.Institution, c store.Card) (SecurityValues, error) {
	m, err := p.making(ctx, i, c)
	if err != nil {
		return SecurityValues{}, err
	}
	v := SecurityValues{Issue: m.issue, Expiry: m.expiry}
	if v.SecurityValues, err = m.press.SecurityValues(ctx, m.pan, m.expiry); err != nil {
		return v, err
	}
	w, on := windowsOf(m.today)
	if !on {
		return v, nil
	}
	now := w.Index(p.Now())
	codes, err := m.dynamicCVV2s(ctx, w, now, now)
	if err != nil {
		return v, err
	}
	v.CVV2.Wipe()
	v.CVV2 = card.NewSecret(append([]byte(nil), codes.Reveal(0)...))
	until := time.Unix((now+1)*int64(w.Length/time.Second), 0).UTC()
	v.CVV2Until = &until
	return v, nil
}

// zoneMode is how codes are told under a zone's data key: each is one block for itself.
const zoneMode = hsm.TDESECB

// SealCodes enciphers codes under a zone's data key, each as a block of 8 bytes; of a code that is none there is none. The clear code is in no answer of this and in no
// error. A block of its own hides little: it is one of a thousand, the same for every card with the code.
func (p *Plant) SealCodes(ctx context.Context, z *programs.Zone, codes []card.Secret) ([][]byte, error) {
	cells := card.NewSecrets(len(codes), zoneMode.BlockSize())
	defer cells.Wipe()
	for i, code := range codes {
		if len(code.Reveal()) == 0 {
			continue
		}
		block, err := z.DataBlock(code.Reveal())
		if err != nil {
			return nil, fmt.Errorf("zone %s: %w", z.Code, err)
		}
		cells.Set(i, block)
		clear(block)
	}
	if err := p.Module.EncryptData(ctx, card.KeyRef{Label: z.DataKey}, zoneMode, cells, cells); err != nil {
		return nil, fmt.Errorf("zone %s: %w", z.Code, err)
	}
	sealed := make([][]byte, len(codes))
	for i := range sealed {
		sealed[i] = append(sealed[i], cells.Reveal(i)...)
	}
	return sealed, nil
}

// CardNumber is a card's number, on its way to somebody who may know it: encrypted. Whoever gets it wipes it.
func (p *Plant) CardNumber(ctx context.Context, id card.ID) (card.Secret, error) {
	pan, err := p.number(ctx, id)
	if err != nil {
		return card.Secret{}, err
	}
	return card.NewSecret(append([]byte(nil), pan.Reveal()...)), nil
}

// VerifyCVV2 tells in constant time whether a value is a card's CVV2, or the four digits on the front of an American Express card. Where the product has a dynamic one, it is that of the window that the moment lies in or of
// one within the grace, and the printed one is none.
func (p *Plant) VerifyCVV2(ctx context.Context, i store.Institution, c store.Card, value card.Secret) (bool, error) {
	m, err := p.making(ctx, i, c)
	if err != nil {
		return false, err
	}
	w, on := windowsOf(m.today)
	if !on {
		v, err := m.press.SecurityValues(ctx, m.pan, m.expiry)
		defer v.Wipe()
		return err == nil && subtle.ConstantTimeCompare(v.Printed().Reveal(), value.Reveal()) == 1, err
	}
	now := w.Index(p.Now())
	codes, err := m.dynamicCVV2s(ctx, w, now-int64(w.Grace), now+int64(w.Grace))
	if err != nil {
		return false, err
	}
	found := 0
	for k := range codes.Len() {
		found |= subtle.ConstantTimeCompare(codes.Reveal(k), value.Reveal())
	}
	return found == 1, nil
}

// windowsOf is the dynamic CVV2 of a product, if it has one.
func windowsOf(p *card.Product) (dynamic.Windows, bool) {
	d := p.DynamicCVV2
	return dynamic.Windows{Length: time.Duration(d.Minutes) * time.Minute, First: d.FirstCode, Count: d.Codes, Grace: d.Grace, Reserved: []string{p.ServiceCode}}, d.Minutes != 0
}

// HasDynamicCVV2 tells whether the product of a card has a CVV2 that changes with time.
func (p *Plant) HasDynamicCVV2(ctx context.Context, i store.Institution, c store.Card) (bool, error) {
	today, err := p.productOf(ctx, p.Store.Q, i, c)
	if err != nil {
		return false, err
	}
	_, on := windowsOf(today.value)
	return on, nil
}

// making is what the codes of an issue are computed with.
type making struct {
	issue  int
	expiry card.Expiry
	press  *personalization.Press
	pan    card.PAN
	today  *card.Product
}

// making finds the product's version and the key of the file that an issue stands in; today's for one that waits for a file.
func (p *Plant) making(ctx context.Context, i store.Institution, c store.Card) (making, error) {
	issues, err := p.Store.Issues(ctx, c.ID)
	if err != nil {
		return making{}, err
	}
	at := inUse(issues)
	if at < 0 {
		return making{}, fmt.Errorf("issue of a card: %w", store.ErrNotFound)
	}
	m := making{issue: issues[at].Issue}
	if m.expiry, err = card.ExpiryFromInt(issues[at].Expiry); err != nil {
		return m, err
	}
	today, err := p.productOf(ctx, p.Store.Q, i, c)
	if err != nil {
		return m, err
	}
	m.today = today.value
	if windows := m.today.DynamicCVV2; windows != (card.DynamicCVV2{}) {
		static, err := p.Store.HasStaticCVV2(ctx, c.ID)
		if err != nil {
			return m, err
		}
		if static {
			printed := *m.today
			printed.DynamicCVV2 = card.DynamicCVV2{}
			m.today = &printed
		}
	}
	product, keys, err := p.madeWith(ctx, p.Store.Q, i, issues[at], today.value)
	if err != nil {
		return m, err
	}
	if m.press, err = personalization.NewPress(p.Module, *product, keys); err != nil {
		return m, err
	}
	m.pan, err = p.number(ctx, c.ID)
	return m, err
}

func (m *making) dynamicCVV2s(ctx context.Context, w dynamic.Windows, first, last int64) (card.Secrets, error) {
	var services [][3]byte
	for index := first; index <= last; index++ {
		code, err := w.ServiceCode(index)
		if err != nil {
			return card.Secrets{}, err
		}
		services = append(services, [3]byte([]byte(code)))
	}
	return m.press.CVV2s(ctx, m.pan, m.expiry, services)
}
