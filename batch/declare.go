package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"platen/card"
	"platen/programs"
	"platen/sql/store"
)

// Change is one difference between what is declared and what is stored.
type Change struct {
	Kind string `json:"kind"`
	Code string `json:"code"`
	What string `json:"what"` // added, changed
	Diff string `json:"diff,omitempty"`
}

// errDryRun rolls a trial back.
var errDryRun = errors.New("dry run")

// Apply stores a set of programs as one transaction, every object as its next version unless it is unchanged, and tells what it changed. A dry run does the same and rolls
// it back. Ranges can be added, never changed: their numbers and keys are fixed for life, and no two may overlap anywhere in the installation.
func (p *Plant) Apply(ctx context.Context, set *programs.Set, actor string, dryRun bool) ([]Change, error) {
	var changes []Change
	err := p.Store.InTx(ctx, func(tx *store.Tx) error {
		changes = nil
		d := declaration{Plant: p, tx: tx, set: set}
		if err := d.apply(ctx); err != nil {
			return err
		}
		changes = d.changes
		if dryRun {
			return errDryRun
		}
		if len(changes) == 0 {
			return nil
		}
		return tx.Audit(ctx, actor, "programs.apply", set.Institution.Code, map[string]any{"changes": changes}, p.Now())
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return nil, fmt.Errorf("apply programs: %w", err)
	}
	return changes, nil
}

type declaration struct {
	*Plant
	tx      *store.Tx
	set     *programs.Set
	inst    store.Institution
	changes []Change
}

func (d *declaration) apply(ctx context.Context) error {
	if err := d.institution(ctx); err != nil {
		return err
	}
	if err := d.ranges(ctx); err != nil {
		return err
	}
	for _, l := range d.set.Layouts {
		if err := d.put(ctx, store.LayoutProgram, l.Name(), l.Source()); err != nil {
			return err
		}
	}
	for i := range d.set.Products {
		if err := d.putJSON(ctx, store.ProductProgram, d.set.Products[i].Code, &d.set.Products[i]); err != nil {
			return err
		}
	}
	for i := range d.set.Bureaus {
		if err := d.putJSON(ctx, store.BureauProgram, d.set.Bureaus[i].Code, &d.set.Bureaus[i]); err != nil {
			return err
		}
	}
	for i := range d.set.Schedules {
		if err := d.putJSON(ctx, store.ScheduleProgram, d.set.Schedules[i].Code, &d.set.Schedules[i]); err != nil {
			return err
		}
	}
	return nil
}

func (d *declaration) institution(ctx context.Context) error {
	id, err := d.newID("institution", draw(d.set.Institution.Code))
	if err != nil {
		return err
	}
	want := store.Institution{ID: id, Code: d.set.Institution.Code, Name: d.set.Institution.Name, Timezone: d.set.Institution.Timezone}
	if _, err := zone(want); err != nil {
		return err
	}
	before, err := d.tx.Institution(ctx, want.Code)
	known := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if d.inst, err = d.tx.PutInstitution(ctx, want); err != nil {
		return err
	}
	switch {
	case !known:
		d.changed("institution", want.Code, "added", "")
	case before.Name != want.Name || before.Timezone != want.Timezone:
		d.changed("institution", want.Code, "changed", "")
	}
	return d.tx.LockInstitution(ctx, d.inst.ID)
}

func (d *declaration) changed(kind, code, what, diff string) {
	d.changes = append(d.changes, Change{Kind: kind, Code: code, What: what, Diff: diff})
}

// ranges adds new ranges with the key versions of today.
func (d *declaration) ranges(ctx context.Context) error {
	// The counter's row serializes everybody who adds ranges.
	existing, err := d.tx.LockRanges(ctx)
	if err != nil {
		return err
	}
	for _, want := range d.set.Ranges {
		if err := want.Check(); err != nil {
			return err
		}
		known := false
		for _, have := range existing {
			switch {
			case have.Institution == d.inst.ID && have.Code == want.Code:
				if known = true; !sameNumbers(have.Range, want.Range) || have.PermutationKey.Label != want.PermutationKey || have.TokenKey.Label != want.TokenKey {
					return fmt.Errorf("range %s cannot change: its numbers and keys are fixed for its life; declare a new range", want.Code)
				}
			case have.Overlaps(want.Range):
				return fmt.Errorf("range %s has numbers in common with range %s, and no number may be given twice", want.Code, have.Code)
			}
		}
		if known {
			continue
		}
		added, err := d.addRange(ctx, want)
		if err != nil {
			return err
		}
		existing = append(existing, added)
	}
	return nil
}

func sameNumbers(a, b card.Range) bool {
	return a.Prefix == b.Prefix && a.Length == b.Length && a.First == b.First && a.Size == b.Size
}

func (d *declaration) addRange(ctx context.Context, want programs.Range) (store.PANRange, error) {
	r := store.PANRange{Range: want.Range, Institution: d.inst.ID}
	if want.Size < card.MinRangeSize && !want.AcceptSmall {
		return r, fmt.Errorf("range %s has only %d numbers, too few to hide their order: say accept_small: true to accept that", want.Code, want.Size)
	}
	for _, k := range []struct {
		label card.KeyLabel
		ref   *card.KeyRef
	}{{want.PermutationKey, &r.PermutationKey}, {want.TokenKey, &r.TokenKey}} {
		version, _, err := d.Vault.KeyVersion(card.KeyRef{Label: k.label})
		if err != nil {
			return r, fmt.Errorf("range %s: key %s: %w", want.Code, k.label, err)
		}
		*k.ref = card.KeyRef{Label: k.label, Version: version}
	}
	d.changed("range", want.Code, "added", "")
	r, err := d.tx.InsertRange(ctx, r)
	return r, err
}

func (d *declaration) putJSON(ctx context.Context, kind store.ProgramKind, code string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind, code, err)
	}
	return d.put(ctx, kind, code, body)
}

func (d *declaration) put(ctx context.Context, kind store.ProgramKind, code string, body []byte) error {
	before, err := d.tx.Programs(ctx, d.inst.ID, kind)
	if err != nil {
		return err
	}
	what, old := "added", ""
	for _, p := range before {
		if p.Code == code {
			what, old = "changed", p.Body
		}
	}
	if what == "changed" && kind == store.LayoutProgram && old != string(body) {
		if err := newLayoutVersion(code, old, body); err != nil {
			return err
		}
	}
	p := store.Program{Kind: kind, Code: code, Body: string(body), Checksum: checksum(body)}
	changed, err := d.tx.PutProgram(ctx, d.inst.ID, p, d.Now())
	if err != nil || !changed {
		return err
	}
	d.changed(string(kind), code, what, "")
	return nil
}
