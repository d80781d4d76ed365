package batch

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"platen/card"
	"platen/hsm"
	"platen/personalization"
	"platen/programs"
	"platen/sql/store"
)

// pins are the keys that a file's bytes depend on, by version and check value.
type pins struct {
	CVK     pin   `json:"cvk,omitzero"`
	CSCK    pin   `json:"csck,omitzero"`
	PVK     pin   `json:"pvk,omitzero"`
	Storage pin   `json:"pin_storage,omitzero"`
	ZPK     pin   `json:"zpk,omitzero"`
	Format  int   `json:"pin_format"`
	Layout  []pin `json:"layout,omitempty"` // the keys that the layout names, in its order
}

type pin struct {
	Key string `json:"key"` // label@version
	KCV string `json:"kcv"`
}

func (k pin) ref() (card.KeyRef, error) {
	if k.Key == "" {
		return card.KeyRef{}, nil
	}
	return card.ParseKeyRef(k.Key)
}

// zpkCheckValue is the check value of a file's pinned zone key; empty where it has none.
func zpkCheckValue(body string) (string, error) {
	var k pins
	if err := json.Unmarshal([]byte(body), &k); err != nil {
		return "", fmt.Errorf("pinned keys: %w", err)
	}
	return k.ZPK.KCV, nil
}

// pressKeys reads a file's pinned keys.
func pressKeys(body string) (personalization.Keys, error) {
	var k pins
	if err := json.Unmarshal([]byte(body), &k); err != nil {
		return personalization.Keys{}, fmt.Errorf("pinned keys: %w", err)
	}
	out := personalization.Keys{PINFormat: hsm.PINFormat(k.Format)}
	for _, each := range []struct {
		from pin
		to   *card.KeyRef
	}{{k.CVK, &out.CVK}, {k.CSCK, &out.CSCK}, {k.PVK, &out.PVK}, {k.Storage, &out.Storage}, {k.ZPK, &out.ZPK}} {
		ref, err := each.from.ref()
		if err != nil {
			return out, fmt.Errorf("pinned keys: %w", err)
		}
		*each.to = ref
	}
	return out, nil
}

// layoutKeys reads the pinned keys that a file's layout enciphers with, and their check values.
func layoutKeys(body string) (refs []card.KeyRef, kcvs []string, err error) {
	var k pins
	if err := json.Unmarshal([]byte(body), &k); err != nil {
		return nil, nil, fmt.Errorf("pinned keys: %w", err)
	}
	for _, each := range k.Layout {
		ref, err := each.ref()
		if err != nil {
			return nil, nil, fmt.Errorf("pinned keys: %w", err)
		}
		refs, kcvs = append(refs, ref), append(kcvs, each.KCV)
	}
	return refs, kcvs, nil
}

// pinKeys are the newest versions of the keys that a product's cards are made with for a bureau, and of those that a layout names.
func (p *Plant) pinKeys(ctx context.Context, product *card.Product, bureau *programs.Bureau, layout []card.KeyLabel) (string, error) {
	k := pins{Format: bureau.PINFormat}
	type named struct {
		of    string
		label card.KeyLabel
		to    *pin
	}
	of := "product " + product.Code
	need := []named{{of, product.Keys.CVK, &k.CVK}}
	if product.HasCSC() {
		need = []named{{of, product.Keys.CSCK, &k.CSCK}}
	}
	if product.PIN.Method != card.NoPIN {
		need = append(need, named{of, product.Keys.PVK, &k.PVK}, named{of, p.PINStorage, &k.Storage})
		if bureau.ZPK != "" { // a bureau that gets no PIN blocks has none
			need = append(need, named{"bureau " + bureau.Code, bureau.ZPK, &k.ZPK})
		}
	}
	k.Layout = make([]pin, len(layout))
	for i, label := range layout {
		need = append(need, named{"the layout", label, &k.Layout[i]})
	}
	for _, n := range need {
		version, kcv, err := p.Module.KeyVersion(ctx, card.KeyRef{Label: n.label})
		if err != nil {
			return "", fmt.Errorf("key %s of %s: %w", n.label, n.of, err)
		}
		*n.to = pin{Key: card.KeyRef{Label: n.label, Version: version}.String(), KCV: kcv}
	}
	body, err := json.Marshal(k)
	if err != nil {
		return "", fmt.Errorf("pin keys: %w", err)
	}
	return string(body), nil
}

