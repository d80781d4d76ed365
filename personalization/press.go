// Package personalization makes the data of one card: expiry and what a reissue changes, PINs, security codes, tracks and the chip's form of
// track 2. It knows no database and no file format, and it reads no clock: the same issue gives the same data, always.
package personalization

import (
	"errors"
	"fmt"

	"platen/card"
	"platen/hsm"
)

// Keys are what a press works with. Versions are pinned by whoever makes a file; Storage and ZPK may be absent where no PIN is touched.
type Keys struct {
	CVK, CSCK, PVK, Storage, ZPK card.KeyRef
	PINFormat                    hsm.PINFormat
}

// KeysOf are the newest versions of a product's own keys.
func KeysOf(p *card.Product) Keys {
	return Keys{CVK: card.KeyRef{Label: p.Keys.CVK}, CSCK: card.KeyRef{Label: p.Keys.CSCK}, PVK: card.KeyRef{Label: p.Keys.PVK}}
}

// Press makes one product's card data for one bureau's file. Its methods may be called by many goroutines at once.
type Press struct {
	module  hsm.Module
	product card.Product
	keys    Keys
	service card.ServiceCode
	track1  discretionary
	track2  discretionary
}

// Errors of a press.
var (
	ErrProduct = errors.New("product cannot be personalized")
	ErrNoKey   = errors.New("no key was given for this")
	ErrTrack   = errors.New("track is longer than ISO/IEC 7813 allows")
)

// NewPress checks that the product makes sense: track pieces, service code against technology, PIN policy, keys.
func NewPress(m hsm.Module, p card.Product, k Keys) (*Press, error) {
	press := &Press{module: m, product: p, keys: k}
	var err error
	if press.service, err = card.ParseServiceCode(p.ServiceCode); err != nil {
		return nil, fmt.Errorf("product %s: %w: %w", p.Code, ErrProduct, err)
	}
	if err := checkProduct(&p, press.service); err != nil {
		return nil, fmt.Errorf("product %s: %w: %w", p.Code, ErrProduct, err)
	}
	// How long the product's numbers are is not known here; Fill checks each track.
	if err := CheckTracks(&p, minPANLength); err != nil {
		return nil, fmt.Errorf("product %s: %w: %w", p.Code, ErrProduct, err)
	}
	if press.track1, err = newDiscretionary(p.Track1, &p); err != nil {
		return nil, fmt.Errorf("product %s: track 1: %w", p.Code, err)
	}
	if press.track2, err = newDiscretionary(p.Track2, &p); err != nil {
		return nil, fmt.Errorf("product %s: track 2: %w", p.Code, err)
	}
	if err := press.needCodeKey(); err != nil {
		return nil, err
	}
	if p.PIN.InCardFile && k.PINFormat != hsm.ISO0 && k.PINFormat != hsm.ISO4 {
		return nil, fmt.Errorf("product %s: %w: PIN-block format %d", p.Code, ErrProduct, k.PINFormat)
	}
	return press, nil
}

func checkProduct(p *card.Product, service card.ServiceCode) error {
	if p.Technology.HasChip() && !service.Chip() {
		return errors.New("a card with a chip needs a service code 2xx or 6xx")
	}
	if p.Technology == card.Magstripe && service.Chip() {
		return errors.New("a card without a chip may not have a service code 2xx or 6xx")
	}
	if !p.HasCSC() && p.CVV2Order != "MMYY" && p.CVV2Order != "YYMM" {
		return errors.New("the expiry order of CVV2 must be MMYY or YYMM")
	}
	pin := p.PIN
	switch pin.Method {
	case card.NoPIN:
		if pin.InCardFile || pin.Mailer {
			return errors.New("a product without PINs sends none")
		}
		return nil
	case card.RandomPIN:
		if pin.PVKI < 0 || pin.PVKI > 6 {
			return errors.New("the PIN verification key index must be 0 to 6")
		}
	case card.DerivedPIN:
		if len(pin.DecTable) != 16 || len(pin.Validation) != 12 {
			return errors.New("derived PINs need a decimalisation table of 16 digits and a validation template of 12 characters")
		}
	default:
		return errors.New("the PIN method is missing")
	}
	if pin.Length < 4 || pin.Length > 12 {
		return errors.New("a PIN must have 4 to 12 digits")
	}
	return nil
}

// needCodeKey tells that the key of the product's codes is missing.
func (p *Press) needCodeKey() error {
	if p.product.HasCSC() {
		return p.need(p.keys.CSCK, "card security code key")
	}
	return p.need(p.keys.CVK, "card verification key")
}

// need tells that an operation lacks a key.
func (p *Press) need(key card.KeyRef, what string) error {
	if key.Label == "" {
		return fmt.Errorf("product %s: %s: %w", p.product.Code, what, ErrNoKey)
	}
	return nil
}

// ibm3624 is how the product's derived PINs are verified.
func (p *Press) ibm3624() hsm.IBM3624 {
	return hsm.IBM3624{DecTable: p.product.PIN.DecTable, Validation: p.product.PIN.Validation, Length: p.product.PIN.Length}
}
