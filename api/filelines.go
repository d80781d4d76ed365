package api

import (
	"context"

	"platen/batch"
)

// LineOfFile is one line of a file.
type LineOfFile struct {
	Line   int64             `json:"line"`
	UID    string            `json:"uid" doc:"As the bureau calls it"`
	Card   string            `json:"card" doc:"The card's token"`
	State  string            `json:"state" doc:"Its own, once an answer spoke of it; before that FILE and its file's"`
	Reason string            `json:"reason,omitempty" doc:"What the bureau said of it"`
	Links  map[string]string `json:"links"`
}

// LinesOfFileInput asks for a page of a file's lines.
type LinesOfFileInput struct {
	ObjectInput
	PageInput
	State string `query:"state" maxLength:"200" example:"REJECTED,SPOILED" doc:"Only lines that have come to one of these states, with commas between"`
}

func (s *service) listFileLines(ctx context.Context, c caller, in *LinesOfFileInput) (Page[LineOfFile], error) {
	f, err := s.findFile(ctx, c, in.ID)
	if err != nil {
		return Page[LineOfFile]{}, err
	}
	states, err := batch.ParseLineStates(in.State)
	if err != nil {
		return Page[LineOfFile]{}, invalid("query.state", err.Error())
	}
	list := "file lines " + f.ID.String()[24:]
	after, err := in.position(list)
	if err != nil {
		return Page[LineOfFile]{}, err
	}
	rows, err := s.Plant.LinesOfFile(ctx, f, states, after, in.Limit+1)
	return pageOf(in.PageInput, list, rows, func(l batch.LineOfFile) int64 { return l.Line }, func(l batch.LineOfFile) LineOfFile {
		return LineOfFile{Line: l.Line, UID: l.UID, Card: l.Token, State: l.Effective, Reason: l.Reason, Links: map[string]string{"card": cardPath + "/" + l.Token}}
	}), err
}
