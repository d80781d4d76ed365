package batch

import (
	"context"
	"fmt"
	"time"

	"platen/delivery"
	"platen/programs"
	"platen/sql/store"
)

// How what travels between us and a bureau is protected.
const (
	Sealed  = "OpenPGP"
	InClear = "PLAINTEXT"
)

// BureauStatus is a bureau as it stands now.
type BureauStatus struct {
	Code         string        `json:"code"`
	Name         string        `json:"name"`
	Address      string        `json:"address"`
	Protection   string        `json:"protection"` // of files to it
	Returns      string        `json:"returns"`    // of answers from it
	ReachedAt    *time.Time    `json:"reached_at,omitempty"`
	FailingSince *time.Time    `json:"failing_since,omitempty"`
	Failure      string        `json:"failure,omitempty"` // code of package delivery
	Detail       string        `json:"detail,omitempty"`
	NextTry      time.Duration `json:"next_try_ns"`
	Warnings     []string      `json:"warnings,omitempty"` // about its keys
}

// needsAPerson tells whether a bureau's failure does not mend by itself.
func (b *BureauStatus) needsAPerson() bool {
	switch b.Failure {
	case delivery.CodeAuthFailed, delivery.CodeHostKeyMismatch, delivery.CodeAlgorithms, delivery.CodeNoSFTP:
		return true
	}
	return false
}

// Bureaus shows every bureau of an institution, by code.
func (p *Plant) Bureaus(ctx context.Context, i store.Institution) ([]BureauStatus, error) {
	all, err := current(ctx, p, p.Store.Q, i.ID, store.BureauProgram, decodeJSON[programs.Bureau])
	if err != nil {
		return nil, err
	}
	links, err := p.Store.Links(ctx, i.ID)
	if err != nil {
		return nil, err
	}
	var shown []BureauStatus
	for _, e := range sortedEntries(all) {
		b := BureauStatus{Code: e.code, Name: e.value.Name, Address: e.value.SFTP.Address, Protection: Sealed, Returns: InClear, Warnings: p.keyWarnings(e.value)}
		if e.value.PGP.Plaintext {
			b.Protection = InClear
		}
		if e.value.PGP.SealedReturns {
			b.Returns = Sealed
		}
		for _, l := range links {
			if l.Bureau == e.number {
				b.ReachedAt, b.FailingSince, b.Failure, b.Detail = l.ReachedAt, l.FailingSince, l.FailureCode, l.Detail
				b.NextTry = max(time.Duration(l.Pause)*time.Microsecond, 0)
			}
		}
		shown = append(shown, b)
	}
	return shown, nil
}

// keyWarnings tells which OpenPGP keys of a bureau have ended, or end within 30 days.
func (p *Plant) keyWarnings(b *programs.Bureau) []string {
	if b.PGP.Plaintext {
		return nil
	}
	var warnings []string
	for _, k := range []struct{ whose, file string }{{"its", b.PGP.RecipientFile}, {"our", b.PGP.SignerFile}} {
		text, err := p.ResolveKey(k.file)
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("%s OpenPGP key: %v", k.whose, err))
			continue
		}
		switch ends, err := delivery.KeysEnd(text.Reveal(), time.Now()); {
		case err != nil:
			warnings = append(warnings, fmt.Sprintf("%s OpenPGP key: %v; nothing is sealed until there is another", k.whose, err))
		case !ends.IsZero():
			warnings = append(warnings, fmt.Sprintf("%s OpenPGP key ends on %s", k.whose, ends.UTC().Format(time.DateOnly)))
		}
	}
	return warnings
}

// Position is what a bureau said last of one kind of plastic at one of its sites.
type Position struct {
	Bureau       string    `json:"bureau"`
	Plastic      string    `json:"plastic"`
	Site         string    `json:"site"`
	Opening      int64     `json:"opening"`
	Closing      int64     `json:"closing"`
	Allocated    int64     `json:"allocated"`
	ReorderLevel int64     `json:"reorder_level"`
	Difference   int64     `json:"difference"` // by how much the report misses its own arithmetic
	Gap          int64     `json:"gap"`        // by how much it does not begin where the one before it ended
	ReportedAt   time.Time `json:"reported_at"`
}

// complaint is what about a position needs a person; empty for nothing.
func (p Position) complaint() string {
	switch {
	case p.Difference != 0:
		return fmt.Sprintf("the report misses its own arithmetic by %d", p.Difference)
	case p.Gap != 0:
		return fmt.Sprintf("the report begins %d off where the one before it ended", p.Gap)
	case p.Closing-p.Allocated < p.ReorderLevel:
		return fmt.Sprintf("%d are left, %d of them allocated: order at %d", p.Closing, p.Allocated, p.ReorderLevel)
	}
	return ""
}

// StockPositions lists the plastics at an institution's bureaus, by bureau.
func (p *Plant) StockPositions(ctx context.Context, i store.Institution) ([]Position, error) {
	rows, err := p.Store.Stock(ctx, i.ID)
	if err != nil {
		return nil, err
	}
	bureaus, err := current(ctx, p, p.Store.Q, i.ID, store.BureauProgram, decodeJSON[programs.Bureau])
	if err != nil {
		return nil, err
	}
	codes := map[int64]string{}
	for _, b := range bureaus {
		codes[b.number] = b.code
	}
	all := make([]Position, 0, len(rows))
	for _, r := range rows {
		all = append(all, Position{Bureau: codes[r.Bureau], Plastic: r.Plastic, Site: r.Site, Opening: r.Opening, Closing: r.Closing, Allocated: r.Allocated, ReorderLevel: r.ReorderLevel,
			Difference: r.Difference, Gap: r.Gap, ReportedAt: r.ReportedAt.UTC()})
	}
	return all, nil
}
