package api

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	"platen/card"
	"platen/sql/store"
)

// names turns the numbers of stored rows into what a client may see.
type names struct {
	products map[int64]string
	token    func(card.ID) (string, error)
}

func (s *service) namesFor(ctx context.Context, c caller) (names, error) {
	products, err := s.Plant.Store.Programs(ctx, c.institution.ID, store.ProductProgram)
	if err != nil {
		return names{}, err
	}
	n := names{products: make(map[int64]string, len(products))}
	for _, p := range products {
		n.products[p.Number] = p.Code
	}
	all, err := s.Plant.Store.Ranges(ctx)
	if err != nil {
		return names{}, err
	}
	keys := make(map[int32]card.KeyRef)
	for _, r := range all {
		if r.Institution == c.institution.ID {
			keys[r.Number] = r.TokenKey
		}
	}
	n.token = func(id card.ID) (string, error) {
		key, ok := keys[id.Range()]
		if !ok {
			return "", errors.New("a card is of no range of its institution")
		}
		return s.Plant.Vault.Token(id, key)
	}
	return n, nil
}

// unitName names the card that a unit of an order became, as a path segment.
func unitName(reference string, unit int64) string {
	return url.PathEscape(reference + "#" + strconv.FormatInt(unit, 10))
}
