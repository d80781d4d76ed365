package batch

import (
	"context"
	"fmt"
	"io"

	"platen/card"
	"platen/sql/store"
)

// SealReturn cuts a return file's raw bytes into parts as they are stored: sealed, because a bureau may write into its answers what it should not.
func (p *Plant) SealReturn(number int64, raw []byte) ([]store.ReturnChunk, error) {
	var all []store.ReturnChunk
	for len(raw) > 0 {
		part := raw[:min(len(raw), returnChunk)]
		raw = raw[len(part):]
		data, err := p.Vault.Seal(card.KeyRef{Label: p.SecretsKey}, returnPurpose(number, len(all)), part)
		if err != nil {
			return nil, fmt.Errorf("keep return file %d: %w", number, err)
		}
		all = append(all, store.ReturnChunk{Bytes: len(part), Data: data})
	}
	return all, nil
}

// returnPurpose binds a part to its place, so that it cannot stand in another.
func returnPurpose(number int64, position int) string {
	return fmt.Sprintf("return %d %d", number, position)
}

// RawReturn reads a return file's raw bytes back, a part at a time.
func (p *Plant) RawReturn(ctx context.Context, number int64) io.Reader {
	return &rawReturn{ctx: ctx, plant: p, number: number}
}

type rawReturn struct {
	ctx    context.Context
	plant  *Plant
	number int64
	next   int
	rest   []byte
}

// Read implements io.Reader.
func (r *rawReturn) Read(b []byte) (int, error) {
	if len(r.rest) == 0 {
		c, ok, err := r.plant.Store.ReturnChunk(r.ctx, r.number, r.next)
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, io.EOF
		}
		if r.rest, err = r.plant.Vault.OpenSealed(r.plant.SecretsKey, returnPurpose(r.number, r.next), c.Data); err != nil {
			return 0, fmt.Errorf("read return file %d: %w", r.number, err)
		}
		r.next++
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