// split divides a group's runs into files no longer than the limits of bureau and layout.
func (pl *planner) split(ctx context.Context, g *group) error {
	limit := int64(defaultSplit)
	if n := int64(g.bureau.value.MaxRecords); n > 0 {
		limit = n
	}
	if n := int64(g.layout.value.MaxRecords()); n > 0 {
		limit = min(limit, n)
	}
	g.sort()
	var open []run
	lines := int64(0)
	for _, r := range g.runs {
		for r.quantity > 0 {
			part := r.cut(min(r.quantity, limit-lines))
			open = append(open, part)
			lines += part.quantity
			if lines == limit {
				if err := pl.makeFile(ctx, g, open, lines); err != nil {
					return err
				}
				open, lines = nil, 0
			}
		}
	}
	if lines == 0 {
		return nil
	}
	return pl.makeFile(ctx, g, open, lines)
}

// cut takes the first n lines off a run.
func (r *run) cut(n int64) run {
	part := *r
	part.quantity = n
	r.first += n
	r.quantity -= n
	if len(r.waiting) > 0 {
		part.waiting, r.waiting = r.waiting[:n], r.waiting[n:]
	}
	return part
}

// makeFile writes one planned file with its slices: sequences are reserved, waiting issues get their lines.
func (pl *planner) makeFile(ctx context.Context, g *group, runs []run, lines int64) error {
	f, err := pl.newFile(ctx, g, lines)
	if err != nil {
		return err
	}
	if err := pl.tx.InsertFile(ctx, f); err != nil {
		return err
	}
	if err := pl.planSidecars(ctx, g, &f); err != nil {
		return err
	}
	slices := make([]store.Slice, 0, len(runs))
	line := int64(1)
	for _, r := range runs {
		s := store.Slice{File: f.Number, FirstLine: line, Kind: r.kind, Source: r.source, FirstUnit: r.first, Quantity: r.quantity}
		switch r.kind {
		case store.NewSlice:
			numbers := pl.numbers[r.rangeOf]
			if s.FirstSequence, err = pl.tx.Reserve(ctx, numbers, r.quantity, f.Number); err != nil {
				return err
			}
			s.Range = numbers.Number
			pl.remember(Reservation{Range: ledgerName(numbers.Range), First: s.FirstSequence, Quantity: r.quantity})
		case store.AttachSlice, store.InstantSlice:
			for i, w := range r.waiting {
				if err := pl.tx.Attach(ctx, w, f.Number, line+int64(i)); err != nil {
					return err
				}
			}
		}
		if r.mailer && r.delay > 0 {
			if s.MailerDue, err = workingDay(pl.bureaus[g.product.value.MailerBureau].value.Calendar, pl.batch.BusinessDate, r.delay); err != nil {
				return err
			}
		}
		slices = append(slices, s)
		if r.mailer && r.delay == 0 {
			if err := pl.planMailers(ctx, g.product, f.Number, line, r.quantity); err != nil {
				return err
			}
		}
		line += r.quantity
	}
	pl.files++
	if err := pl.tx.InsertSlices(ctx, slices); err != nil {
		return err
	}
	data := map[string]any{"bureau": f.BureauCode, "name": f.Name, "purpose": f.Purpose.String(), "lines": lines}
	return pl.tx.Record(ctx, pl.inst.ID, "file", f.Number, "planned", data, pl.plant.Now())
}

