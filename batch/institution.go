package batch

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"platen/sql/store"
)

// institution finds an institution by id.
func (p *Plant) institution(ctx context.Context, id uuid.UUID) (store.Institution, error) {
	all, err := p.Store.Institutions(ctx)
	if err != nil {
		return store.Institution{}, err
	}
	for _, i := range all {
		if i.ID == id {
			return i, nil
		}
	}
	return store.Institution{}, fmt.Errorf("institution %s: %w", id, store.ErrNotFound)
}
