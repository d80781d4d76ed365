package batch

import (
	"context"

	"github.com/google/uuid"

	"platen/card"
	"platen/sql/store"
)

// TellWaits gives files that wait for a bureau which cannot be reached the reason why it cannot: that is a fact of the bureau, not of each file.
func (p *Plant) TellWaits(ctx context.Context, institution uuid.UUID, files []store.File) error {
	links, err := p.Store.Links(ctx, institution)
	if err != nil {
		return err
	}
	failing := map[int64]string{}
	for _, l := range links {
		if l.Failures > 0 {
			failing[l.Bureau] = "bureau " + l.Code + ": " + l.FailureCode
		}
	}
	for i := range files {
		if files[i].State == card.FileReleased && files[i].Reason == "" {
			files[i].Reason = failing[files[i].Bureau]
		}
	}
	return nil
}
