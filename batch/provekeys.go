package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"platen/card"
	"platen/formats"
	"platen/hsm"
	"platen/hsm/amex"
	"platen/hsm/keystore"
	"platen/programs"
	"platen/sql/store"
)

// anyPINLength stands where a call for no card wants the length of PINs.
const anyPINLength = 4

// cannotServe marks the texts that a custodian of keys must hear.
const cannotServe = "cannot serve"

// keyError is a key that cannot serve for what a declaration names it for.
type keyError struct {
	of     string // "product visa-debit", "bureau north", "keys"
	at     []string
	label  card.KeyLabel
	reason error
}

// Error implements error.
func (f *keyError) Error() string { return fmt.Sprintf("%s: %s", f.of, f.text()) }

func (f *keyError) text() string {
	return fmt.Sprintf("%s: key %s %s: %v", f.at[len(f.at)-1], f.label, cannotServe, f.reason)
}

// Unwrap tells why.
func (f *keyError) Unwrap() error { return f.reason }

// isKeyFault tells a key that is missing, of another kind or out of its dates from a module that did not answer.
func isKeyFault(err error) bool {
	for _, fault := range []error{hsm.ErrUnknownKey, hsm.ErrKeyUsage, keystore.ErrNotActive, keystore.ErrExpired, keystore.ErrRetired} {
		if errors.Is(err, fault) {
			return true
		}
	}
	return false
}

// Each question below asks the security module what the newest key of a label is, and to do for no card what it will do for many: so it proves that the key is there, in
// force, and of the usage and algorithm that the operation wants, on any module, as far as that module tells keys apart.

// there asks for the check value, which a module that holds keys in a form of its own works out: one of another type shows there.
func (p *Plant) there(ctx context.Context, label card.KeyLabel) error {
	_, _, err := p.Module.KeyVersion(ctx, card.KeyRef{Label: label})
	return err
}

// proveCodeKey asks with the key of a product's codes, for no card or for one.
func (p *Plant) proveCodeKey(ctx context.Context, product *card.Product, pans []card.PAN, expiries []card.Expiry) (at string, label card.KeyLabel, err error) {
	at, label = "cvk", product.Keys.CVK
	if product.HasCSC() {
		at, label = "csck", product.Keys.CSCK
	}
	if err := p.there(ctx, label); err != nil {
		return at, label, err
	}
	if product.HasCSC() {
		return at, label, p.Module.CSCs(ctx, card.KeyRef{Label: label}, pans, expiries, card.NewSecrets(1, amex.Digits))
	}
	var in []hsm.CodeRequest
	for i, pan := range pans {
		in = append(in, hsm.CodeRequest{PAN: pan, Expiry: expiries[i], ServiceCode: [3]byte{'0', '0', '0'}})
	}
	return at, label, p.Module.Codes(ctx, card.KeyRef{Label: label}, in, card.NewSecrets(1, 3))
}

func (p *Plant) provePINStorage(ctx context.Context) error {
	return p.Module.GeneratePINs(ctx, card.KeyRef{Label: p.PINStorage}, anyPINLength, nil, nil, nil)
}

// provePVK asks with the key of stored PINs beside it, which was proved before.
func (p *Plant) provePVK(ctx context.Context, product *card.Product) error {
	storage, pvk, pin := card.KeyRef{Label: p.PINStorage}, card.KeyRef{Label: product.Keys.PVK}, product.PIN
	if err := p.there(ctx, product.Keys.PVK); err != nil {
		return err
	}
	if pin.Method == card.DerivedPIN {
		scheme := hsm.IBM3624{DecTable: pin.DecTable, Validation: pin.Validation, Length: pin.Length}
		return p.Module.DerivePINs(ctx, storage, pvk, scheme, nil, nil)
	}
	return p.Module.PVVs(ctx, storage, pvk, pin.PVKI, nil, nil, nil)
}

func (p *Plant) proveZPK(ctx context.Context, label card.KeyLabel, format int) error {
	if err := p.there(ctx, label); err != nil {
		return err
	}
	return p.Module.CheckBlocks(ctx, card.KeyRef{Label: label}, hsm.PINFormat(format), nil, card.NewSecrets(1, 16), anyPINLength)
}

// proveProductKeys finds the first key of a product that cannot serve.
func (p *Plant) proveProductKeys(ctx context.Context, product *card.Product) error {
	of := "product " + product.Code
	if at, label, err := p.proveCodeKey(ctx, product, nil, nil); err != nil {
		return &keyError{of, []string{"keys", at}, label, err}
	}
	if product.PIN.Method == card.NoPIN {
		return nil
	}
	if err := p.provePINStorage(ctx); err != nil {
		return &keyError{"configuration", []string{"keys", "pin_storage"}, p.PINStorage, err}
	}
	if err := p.provePVK(ctx, product); err != nil {
		return &keyError{of, []string{"keys", "pvk"}, product.Keys.PVK, err}
	}
	return nil
}

// proveLayoutKeys finds the first key that cannot serve of those that a layout enciphers with.
func (p *Plant) proveLayoutKeys(ctx context.Context, of string, l *formats.Layout) error {
	for _, c := range l.Ciphers() {
		err := p.there(ctx, c.Key)
		if err == nil && !slices.Contains(p.Module.DataModes(), c.Mode) {
			err = fmt.Errorf("the security module does not encipher with %s: %w", c.Mode, hsm.ErrKeyUsage)
		}
		if err == nil {
			none := card.NewSecrets(0, 1)
			err = p.Module.EncryptData(ctx, card.KeyRef{Label: c.Key}, c.Mode, none, none)
		}
		if err != nil {
			return &keyError{of, []string{"layout"}, c.Key, err}
		}
	}
	return nil
}

