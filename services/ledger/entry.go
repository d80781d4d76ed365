package ledger

import (
	"context"
	"time"

	"github.com/google/uuid"

	"platen/sql/store"
)

// Entry is money that came into an account or left it, as that account sees it.
type Entry struct {
	Number     int64
	Of         uuid.UUID // the operation
	Change     int64     // minor units; negative where it left
	Balance    int64     // what the account held then
	RecordedAt time.Time
}

// Entries shows what moved on an account, newest first, before a number when it is not 0.
func (s *Service) Entries(ctx context.Context, i store.Institution, a Account, before int64, limit int) ([]Entry, error) {
	rows, err := s.Plant.Store.LedgerEntries(ctx, i.ID, a.Number, before, limit)
	if err != nil {
		return nil, err
	}
	all := make([]Entry, len(rows))
	for n, row := range rows {
		all[n] = Entry{Number: row.Number, Of: row.OperationID, Change: row.Amount, Balance: row.ToBalance, RecordedAt: row.RecordedAt}
		if row.From == a.Number {
			all[n].Change, all[n].Balance = -row.Amount, row.FromBalance
		}
	}
	return all, nil
}
