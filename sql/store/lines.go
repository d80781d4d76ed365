package store

import (
	"context"
	"fmt"

	"platen/card"
)

// Lines names lines of a file: those from First to Last, or those of List where there is one.
type Lines struct {
	First, Last int64
	List        []int64 // none twice
}

// Len is how many lines are named.
func (l Lines) Len() int64 {
	if l.List != nil {
		return int64(len(l.List))
	}
	return l.Last - l.First + 1
}

// where is a condition for these lines, with its arguments from place n of a statement on.
func (l Lines) where(q Q, n int) (condition string, arguments []any, err error) {
	if l.List == nil {
		return fmt.Sprintf("line BETWEEN $%d AND $%d", n, n+1), []any{l.First, l.Last}, nil
	}
	condition, list, err := among(q, "line", n, l.List)
	return condition, []any{list}, err
}

// FileLine is what one line of a file carries: an issue, or an attempt at its PIN mailer.
type FileLine struct {
	Line    int64           `db:"line"`
	Card    card.ID         `db:"card_id"`
	Issue   int             `db:"issue"`
	Attempt int             `db:"attempt"` // of a mailer; 0 for the card itself
	State   card.IssueState `db:"state"`
	Order   int64           `db:"order_number"` // 0 of a mailer
}

// FileLines reads lines of a file that is locked: nobody else moves a line of it meanwhile.
func (t *Tx) FileLines(ctx context.Context, f File, lines Lines) ([]FileLine, error) {
	columns := `0 AS attempt, order_number`
	if f.Purpose == MailerPurpose {
		columns = `attempt, 0 AS order_number`
	}
	where, arguments, err := lines.where(t.Q, 2)
	if err != nil {
		return nil, err
	}
	var all []FileLine
	err = t.list(ctx, "lines of a file", &all, `SELECT line, card_id, issue, state, `+columns+` FROM `+f.linesTable()+` WHERE file_number = $1 AND `+where,
		append([]any{f.Number}, arguments...)...)
	return all, err
}

// LinesOfFile pages through the lines of a file after one of them, by line: those with a state of their own among states, or all where none is named.
func (q Q) LinesOfFile(ctx context.Context, f File, states []card.IssueState, after int64, limit int) ([]FileLine, error) {
	columns := `0 AS attempt, order_number`
	if f.Purpose == MailerPurpose {
		columns = `attempt, 0 AS order_number`
	}
	where, arguments := "", []any{f.Number, after, limit}
	if len(states) > 0 {
		numbers := make([]int64, len(states))
		for i, s := range states {
			numbers[i] = int64(s)
		}
		condition, list, err := among(q, "state", 4, numbers)
		if err != nil {
			return nil, err
		}
		where, arguments = " AND "+condition, append(arguments, list)
	}
	var all []FileLine
	err := q.list(ctx, "lines of a file", &all, `SELECT line, card_id, issue, state, `+columns+` FROM `+f.linesTable()+` WHERE file_number = $1 AND line > $2`+where+
		` ORDER BY line LIMIT $3`, arguments...)
	return all, err
}

// MoveLines moves lines of a file that make the same way from one state to another, possibly over states between. ErrStale: one of them is not in the first.
func (t *Tx) MoveLines(ctx context.Context, f File, lines Lines, from, to card.IssueState) error {
	where, arguments, err := lines.where(t.Q, 4)
	if err != nil {
		return err
	}
	return t.execMany(ctx, "move lines of a file", lines.Len(), `UPDATE `+f.linesTable()+` SET state = $1 WHERE file_number = $2 AND state = $3 AND `+where,
		append([]any{to, f.Number, from}, arguments...)...)
}

// CountFileLines counts lines of a file by the state of their issues or mailers.
func (t *Tx) CountFileLines(ctx context.Context, f File, lines Lines) (LineCounts, error) {
	var c LineCounts
	where, arguments, err := lines.where(t.Q, 2)
	if err != nil {
		return c, err
	}
	err = t.get(ctx, "recount lines of a file", &c, `SELECT `+countedStates+` FROM `+f.linesTable()+` WHERE file_number = $1 AND `+where, append([]any{f.Number}, arguments...)...)
	return c, err
}
