package batch

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"platen/programs"
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

// Settings are what an institution declares of itself.
func (p *Plant) Settings(ctx context.Context, i store.Institution) (programs.Institution, error) {
	return p.settings(ctx, p.Store.Q, i)
}

func (p *Plant) settings(ctx context.Context, q store.Q, i store.Institution) (programs.Institution, error) {
	declared, err := current(ctx, p, q, i.ID, store.InstitutionProgram, decodeJSON[programs.Institution])
	if err != nil {
		return programs.Institution{}, err
	}
	if e, ok := declared[i.Code]; ok {
		return *e.value, nil
	}
	return programs.Institution{Code: i.Code, Name: i.Name, Timezone: i.Timezone}, nil
}
