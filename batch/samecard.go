package batch

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"platen/card"
	"platen/formats"
	"platen/sql/store"
)

// oneAtATime looks once more, in the transaction that stores them, whether the cards of action lines are still free: it locks each card in the order of its
// identity, so that of two intakes that were given the same card at the same time the second sees the first one's line. Lines that lost are returned as refused rows.
func (in *intake) oneAtATime(ctx context.Context, tx *store.Tx, c gathered) (free []store.OrderLine, lost []store.RefusedRow, err error) {
	lines := c.lines
	if in.kind != formats.ActionOrder {
		return lines, nil, nil
	}
	byCard := make([]int, len(lines))
	for i := range byCard {
		byCard[i] = i
	}
	slices.SortFunc(byCard, func(a, b int) int { return cmp.Compare(*lines[a].Card, *lines[b].Card) })
	taken := make(map[int]string)
	for _, i := range byCard {
		why, err := in.stillFree(ctx, tx, *lines[i].Card)
		if err != nil {
			return nil, nil, err
		}
		if why != "" {
			taken[i] = why
		}
	}
	for i := range lines {
		why, isTaken := taken[i]
		if !isTaken {
			free = append(free, lines[i])
			continue
		}
		row := c.kept[lines[i].SourceLine]
		refused, err := refusedRow(in.order.Number, row, []formats.Fault{{Line: row.Line, Field: "card", Code: why, Hint: "another order took this card at the same time"}})
		if err != nil {
			return nil, nil, err
		}
		lost = append(lost, refused)
	}
	return free, lost, nil
}

// stillFree answers the fault that a card has by now, or nothing.
func (in *intake) stillFree(ctx context.Context, tx *store.Tx, id card.ID) (string, error) {
	c, err := tx.LockCard(ctx, id)
	if err != nil {
		return "", err
	}
	if c.Status == card.CardClosed || c.Status == card.CardExpired {
		return "card_closed", nil
	}
	busy, err := tx.CardAwaitsAction(ctx, id)
	if err != nil {
		return "", err
	}
	newest, err := tx.Issue(ctx, id, c.NewestIssue)
	if busy || errors.Is(err, store.ErrNotFound) {
		return "card_busy", nil
	}
	if err == nil && newest.File == nil && newest.State == card.IssueRequested {
		return "card_busy", nil
	}
	return "", err
}
