package api

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/sql/store"
)

const (
	returnsPath = "/v1/returns"
	returnsList = "returns"
)

// Return is a file that a bureau left. Its four outcomes sum to the lines that were applied so far.
type Return struct {
	ID          string    `json:"id" format:"uuid"`
	Number      int64     `json:"number"`
	Bureau      string    `json:"bureau"`
	Name        string    `json:"name"`
	Kind        string    `json:"kind,omitempty"`
	State       string    `json:"state"`
	Reason      string    `json:"reason,omitempty" doc:"Why it was set aside"`
	Bytes       int64     `json:"bytes"`
	SHA256      string    `json:"sha256,omitempty"`
	Lines       int64     `json:"lines"`
	Applied     int64     `json:"applied"`
	Duplicates  int64     `json:"duplicates"`
	Rejected    int64     `json:"rejected"`
	Quarantined int64     `json:"quarantined"`
	CreatedAt   time.Time `json:"created_at"`
}

func showReturn(r store.ReturnFile) Return {
	return Return{ID: r.ID.String(), Number: r.Number, Bureau: r.BureauCode, Name: r.Name, Kind: r.Kind, State: r.State.String(), Reason: r.Reason, Bytes: r.Size,
		SHA256: hex.EncodeToString(r.SHA256), Lines: r.Lines, Applied: r.Applied, Duplicates: r.Duplicates, Rejected: r.Rejected, Quarantined: r.Quarantined,
		CreatedAt: r.CreatedAt.UTC()}
}

func (s *service) routeReturns(api huma.API) {
	read(s, api, operation("list-returns", returnsPath, "returns", "Files that bureaus left, newest first"), s.listReturns)
}

func (s *service) listReturns(ctx context.Context, c caller, in *PageInput) (Page[Return], error) {
	before, err := in.position(returnsList)
	if err != nil {
		return Page[Return]{}, err
	}
	rows, err := s.Plant.Store.Returns(ctx, c.institution.ID, before, in.Limit+1)
	return pageOf(*in, returnsList, rows, func(r store.ReturnFile) int64 { return r.Number }, showReturn), err
}
