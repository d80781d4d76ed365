package batch

import (
	"context"
	"fmt"
	"strings"

	"platen/card"
	"platen/sql/store"
)

// LineOfFile is one line of a file as a person looks for it: what it carries, where that stands, and why.
type LineOfFile struct {
	store.FileLine
	UID       string
	Token     string // public name of the card
	Effective string // its own state, or its file's
	Reason    string // what the bureau said last, of a line with a state of its own
}

// ParseLineStates reads names of states that lines have of their own, with commas between; none is all lines.
func ParseLineStates(text string) ([]card.IssueState, error) {
	var all []card.IssueState
	for name := range strings.SplitSeq(text, ",") {
		if name == "" {
			continue
		}
		s, err := card.ParseIssueState(name)
		if err != nil {
			return nil, ErrLineState
		}
		all = append(all, s)
	}
	return all, nil
}

// ErrLineState says that a name is no state of a line.
var ErrLineState = fmt.Errorf("states are names such as %s,%s", card.IssueRejected, card.IssueSpoiled)

// LinesOfFile pages through a file's lines after one of them: those with a state of their own among states, or all where none is named.
func (p *Plant) LinesOfFile(ctx context.Context, f store.File, states []card.IssueState, after int64, limit int) ([]LineOfFile, error) {
	lines, err := p.Store.LinesOfFile(ctx, f, states, after, limit)
	if err != nil {
		return nil, err
	}
	all := make([]LineOfFile, len(lines))
	for k, l := range lines {
		all[k] = LineOfFile{FileLine: l, UID: RecordUID(f.Number, l.Line), Effective: effective(l.State, &f)}
		if all[k].Token, err = p.Token(ctx, l.Card); err != nil {
			return nil, err
		}
		if l.State == card.IssueFollowsFile {
			continue
		}
		said, err := p.Store.ReturnLinesOf(ctx, f.Number, l.Line)
		if err != nil {
			return nil, err
		}
		for _, r := range said {
			if r.Outcome == store.LineApplied {
				all[k].Reason = r.BureauReason
			}
		}
	}
	return all, nil
}
