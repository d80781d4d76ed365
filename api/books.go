package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"platen/batch"
)

// Books are the trial balance: every card that was ever asked for, by fate, and every file with its columns side by side.
type Books struct {
	Balanced  bool         `json:"balanced" doc:"Nothing is in work, nothing waits, and the columns of every file agree"`
	Requested int64        `json:"requested"`
	Produced  int64        `json:"produced"`
	Rejected  int64        `json:"rejected"`
	Cancelled int64        `json:"cancelled"`
	Spoiled   int64        `json:"spoiled"`
	Remade    int64        `json:"remade"`
	Open      int64        `json:"open" doc:"Cards in work"`
	Waiting   int64        `json:"waiting" doc:"Issues that wait for a file"`
	Refused   int64        `json:"refused_rows" doc:"Rows that wait for a correction"`
	Orders    []OrderBooks `json:"orders" nullable:"false"`
	Files     []FileBooks  `json:"files" nullable:"false"`
}

// OrderBooks are one order's cards by fate.
type OrderBooks struct {
	ID        string `json:"id" format:"uuid"`
	Reference string `json:"reference"`
	State     string `json:"state"`
	Balanced  bool   `json:"balanced"`
	Cards     Fates  `json:"cards"`
}

// FileBooks are one file's columns side by side.
type FileBooks struct {
	ID       string     `json:"id" format:"uuid"`
	Number   int64      `json:"number"`
	Name     string     `json:"name"`
	Bureau   string     `json:"bureau"`
	Purpose  string     `json:"purpose"`
	State    string     `json:"state"`
	Balanced bool       `json:"balanced"`
	Problem  string     `json:"problem,omitempty" doc:"Which columns differ"`
	Counts   FileCounts `json:"counts"`
	Open     int64      `json:"open" doc:"Lines without an outcome"`
}

func (s *service) routeBooks(api huma.API) {
	read(s, api, operation("get-books", "/v1/books", "books", "The books, recounted now"), s.getBooks)
}

func (s *service) getBooks(ctx context.Context, c caller, _ *struct{}) (Books, error) {
	b, err := s.Plant.Balance(ctx, c.institution)
	if err != nil {
		return Books{}, err
	}
	v := Books{Balanced: b.Balanced, Requested: b.Requested, Produced: b.Produced, Rejected: b.Rejected, Cancelled: b.Cancelled, Spoiled: b.Spoiled,
		Remade: b.Remade, Open: b.Open, Waiting: b.Waiting, Refused: b.Refused, Orders: make([]OrderBooks, 0, len(b.Orders)), Files: make([]FileBooks, 0, len(b.Files))}
	for _, o := range b.Orders {
		v.Orders = append(v.Orders, OrderBooks{ID: o.Order.ID.String(), Reference: o.Order.Reference, State: o.Order.State.String(), Balanced: o.Balanced,
			Cards: showFates(o.Fates)})
	}
	for _, f := range b.Files {
		v.Files = append(v.Files, showFileBooks(f))
	}
	return v, nil
}

func showFileBooks(f batch.FileBooks) FileBooks {
	return FileBooks{ID: f.File.ID.String(), Number: f.File.Number, Name: f.File.Name, Bureau: f.File.BureauCode, Purpose: f.File.Purpose.String(),
		State: f.File.State.String(), Balanced: f.Balanced, Problem: f.Problem, Counts: showFile(f.File).Counts, Open: f.Open}
}
