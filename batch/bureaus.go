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