// planSidecars pins and names what goes along with a file.
func (pl *planner) planSidecars(ctx context.Context, g *group, f *store.File) error {
	for i, code := range g.layout.value.Sidecars() {
		layout, ok := pl.layouts[code]
		if !ok {
			return fmt.Errorf("layout %s: sidecar %q is not declared", g.layout.code, code)
		}
		name, err := layout.value.FileName(headOf(pl.inst, *f, g.product.value))
		if err != nil {
			return fmt.Errorf("name a sidecar of file %d: %w", f.Number, err)
		}
		if err := pl.tx.InsertSidecar(ctx, store.Sidecar{File: f.Number, Sidecar: i + 1, Layout: layout.number, LayoutVersion: layout.version, Name: name}); err != nil {
			return err
		}
	}
	return nil
}

// gatherMailers plans the PIN mailers of card files that were held back until today.
func (pl *planner) gatherMailers(ctx context.Context) error {
	if pl.schedule.SameDay {
		return nil
	}
	due, err := pl.tx.DueMailers(ctx, pl.inst.ID, pl.batch.BusinessDate)
	if err != nil {
		return err
	}
	for _, d := range due {
		product, ok := pl.products[d.Product]
		switch {
		case !ok:
			return fmt.Errorf("product %d of file %d: %w", d.Product, d.File, store.ErrNotFound)
		case !product.value.PIN.Mailer:
			pl.except("PIN mailers of file %d wait: product %s mails no PINs any more", d.File, product.code)
			continue
		case !contains(pl.schedule.Bureaus, product.value.MailerBureau):
			continue
		}
		g, err := pl.groupFor(ctx, product, store.MailerPurpose)
		if err != nil {
			return err
		}
		if g == nil {
			continue
		}
		g.add(run{kind: store.MailerSlice, source: d.File, first: d.FirstLine, quantity: d.Quantity})
		if err := pl.tx.MailersPlanned(ctx, d.Slice); err != nil {
			return err
		}
	}
	return nil
}

// planMailers asks for PIN mailers for lines of a card file; they become files of their own.
func (pl *planner) planMailers(ctx context.Context, product entry[*card.Product], cardFile, first, quantity int64) error {
	g, err := pl.groupFor(ctx, product, store.MailerPurpose)
	if err != nil {
		return err
	}
	if g == nil {
		return fmt.Errorf("product %s: keys of its PIN mailers changed while they were planned", product.code)
	}
	g.add(run{kind: store.MailerSlice, source: cardFile, first: first, quantity: quantity})
	return nil
}

func (pl *planner) newFile(ctx context.Context, g *group, lines int64) (store.File, error) {
	number, err := pl.take(ctx, store.FileCounter, fileLedger)
	if err != nil {
		return store.File{}, err
	}
	sequence, err := pl.take(ctx, store.SequenceCounter(g.bureau.number), sequenceLedger(pl.inst.Code, g.bureau.code))
	if err != nil {
		return store.File{}, err
	}
	var id uuid.UUID
	if id, err = pl.plant.newID("file", number); err != nil {
		return store.File{}, err
	}
	keys, err := pl.plant.pinKeys(ctx, g.product.value, g.bureau.value, g.layout.value.Keys())
	if err != nil {
		return store.File{}, err
	}
	f := store.File{
		Number: number, ID: id, Institution: pl.inst.ID, Batch: pl.batch.Number, Purpose: g.purpose,
		Bureau: g.bureau.number, BureauVersion: g.bureau.version, BureauCode: g.bureau.code,
		Product: g.product.number, ProductVersion: g.product.version, Layout: g.layout.number, LayoutVersion: g.layout.version,
		Branch: g.parted.Branch, Delivery: g.parted.Delivery, Country: g.parted.Country, Keys: keys, Sequence: sequence, Stamp: pl.plant.Stamp,
		BusinessDate: pl.batch.BusinessDate, FileTime: pl.now.Format("150405"), State: card.FilePlanned, Planned: lines, SameDay: pl.schedule.SameDay, CreatedAt: pl.plant.Now(),
	}
	head := headOf(pl.inst, f, g.product.value)
	if f.Name, err = g.layout.value.FileName(head); err != nil {
		return store.File{}, fmt.Errorf("name file %d: %w", number, err)
	}
	return f, nil
}
