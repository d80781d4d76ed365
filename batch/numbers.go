package batch

import (
	"fmt"

	"platen/card"
	"platen/sql/store"
)

// rangeOf finds the range of a card.
func (j *job) rangeOf(number int32) (store.PANRange, error) {
	r, ok := j.ranges[number]
	if !ok {
		return store.PANRange{}, fmt.Errorf("range %d: %w", number, store.ErrNotFound)
	}
	return r, nil
}

// numbersOf fills out with the numbers of cards; cards of one range that follow each other share one call.
func (j *job) numbersOf(ids []card.ID, out []card.PAN) error {
	sequences := make([]int64, 0, len(ids))
	for i := 0; i < len(ids); {
		r, err := j.rangeOf(ids[i].Range())
		if err != nil {
			return err
		}
		sequences = sequences[:0]
		end := i
		for ; end < len(ids) && ids[end].Range() == r.Number; end++ {
			sequences = append(sequences, ids[end].Sequence())
		}
		if err := j.Vault.PANs(r.Range, r.PermutationKey, sequences, out[i:end], card.NewPANs(end-i)); err != nil {
			return err
		}
		i = end
	}
	return nil
}