// proveBureauKey finds out whether a bureau's key for PIN blocks can serve; a bureau without one gets none.
func (p *Plant) proveBureauKey(ctx context.Context, b *programs.Bureau) error {
	if b.ZPK == "" {
		return nil
	}
	if err := p.proveZPK(ctx, b.ZPK, b.PINFormat); err != nil {
		return &keyError{"bureau " + b.Code, []string{"zpk"}, b.ZPK, err}
	}
	return nil
}

// proveFileKeys finds the first key that files of a product for a bureau cannot be made with.
func (p *Plant) proveFileKeys(ctx context.Context, product *card.Product, bureau *programs.Bureau, layout *formats.Layout) error {
	if err := p.proveLayoutKeys(ctx, "layout "+layout.Name(), layout); err != nil {
		return err
	}
	if err := p.proveProductKeys(ctx, product); err != nil || product.PIN.Method == card.NoPIN {
		return err
	}
	return p.proveBureauKey(ctx, bureau)
}

// proveKeys proves every key that the set names, and tells all that cannot serve, each with where it stands.
func (d *declaration) proveKeys(ctx context.Context) error {
	var faults []error
	note := func(of programs.Thing, i int, err error) error {
		var fault *keyError
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &fault), !isKeyFault(err):
			return err
		case fault.of == "configuration":
			faults = append(faults, fault)
			return nil
		}
		faults = append(faults, d.set.Fault(of, i, fault.of, fault.text(), fault.at...))
		return nil
	}
	declared := declarationsOf(d.set)
	for i := range d.set.Products {
		p := &d.set.Products[i]
		if err := note(programs.Products, i, d.proveProductKeys(ctx, p)); err != nil {
			return err
		}
		for _, name := range []string{p.Layout, p.MailerLayout} {
			if l := declared.layout(name); l != nil {
				if err := note(programs.Products, i, d.proveLayoutKeys(ctx, "product "+p.Code, l)); err != nil {
					return err
				}
			}
		}
	}
	for i := range d.set.Bureaus {
		if err := note(programs.Bureaus, i, d.proveBureauKey(ctx, &d.set.Bureaus[i])); err != nil {
			return err
		}
	}
	for i := range d.set.Zones {
		if err := note(programs.Zones, i, d.proveZoneKeys(ctx, &d.set.Zones[i])); err != nil {
			return err
		}
	}
	return errors.Join(faults...)
}

// proveZoneKeys finds the first key of a zone that cannot serve.
func (p *Plant) proveZoneKeys(ctx context.Context, z *programs.Zone) error {
	of := "zone " + z.Code
	if z.Key != "" {
		if err := p.proveZPK(ctx, z.Key, z.PINFormat); err != nil {
			return &keyError{of, []string{"key"}, z.Key, err}
		}
	}
	if z.DataKey == "" {
		return nil
	}
	err := p.there(ctx, z.DataKey)
	if err == nil {
		none := card.NewSecrets(0, 1)
		err = p.Module.EncryptData(ctx, card.KeyRef{Label: z.DataKey}, zoneMode, none, none)
	}
	if err != nil {
		return &keyError{of, []string{"data_key"}, z.DataKey, err}
	}
	return nil
}

// proveRange proves a new range's keys, and that the security module works with its numbers: where it does not, every order would wait for ever.
func (d *declaration) proveRange(ctx context.Context, i int, r store.PANRange) error {
	of := "range " + r.Code
	wrong := func(at string, reason error) error {
		return d.set.Fault(programs.Ranges, i, of, fmt.Sprintf("%s: %v", at, reason), at)
	}
	numbers, pans := card.NewPANs(1), make([]card.PAN, 1)
	if err := d.Vault.PANs(r.Range, r.PermutationKey, []int64{0}, pans, numbers); err != nil {
		return wrong("permutation_key", err)
	}
	id, err := card.NewID(r.Number, 0)
	if err != nil {
		return fmt.Errorf("range %s: %w", r.Code, err)
	}
	if _, err := d.Vault.Token(id, r.TokenKey); err != nil {
		return wrong("token_key", err)
	}
	for k := range d.set.Products {
		if d.set.Products[k].Range != r.Code && d.set.Products[k].ImportedRange != r.Code {
			continue
		}
		expiry, err := card.NewExpiry(d.Now().UTC().Year(), int(d.Now().UTC().Month()))
		if err != nil {
			return fmt.Errorf("range %s: %w", r.Code, err)
		}
		_, _, err = d.proveCodeKey(ctx, &d.set.Products[k], pans, []card.Expiry{expiry})
		if errors.Is(err, hsm.ErrRealBIN) {
			return wrong("prefix", fmt.Errorf("%w: use a published test BIN, or a security module that works with the issuer's own", hsm.ErrRealBIN))
		}
		if err != nil && !isKeyFault(err) { // keys are proved with their products
			return fmt.Errorf("range %s: ask the security module: %w", r.Code, err)
		}
		return nil
	}
	return nil
}
