package batch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"platen/card"
	"platen/formats"
	"platen/programs"
	"platen/sql/store"
)

// Described is one section of a file, field by field, with card data masked.
type Described struct {
	Section string           `json:"section"`
	Number  int64            `json:"number"`
	Fields  []DescribedField `json:"fields"`
}

// DescribedField is one value as it may be shown.
type DescribedField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// errEnough ends a rendering that was only wanted in part.
var errEnough = errors.New("enough")

// Describe renders a minted file, reads it back with its layout, and explains header and first records. Numbers show their first six and last four digits,
// tracks, codes and PIN blocks nothing.
func (p *Plant) Describe(ctx context.Context, number int64, records int) ([]Described, error) {
	j, err := p.openMinted(ctx, number)
	if err != nil {
		return nil, err
	}
	out, in := io.Pipe()
	rendered := make(chan error, 1)
	go func() {
		err := j.render(ctx, in)
		rendered <- errors.Join(err, in.CloseWithError(err))
	}()
	all, err := describe(j.layout.NewReader(out), int64(records))
	closing := out.CloseWithError(errEnough)
	if failed := <-rendered; failed != nil && !errors.Is(failed, errEnough) {
		err = errors.Join(err, failed)
	}
	return all, errors.Join(err, closing)
}

// Records makes the records of a minted file once more, all of their values whether its layout shows them or not, and hands them to take in order.
// A record is used again for the next.
func (p *Plant) Records(ctx context.Context, number int64, take func(*formats.Record)) error {
	j, err := p.openMinted(ctx, number)
	if err != nil {
		return err
	}
	j.take = take
	d := new(desk)
	for first := int64(1); first <= j.file.Planned; first += renderChunk {
		if _, err := j.renderPage(ctx, d, first, min(first+renderChunk-1, j.file.Planned)); err != nil {
			return err
		}
	}
	return nil
}

// openMinted opens a file for reading whose cards are all made.
func (p *Plant) openMinted(ctx context.Context, number int64) (*job, error) {
	j, err := p.openJob(ctx, number, 0)
	if err == nil && j.file.Minted < j.file.Planned {
		err = fmt.Errorf("file %d is %s: its cards are not all made yet", number, j.file.State)
	}
	return j, err
}

// VerifyFile makes a minted file once more and checks every record as sealing does: structure, counts and totals, numbers against cards, tracks, codes.
// same tells whether the bytes are those that were sealed; it is false for a file that was not sealed yet.
func (p *Plant) VerifyFile(ctx context.Context, number int64) (records int64, same bool, err error) {
	j, err := p.openMinted(ctx, number)
	if err != nil {
		return 0, false, err
	}
	sum := sha256.New()
	out, in := io.Pipe()
	rendered := make(chan error, 1)
	go func() {
		err := j.render(ctx, io.MultiWriter(in, sum))
		rendered <- errors.Join(err, in.CloseWithError(err))
	}()
	records, err = j.verify(ctx, out, j.storedRows)
	closing := out.CloseWithError(errEnough)
	if failed := <-rendered; failed != nil && !errors.Is(failed, errEnough) {
		err = errors.Join(err, failed)
	}
	return records, bytes.Equal(sum.Sum(nil), j.file.PlaintextSHA), errors.Join(err, closing)
}

// Known returns the current declaration of a bureau and of all products of an institution.
func (p *Plant) Known(ctx context.Context, i store.Institution, bureau string) (programs.Bureau, map[string]card.Product, error) {
	bureaus, err := current(ctx, p, p.Store.Q, i.ID, store.BureauProgram, decodeJSON[programs.Bureau])
	if err != nil {
		return programs.Bureau{}, nil, err
	}
	b, ok := bureaus[bureau]
	if !ok {
		return programs.Bureau{}, nil, fmt.Errorf("bureau %q: %w", bureau, store.ErrNotFound)
	}
	declared, err := current(ctx, p, p.Store.Q, i.ID, store.ProductProgram, decodeJSON[card.Product])
	products := map[string]card.Product{}
	for code, e := range declared {
		products[code] = *e.value
	}
	return *b.value, products, err
}

// Product returns the current declaration of a product.
func (p *Plant) Product(ctx context.Context, i store.Institution, code string) (*card.Product, error) {
	products, err := current(ctx, p, p.Store.Q, i.ID, store.ProductProgram, decodeJSON[card.Product])
	if err != nil {
		return nil, err
	}
	e, ok := products[code]
	if !ok {
		return nil, fmt.Errorf("product %q is not declared: %w", code, store.ErrNotFound)
	}
	return e.value, nil
}

// Mapping returns the current declaration of how order files of another system are read.
func (p *Plant) Mapping(ctx context.Context, i store.Institution, code string) (*formats.Mapping, error) {
	mappings, err := current(ctx, p, p.Store.Q, i.ID, store.MappingProgram, decodeJSON[formats.Mapping])
	if err != nil {
		return nil, err
	}
	m, ok := mappings[code]
	if !ok {
		return nil, fmt.Errorf("mapping %q is not declared: %w", code, store.ErrNotFound)
	}
	return m.value, nil
}

// DescribeFile reads a file with a layout and explains header and first records, like Describe; the rest is not read.
func DescribeFile(r io.Reader, l *formats.Layout, records int) ([]Described, error) {
	return describe(l.NewReader(r), int64(records))
}

func describe(r *formats.Reader, records int64) ([]Described, error) {
	var all []Described
	for n := int64(0); ; {
		section, rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		if section == formats.Detail {
			if n++; n > records {
				return all, nil
			}
		}
		d := Described{Section: section.String(), Number: n}
		for _, f := range formats.Fields() {
			if rec.Has(f) {
				d.Fields = append(d.Fields, DescribedField{Name: f.String(), Value: shown(f, rec.Get(f))})
			}
		}
		d.Fields = append(d.Fields, enciphered(r.Layout(), rec)...)
		all = append(all, d)
	}
}

// enciphered tells of what is enciphered under which key and how long it is, and of keys their check values.
func enciphered(l *formats.Layout, rec *formats.Record) (all []DescribedField) {
	for i, key := range l.Keys() {
		if kcv := l.KCV(rec, i); kcv != "" {
			all = append(all, DescribedField{Name: fmt.Sprintf("kcv(%s)", key), Value: kcv})
		}
	}
	for n, c := range l.Ciphers() {
		if data, err := l.Enciphered(n, rec); err == nil && len(data) > 0 {
			all = append(all, DescribedField{Name: fmt.Sprintf("enciphered under %s (%s)", c.Key, c.Mode), Value: fmt.Sprintf("%d bytes", len(data))})
		}
	}
	return all
}

// shown is a value as its sensitivity allows.
func shown(f formats.Field, v []byte) string {
	switch f.Sensitivity() {
	case formats.Public, formats.Personal:
		return string(v)
	case formats.PAN:
		if len(v) >= 13 {
			return string(v[:6]) + strings.Repeat("*", len(v)-10) + string(v[len(v)-4:])
		}
	}
	return strings.Repeat("*", min(len(v), 8))
}
