package batch

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"platen/card"
	"platen/sql/store"
)

// CardTypes lists the products of an institution, as they are declared now, that are opened one card at a time and loaded with money, by code.
func (p *Plant) CardTypes(ctx context.Context, i store.Institution) ([]*card.Product, error) {
	products, err := current(ctx, p, p.Store.Q, i.ID, store.ProductProgram, decodeJSON[card.Product])
	if err != nil {
		return nil, err
	}
	var all []*card.Product
	for _, e := range products {
		if e.value.IsPrepaid() {
			all = append(all, e.value)
		}
	}
	slices.SortFunc(all, func(a, b *card.Product) int { return strings.Compare(a.Code, b.Code) })
	return all, nil
}

// CardType finds a card type and its number; what is no card type is not found.
func (p *Plant) CardType(ctx context.Context, i store.Institution, code string) (*card.Product, int64, error) {
	products, err := current(ctx, p, p.Store.Q, i.ID, store.ProductProgram, decodeJSON[card.Product])
	if err != nil {
		return nil, 0, err
	}
	e, ok := products[code]
	if !ok || !e.value.IsPrepaid() {
		return nil, 0, fmt.Errorf("card type: %w", store.ErrNotFound)
	}
	return e.value, e.number, nil
}

// ProductByNumber is the current declaration of a product.
func (p *Plant) ProductByNumber(ctx context.Context, q store.Q, i store.Institution, number int64) (*card.Product, error) {
	e, err := p.productOf(ctx, q, i, store.Card{Product: number})
	return e.value, err
}

// Prefix is what every number of a range of an institution begins with.
func (p *Plant) Prefix(ctx context.Context, i store.Institution, code string) (string, error) {
	all, err := p.Store.Ranges(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range all {
		if r.Institution == i.ID && r.Code == code {
			return r.Prefix, nil
		}
	}
	return "", fmt.Errorf("range %s: %w", code, store.ErrNotFound)
}
