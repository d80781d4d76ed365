package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"platen/formats"
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
	j, err := p.openJob(ctx, number, 0)
	if err != nil {
		return nil, err
	}
	if j.file.Minted < j.file.Planned {
		return nil, fmt.Errorf("file %d is %s: its cards are not all made yet", number, j.file.State)
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
		all = append(all, d)
	}
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
