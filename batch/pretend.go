package batch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"platen/card"
	"platen/formats"
	"platen/programs"
	"platen/sql/store"
)

// Errors of answers that no bureau gave.
var (
	ErrNoAnswer    = errors.New("the bureau declares no layout, and no name with one star, for answers of this kind")
	ErrNotAnswered = errors.New("the answer does not fit how things stand")
)

// Pretend takes an answer about one line of a file as if its bureau had given it: a return file of a kind, with one record, that is stored, proved and applied like every other. The
// record says what the layouts of the kind show; file and identifier of the line, and when it happened, are filled in. It is for sandboxes. What was said before changes nothing;
// ErrNotAnswered: the file or the line does not stand so that it could be said.
func (p *Plant) Pretend(ctx context.Context, i store.Institution, f store.File, line int64, kind formats.Kind, rec *formats.Record) error {
	b, err := p.bureauNow(ctx, i.ID, f.BureauCode)
	if err != nil {
		return err
	}
	layout, pattern, err := p.answersOf(ctx, i, b.value, kind)
	if err != nil {
		return err
	}
	uid := RecordUID(f.Number, line)
	now := p.Now().UTC()
	rec.SetInt(formats.RecordNumber, 1)
	rec.SetInt(formats.ReturnFile, f.Number)
	rec.SetString(formats.ReturnUID, uid)
	rec.SetString(formats.ReturnOccurredAt, now.Format(time.RFC3339))
	name := strings.Replace(pattern, "*", strings.ToLower("simulated-"+uid+"-"+kind.String()+"-"+now.Format("20060102T150405.000000")), 1)
	var raw bytes.Buffer
	head := pretendedHead(f, name, now)
	w, err := layout.NewWriter(&raw, head)
	if err == nil {
		err = errors.Join(w.Write(rec), w.Close())
	}
	if err != nil {
		return fmt.Errorf("write an answer of bureau %s: %w", f.BureauCode, err)
	}
	number, repeated, err := p.storePretended(ctx, i, b, name, raw.Bytes())
	if err != nil {
		return err
	}
	if !repeated {
		if err := p.ApplyReturn(ctx, number, 1); err != nil {
			return err
		}
	}
	r, err := p.Store.ReturnByNumber(ctx, number)
	if err == nil && r.Applied+r.Duplicates == 0 {
		err = fmt.Errorf("return file %d is %s: %w", number, r.State, ErrNotAnswered)
	}
	return err
}

// answersOf finds the layout of a bureau's answers of a kind, and the pattern of their names.
func (p *Plant) answersOf(ctx context.Context, i store.Institution, b *programs.Bureau, kind formats.Kind) (*formats.Layout, string, error) {
	layouts, err := current(ctx, p, p.Store.Q, i.ID, store.LayoutProgram, decodeLayout)
	if err != nil {
		return nil, "", err
	}
	for _, r := range b.Returns {
		l, ok := layouts[r.Layout]
		if ok && l.value.Kind() == kind && strings.Count(r.Pattern, "*") == 1 && !strings.ContainsAny(r.Pattern, `?[\`) {
			return l.value, r.Pattern, nil
		}
	}
	return nil, "", fmt.Errorf("bureau %s, %s: %w", b.Code, kind, ErrNoAnswer)
}

func pretendedHead(f store.File, name string, now time.Time) *formats.Record {
	h := new(formats.Record)
	for _, field := range []formats.Field{formats.FileReference, formats.AckFile, formats.ReturnFile} {
		h.SetInt(field, f.Number)
	}
	h.SetString(formats.FileName, path.Base(name))
	h.SetString(formats.FileDate, now.Format("20060102"))
	h.SetString(formats.FileTime, now.Format("150405"))
	h.SetString(formats.FileStamp, now.Format("20060102T150405Z"))
	h.SetString(formats.FileBureau, f.BureauCode)
	h.SetInt(formats.FileSequence, f.Sequence)
	h.SetInt(formats.FileRecords, 1)
	h.SetInt(formats.TotalsRecords, 1)
	return h
}

// storePretended stores the answer as fetched and archived, claimed by the caller under epoch 1. What was given before with the same content is found, and repeated is true.
func (p *Plant) storePretended(ctx context.Context, i store.Institution, b entry[*programs.Bureau], name string, raw []byte) (number int64, repeated bool, err error) {
	sum := sha256.Sum256(raw)
	id, err := p.newID("return", draw(b.code, name, hexString(sum[:])))
	if err != nil {
		return 0, false, err
	}
	err = p.Store.InTx(ctx, func(tx *store.Tx) error {
		if number, repeated, err = tx.SameReturn(ctx, b.number, sum[:], 0); err != nil || repeated {
			return err
		}
		r, err := tx.InsertReturn(ctx, store.ReturnFile{ID: id, Institution: i.ID, Bureau: b.number, BureauCode: b.code, Name: name, Size: int64(len(raw)), Modified: p.Now().Unix(), Pretended: true, CreatedAt: p.Now()})
		if err != nil {
			return err
		}
		number = r.Number
		parts, err := p.SealReturn(number, raw)
		if err != nil {
			return err
		}
		if err := errors.Join(tx.ArchivedReturn(ctx, number), tx.StoreReturn(ctx, number, sum[:], int64(len(raw)), parts)); err != nil {
			return err
		}
		for _, state := range []card.ReturnState{card.ReturnStable, card.ReturnStored} {
			if err := tx.MoveReturn(ctx, &r, state, ""); err != nil {
				return err
			}
		}
		if err := tx.TakeReturn(ctx, number, returnWindow); err != nil {
			return err
		}
		data := map[string]any{"name": name, "bytes": len(raw), "sha256": hexString(sum[:]), "simulated": true}
		return tx.Record(ctx, i.ID, "return", number, card.ReturnStored.String(), data, p.Now())
	})
	return number, repeated, err
}

// StatusWord is what a bureau calls a state of an issue.
func (p *Plant) StatusWord(ctx context.Context, i store.Institution, bureau string, state card.IssueState) (string, error) {
	b, err := p.bureauNow(ctx, i.ID, bureau)
	if err != nil {
		return "", err
	}
	var words []string
	for word, means := range b.value.StatusMap {
		if means == state.String() {
			words = append(words, word)
		}
	}
	if len(words) == 0 {
		return state.String(), nil
	}
	return slices.Min(words), nil
}
