package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"platen/formats"
	"platen/sql/store"
)

// RefusedRow is a row that waits for a correction.
type RefusedRow struct {
	Line   int64             `json:"line" doc:"Where the row stood in what was submitted"`
	Faults []Fault           `json:"faults" nullable:"false"`
	Row    map[string]string `json:"row" doc:"The row as it came, by column"`
}

// Fault is one thing that is wrong with a row.
type Fault struct {
	Field string `json:"field"`
	Code  string `json:"code" doc:"Stable name of the fault"`
	Hint  string `json:"hint,omitempty"`
}

func showRefused(r store.RefusedRow) (RefusedRow, error) {
	row, faults, err := decodeRefused(r)
	if err != nil {
		return RefusedRow{}, err
	}
	v := RefusedRow{Line: r.SourceLine, Faults: make([]Fault, 0, len(faults)), Row: map[string]string{}}
	for _, f := range faults {
		v.Faults = append(v.Faults, Fault{Field: f.Field, Code: f.Code, Hint: f.Hint})
	}
	fields := reflect.ValueOf(row)
	for name, at := range rowMembers {
		if value := fields.Field(at).String(); value != "" {
			v.Row[name] = value
		}
	}
	return v, nil
}

func decodeRefused(r store.RefusedRow) (row formats.Row, faults []formats.Fault, err error) {
	if err := json.Unmarshal([]byte(r.Row), &row); err != nil {
		return row, nil, fmt.Errorf("stored row at line %d cannot be read", r.SourceLine)
	}
	if err := json.Unmarshal([]byte(r.Faults), &faults); err != nil {
		return row, nil, fmt.Errorf("stored faults at line %d cannot be read", r.SourceLine)
	}
	row.Line = r.SourceLine
	return row, faults, nil
}

var errorsType = []string{jsonType, csvType}

func (s *service) routeErrors(api huma.API) {
	op := operation("list-order-errors", submitPath+"/{id}/errors", "orders", "The refused rows of an order, as JSON or as the CSV to correct")
	op.Responses = problemResponses(api)
	op.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
		jsonType: {Schema: schemaOf[Page[RefusedRow]](api)},
		csvType:  {Schema: &huma.Schema{Type: huma.TypeString}},
	}}
	huma.Register(api, op, s.listErrors)
}

// ErrorsInput asks for the refused rows of an order, in one of two forms.
type ErrorsInput struct {
	OrderPageInput
	Format string `query:"format" enum:"json,csv" doc:"json (in pages) or csv (all of them); without it, what Accept says"`
	Accept string `header:"Accept" hidden:"true"`
}

func (s *service) listErrors(ctx context.Context, in *ErrorsInput) (*huma.StreamResponse, error) {
	c := callerOf(ctx)
	o, err := s.findOrder(ctx, c, in.ID)
	if err != nil {
		return nil, s.refuse(ctx, err)
	}
	if in.wantsCSV() {
		file, err := s.errorsFile(ctx, o)
		if err != nil {
			return nil, s.refuse(ctx, err)
		}
		return file, nil
	}
	page, err := s.errorsPage(ctx, o, in.PageInput)
	if err != nil {
		return nil, s.refuse(ctx, err)
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", jsonType)
		ctx.SetStatus(http.StatusOK)
		// The answer has begun; a client that has gone cannot be told.
		_ = json.NewEncoder(ctx.BodyWriter()).Encode(page)
	}}, nil
}

func (s *service) errorsPage(ctx context.Context, o store.Order, in PageInput) (Page[RefusedRow], error) {
	list := "errors " + o.ID.String()[24:]
	after, err := in.position(list)
	if err != nil {
		return Page[RefusedRow]{}, err
	}
	rows, err := s.Plant.Store.Refused(ctx, o.Number, after, in.Limit+1)
	if err != nil {
		return Page[RefusedRow]{}, err
	}
	var failed error
	page := pageOf(in, list, rows, func(r store.RefusedRow) int64 { return r.SourceLine }, func(r store.RefusedRow) RefusedRow {
		v, err := showRefused(r)
		if err != nil {
			failed = err
		}
		return v
	})
	return page, failed
}
