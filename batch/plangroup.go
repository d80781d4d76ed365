package batch

import (
	"context"
	"fmt"
	"slices"

	"platen/card"
	"platen/formats"
	"platen/programs"
	"platen/sql/store"
)

// sortedGroups lists the groups of a purpose by their key, so that files come out in the same order always.
func (pl *planner) sortedGroups(purpose store.Purpose) []*group {
	keys := make([]string, 0, len(pl.groups))
	for k, g := range pl.groups {
		if g != nil && g.purpose == purpose {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	list := make([]*group, len(keys))
	for i, k := range keys {
		list[i] = pl.groups[k]
	}
	return list
}

// groupFor finds or makes the group of a product's cards or PIN mailers; nil when another schedule serves its bureau, or when keys of the group cannot serve: then
// its lines and issues wait, and the batch says so.
func (pl *planner) groupFor(ctx context.Context, product entry[*card.Product], purpose store.Purpose) (*group, error) {
	bureauCode, layoutCode := product.value.Bureau, product.value.Layout
	if purpose == store.MailerPurpose {
		bureauCode, layoutCode = product.value.MailerBureau, product.value.MailerLayout
	} else if !contains(pl.schedule.Bureaus, bureauCode) {
		return nil, nil
	}
	key := fmt.Sprintf("%d/%s/%s/%s", purpose, bureauCode, product.code, layoutCode)
	if g, ok := pl.groups[key]; ok {
		return g, nil
	}
	bureau, ok := pl.bureaus[bureauCode]
	if !ok {
		return nil, fmt.Errorf("product %s: bureau %q is not declared", product.code, bureauCode)
	}
	layout, ok := pl.layouts[layoutCode]
	if !ok {
		return nil, fmt.Errorf("product %s: layout %q is not declared", product.code, layoutCode)
	}
	ready, err := pl.keysReady(ctx, product.value, bureau.value, layout.value, purpose)
	if err != nil || !ready {
		pl.groups[key] = nil
		return nil, err
	}
	g := &group{key: key, purpose: purpose, bureau: bureau, product: product, layout: layout, arrangement: arrange(layout.value)}
	pl.groups[key] = g
	return g, nil
}

// keysReady tells whether files of a product can be made for a bureau, and the PIN mailers that follow cards. One key that cannot serve holds up what needs it and
// nothing else.
func (pl *planner) keysReady(ctx context.Context, product *card.Product, bureau *programs.Bureau, layout *formats.Layout, purpose store.Purpose) (bool, error) {
	type file struct {
		bureau *programs.Bureau
		layout *formats.Layout
	}
	files := []file{{bureau, layout}}
	if mailer, ok := pl.bureaus[product.MailerBureau]; ok && purpose == store.CardPurpose && product.PIN.Mailer {
		mailers, ok := pl.layouts[product.MailerLayout]
		if !ok {
			return false, fmt.Errorf("product %s: layout %q is not declared", product.Code, product.MailerLayout)
		}
		files = append(files, file{mailer.value, mailers.value})
	}
	for _, f := range files {
		err := pl.plant.proveFileKeys(ctx, product, f.bureau, f.layout)
		if err == nil {
			continue
		}
		if !isKeyFault(err) {
			return false, err
		}
		pl.except("product %s waits: %v", product.Code, err)
		return false, nil
	}
	return true, nil
}
