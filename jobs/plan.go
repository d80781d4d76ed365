package jobs

import (
	"context"

	"platen/batch"
	"platen/services/massissue"
)

// Plan orders what waits for the cut-off of a batch, and divides the batch's lines into files.
func Plan(ctx context.Context, p *batch.Plant, number int64) error {
	requests := massissue.Service{Plant: p}
	if err := requests.RunDue(ctx, number); err != nil {
		return err
	}
	return p.Plan(ctx, number)
}
