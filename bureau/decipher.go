package bureau

import (
	"context"
	"errors"
	"fmt"

	"platen/card"
	"platen/formats"
	"platen/hsm"
)

// FaultEnciphered says that what a record has enciphered does not open to values that its layout knows.
const FaultEnciphered = "enciphered"

// errOtherKey says that a file tells the check value of a key that the bureau does not hold.
var errOtherKey = errors.New("the file is enciphered under a key that is not ours")

// decipherer opens what the records of a file have enciphered.
type decipherer struct {
	module hsm.Module
	layout *formats.Layout
	keys   map[card.KeyLabel]card.KeyRef // by the check values of the header; the newest where it tells none
	cell   card.Secrets
}

func newDecipherer(module hsm.Module, layout *formats.Layout) *decipherer {
	d := &decipherer{module: module, layout: layout, keys: map[card.KeyLabel]card.KeyRef{}, cell: card.NewSecrets(1, hsm.MaxData)}
	for _, label := range layout.Keys() {
		d.keys[label] = card.KeyRef{Label: label}
	}
	return d
}

// head finds the version of each key whose check value the header tells.
func (d *decipherer) head(ctx context.Context, head *formats.Record) error {
	for i, label := range d.layout.Keys() {
		told := d.layout.KCV(head, i)
		if told == "" {
			continue
		}
		newest, kcv, err := d.module.KeyVersion(ctx, card.KeyRef{Label: label})
		for version := newest; err == nil && kcv != told; {
			if version--; version == 0 {
				return fmt.Errorf("%w: %s", errOtherKey, label)
			}
			newest = version
			if _, kcv, err = d.module.KeyVersion(ctx, card.KeyRef{Label: label, Version: version}); errors.Is(err, hsm.ErrUnknownKey) {
				kcv, err = "", nil
			}
		}
		if err != nil {
			return fmt.Errorf("find the key of a file: %w", err)
		}
		d.keys[label] = card.KeyRef{Label: label, Version: newest}
	}
	return nil
}

// open sets the values of a record that it has enciphered; false where they are none.
func (d *decipherer) open(ctx context.Context, rec *formats.Record) (bool, error) {
	defer d.cell.Wipe()
	for n, c := range d.layout.Ciphers() {
		data, err := d.layout.Enciphered(n, rec)
		if err != nil {
			return false, nil // it is the record that is wrong
		}
		d.cell.Set(0, data)
		if err := d.module.DecryptData(ctx, d.keys[c.Key], c.Mode, d.cell, d.cell); err != nil {
			return false, fmt.Errorf("open what a record has enciphered: %w", err)
		}
		if err := d.layout.TakeData(rec, n, d.cell.Reveal(0)); err != nil {
			return false, nil // it is the record that is wrong
		}
	}
	return true, nil
}
