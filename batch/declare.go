package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"platen/card"
	"platen/formats"
	"platen/hsm"
	"platen/programs"
	"platen/sql/store"
)

// errDryRun rolls a trial back.
var errDryRun = errors.New("dry run")

// Apply stores a set of programs as one transaction, every object as its next version unless it is unchanged, and tells in lines what it changed. A dry run
// does the same and rolls it back. Ranges can be added, never changed: their numbers and keys are fixed for life, and no two may overlap anywhere in the
// installation. What the set does not name stays as it is.
func (p *Plant) Apply(ctx context.Context, set *programs.Set, actor string, dryRun bool) ([]string, error) {
	var changes []string
	err := p.Store.InTx(ctx, func(tx *store.Tx) error {
		d := declaration{Plant: p, tx: tx, set: set}
		var err error
		if d.before, err = d.stored(ctx); err != nil {
			return err
		}
		changes = slices.DeleteFunc(programs.Diff(d.before, set), func(line string) bool { return strings.HasPrefix(line, "- ") })
		if err := d.apply(ctx); err != nil {
			return err
		}
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

// stored reads what is declared now as a set; nil for an institution that is not declared yet.
func (d *declaration) stored(ctx context.Context) (*programs.Set, error) {
	i, err := d.tx.Institution(ctx, d.set.Institution.Code)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	set := &programs.Set{}
	if set.Institution, err = d.settings(ctx, d.tx.Q, i); err != nil {
		return nil, err
	}
	ranges, err := d.tx.Ranges(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range ranges {
		if r.Institution == i.ID {
			set.Ranges = append(set.Ranges, programs.Range{Range: r.Range, PermutationKey: r.PermutationKey.Label, TokenKey: r.TokenKey.Label})
		}
	}
	// Whether a small range was accepted is said when it is declared and not kept.
	for _, want := range d.set.Ranges {
		for k := range set.Ranges {
			if set.Ranges[k].Code == want.Code {
				set.Ranges[k].AcceptSmall = want.AcceptSmall
			}
		}
	}
	return set, d.storedPrograms(ctx, i.ID, set)
}

func (d *declaration) storedPrograms(ctx context.Context, institution uuid.UUID, set *programs.Set) error {
	layouts, err := current(ctx, d.Plant, d.tx.Q, institution, store.LayoutProgram, decodeLayout)
	if err != nil {
		return err
	}
	for _, e := range sortedEntries(layouts) {
		set.Layouts = append(set.Layouts, e.value)
	}
	products, err := current(ctx, d.Plant, d.tx.Q, institution, store.ProductProgram, decodeJSON[card.Product])
	if err != nil {
		return err
	}
	for _, e := range sortedEntries(products) {
		set.Products = append(set.Products, *e.value)
	}
	bureaus, err := current(ctx, d.Plant, d.tx.Q, institution, store.BureauProgram, decodeJSON[programs.Bureau])
	if err != nil {
		return err
	}
	for _, e := range sortedEntries(bureaus) {
		set.Bureaus = append(set.Bureaus, *e.value)
	}
	zones, err := current(ctx, d.Plant, d.tx.Q, institution, store.ZoneProgram, decodeJSON[programs.Zone])
	if err != nil {
		return err
	}
	for _, e := range sortedEntries(zones) {
		set.Zones = append(set.Zones, *e.value)
	}
	mappings, err := current(ctx, d.Plant, d.tx.Q, institution, store.MappingProgram, decodeJSON[formats.Mapping])
	if err != nil {
		return err
	}
	for _, e := range sortedEntries(mappings) {
		set.Mappings = append(set.Mappings, *e.value)
	}
	schedules, err := current(ctx, d.Plant, d.tx.Q, institution, store.ScheduleProgram, decodeJSON[programs.Schedule])
	if err != nil {
		return err
	}
	for _, e := range sortedEntries(schedules) {
		set.Schedules = append(set.Schedules, *e.value)
	}
	return nil
}

type declaration struct {
	*Plant
	tx     *store.Tx
	set    *programs.Set
	before *programs.Set // nil for a new institution
	inst   store.Institution
}

func (d *declaration) apply(ctx context.Context) error {
	if err := d.institution(ctx); err != nil {
		return err
	}
	if err := d.ranges(ctx); err != nil {
		return err
	}
	for _, l := range d.set.Layouts {
		if err := d.checkLayoutVersion(l); err != nil {
			return err
		}
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
		if err := checkPINFormat("bureau "+d.set.Bureaus[i].Code, d.set.Bureaus[i].PINFormat, d.Module.Formats()); err != nil {
			return err
		}
		if err := d.putJSON(ctx, store.BureauProgram, d.set.Bureaus[i].Code, &d.set.Bureaus[i]); err != nil {
			return err
		}
	}
	for i := range d.set.Zones {
		z := &d.set.Zones[i]
		if err := checkPINFormat("zone "+z.Code, z.PINFormat, d.Module.IncomingFormats()); err != nil {
			return err
		}
		if z.DataKey != "" {
			d.Log.Warn().Str("zone", z.Code).Msg("codes are told to it each as a block of its own: whoever learns some of them learns those of every card with the same block; a public_key is better")
		}
		if err := d.putJSON(ctx, store.ZoneProgram, z.Code, z); err != nil {
			return err
		}
	}
	for i := range d.set.Mappings {
		if err := d.putJSON(ctx, store.MappingProgram, d.set.Mappings[i].Code, &d.set.Mappings[i]); err != nil {
			return err
		}
	}
	for i := range d.set.Schedules {
		if err := d.putJSON(ctx, store.ScheduleProgram, d.set.Schedules[i].Code, &d.set.Schedules[i]); err != nil {
			return err
		}
	}
	if err := d.proveKeys(ctx); err != nil {
		return err
	}
	return d.tryProducts()
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
	if d.inst, err = d.tx.PutInstitution(ctx, want); err != nil {
		return err
	}
	if err := d.tx.LockInstitution(ctx, d.inst.ID); err != nil {
		return err
	}
	return d.putJSON(ctx, store.InstitutionProgram, d.inst.Code, &d.set.Institution)
}

// ranges adds new ranges with the key versions of today.
func (d *declaration) ranges(ctx context.Context) error {
	// The counter's row serializes everybody who adds ranges.
	existing, err := d.tx.LockRanges(ctx)
	if err != nil {
		return err
	}
	for i, want := range d.set.Ranges {
		if err := want.Check(); err != nil {
			return err
		}
		known := false
		for _, have := range existing {
			switch {
			case have.Institution == d.inst.ID && have.Code == want.Code:
				if known = true; !sameNumbers(have.Range, want.Range) || have.Imported != want.Imported || have.PermutationKey.Label != want.PermutationKey || have.TokenKey.Label != want.TokenKey {
					return fmt.Errorf("range %s cannot change: its numbers and keys are fixed for its life; declare a new range", want.Code)
				}
			case have.Overlaps(want.Range):
				return fmt.Errorf("range %s has numbers in common with range %s, and no number may be given twice", want.Code, have.Code)
			}
		}
		if known {
			continue
		}
		added, err := d.addRange(ctx, i, want)
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

func (d *declaration) addRange(ctx context.Context, i int, want programs.Range) (store.PANRange, error) {
	r := store.PANRange{Range: want.Range, Institution: d.inst.ID, Imported: want.Imported}
	if want.Size < card.MinRangeSize && !want.AcceptSmall {
		return r, fmt.Errorf("range %s has only %d numbers, too few to hide their order: say accept_small: true to accept that", want.Code, want.Size)
	}
	for _, k := range []struct {
		at    string
		label card.KeyLabel
		ref   *card.KeyRef
	}{{"permutation_key", want.PermutationKey, &r.PermutationKey}, {"token_key", want.TokenKey, &r.TokenKey}} {
		version, _, err := d.Vault.KeyVersion(card.KeyRef{Label: k.label})
		if err != nil {
			return r, d.set.Fault(programs.Ranges, i, "range "+want.Code, fmt.Sprintf("%s: key %s cannot serve: %v", k.at, k.label, err), k.at)
		}
		*k.ref = card.KeyRef{Label: k.label, Version: version}
	}
	r, err := d.tx.InsertRange(ctx, r)
	if err != nil {
		return r, err
	}
	return r, d.proveRange(ctx, i, r)
}

func (d *declaration) putJSON(ctx context.Context, kind store.ProgramKind, code string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind, code, err)
	}
	return d.put(ctx, kind, code, body)
}

func (d *declaration) put(ctx context.Context, kind store.ProgramKind, code string, body []byte) error {
	p := store.Program{Kind: kind, Code: code, Body: string(body), Checksum: checksum(body)}
	_, err := d.tx.PutProgram(ctx, d.inst.ID, p, d.Now())
	return err
}

// checkPINFormat refuses a format of PIN blocks that the security module does not have: for a bureau, one that it does not make twice alike, since files could not be made
// again.
func checkPINFormat(of string, want int, offered []hsm.PINFormat) error {
	if format := hsm.PINFormat(want); !slices.Contains(offered, format) {
		return fmt.Errorf("%s: pin_format %d: the security module has only %v", of, format, offered)
	}
	return nil
}

// checkLayoutVersion refuses a changed layout under an old version: a file names the version that made it.
func (d *declaration) checkLayoutVersion(l *formats.Layout) error {
	if d.before == nil {
		return nil
	}
	for _, was := range d.before.Layouts {
		if was.Name() == l.Name() && was.Version() == l.Version() && was.Checksum() != l.Checksum() {
			return fmt.Errorf("layout %s changed but is still version %s: give it a new version", l.Name(), l.Version())
		}
	}
	return nil
}
