package bureau

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"platen/card"
	"platen/delivery"
	"platen/formats"
)

// answering is how answers of one kind look.
type answering struct {
	layout  *formats.Layout
	pattern string // the name with one star in it
}

// answers finds the layout of a kind and the names that the issuer looks for.
func (s *Simulator) answers(kind formats.Kind) (answering, error) {
	for _, r := range s.config.Bureau.Returns {
		i := slices.IndexFunc(s.config.Layouts, func(l *formats.Layout) bool { return l.Name() == r.Layout && l.Kind() == kind })
		if i < 0 {
			continue
		}
		if strings.Count(r.Pattern, "*") != 1 || strings.ContainsAny(r.Pattern, `?[\`) {
			return answering{}, fmt.Errorf("the simulator can only make names for patterns with one star, not for %q", r.Pattern)
		}
		return answering{layout: s.config.Layouts[i], pattern: r.Pattern}, nil
	}
	return answering{}, fmt.Errorf("it has no layout for %s files", kind)
}

// answer is what one input file is answered with.
type answer struct {
	input   string
	sum     string // SHA-256 of the plaintext in hexadecimal
	verdict *Verdict
	now     time.Time
	dials   Dials
}

// Words of an ack.
const (
	ackAccepted = "ACCEPTED"
	ackRejected = "REJECTED"
)

// maxReason bounds the reason in an ack.
const maxReason = 80

// writeAck answers for the whole file.
func (s *Simulator) writeAck(a *answer) error {
	v := a.verdict
	rec := new(formats.Record)
	rec.Set(formats.AckFile, a.reference())
	rec.SetString(formats.AckName, a.input)
	rec.SetString(formats.AckReceivedAt, a.now.Format(time.RFC3339))
	rec.SetInt(formats.AckRead, int64(len(v.Lines)))
	rec.SetInt(formats.AckOK, int64(len(v.Lines))-v.Bad)
	rec.SetInt(formats.AckBad, v.Bad)
	rec.SetString(formats.AckSHA256, a.sum)
	rec.SetString(formats.AckStatus, ackAccepted)
	if !v.Good() {
		rec.SetString(formats.AckStatus, ackRejected)
		rec.SetString(formats.AckReason, plainReason(v.Reason()))
	}
	p := promise{how: s.ack, records: 1}
	if a.dials.OutOfOrder {
		p.delay = a.dials.again()
	}
	return s.write(a, p, func(put func(*formats.Record) error) error { return put(rec) })
}

// plainReason makes a reason fit for every layout: no separators, no quotes, not long.
func plainReason(reason string) string {
	reason = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`,;|"'`, r) {
			return ' '
		}
		return r
	}, reason)
	return reason[:min(len(reason), maxReason)]
}

// writeStatus answers for every record, as the dice fall.
func (s *Simulator) writeStatus(a *answer) (Counts, error) {
	var told Counts
	lines := a.verdict.Lines
	if s.config.Dice.roll("unknown "+a.input) < a.dials.Unknown {
		s.note(Entry{Did: "answered for a record that nobody ordered", File: a.input})
		lines = append(slices.Clone(lines), Line{UID: "999999999-0000001", Product: s.someProduct(a.verdict), Last4: "0000"})
	}
	dice := Dice{Seed: s.config.Dice.Seed, RejectPermille: a.dials.Reject, SpoilPermille: a.dials.Spoil}
	words := map[string]string{Produced: s.word(card.IssueProduced), Rejected: s.word(card.IssueRejected), Spoiled: s.word(card.IssueSpoiled)}
	err := s.write(a, promise{how: s.status, records: int64(len(lines))}, func(put func(*formats.Record) error) error {
		rec := new(formats.Record)
		told = Counts{}
		for i, line := range lines {
			status, reason := dice.Roll(line.UID)
			if i < len(a.verdict.Lines) {
				told.tell(status)
			}
			rec.Reset()
			rec.SetInt(formats.RecordNumber, int64(i)+1)
			rec.Set(formats.ReturnFile, a.reference())
			rec.SetString(formats.ReturnUID, line.UID)
			rec.SetString(formats.ProductCode, line.Product)
			rec.SetString(formats.ReturnStatus, words[status])
			rec.SetString(formats.ReturnReason, reason)
			rec.SetString(formats.ReturnOccurredAt, a.now.Format(time.RFC3339))
			rec.SetInt(formats.ReturnAttempt, 1)
			rec.SetString(formats.ReturnLast4, line.Last4)
			if err := put(rec); err != nil {
				return fmt.Errorf("record %d: %w", i+1, err)
			}
		}
		return nil
	})
	return told, err
}

// someProduct is a product that an answer to a file may name, also where the file has no records.
func (s *Simulator) someProduct(v *Verdict) string {
	if len(v.Lines) > 0 {
		return v.Lines[0].Product
	}
	if code := v.Head.Get(formats.ProductCode); len(code) > 0 {
		return string(code)
	}
	for _, code := range slices.Sorted(maps.Keys(s.config.Products)) {
		return code
	}
	return "unknown"
}

// tell counts what was said of one record.
func (c *Counts) tell(status string) {
	switch status {
	case Produced:
		c.Produced++
	case Rejected:
		c.Rejected++
	case Spoiled:
		c.Spoiled++
	}
}

// word is what this bureau calls a state, as the issuer maps it.
func (s *Simulator) word(state card.IssueState) string {
	var mapped []string
	for word, means := range s.config.Bureau.StatusMap {
		if means == state.String() {
			mapped = append(mapped, word)
		}
	}
	if len(mapped) == 0 {
		return state.String()
	}
	return slices.Min(mapped)
}

// reference is the file's number: the header's, or the one in the identifier of its first record.
func (a *answer) reference() []byte {
	if ref := a.verdict.Head.Get(formats.FileReference); len(ref) > 0 {
		return ref
	}
	if len(a.verdict.Lines) > 0 {
		number, _, _ := strings.Cut(a.verdict.Lines[0].UID, "-")
		return []byte(number)
	}
	return nil
}

// head is what an answer says of itself.
func (s *Simulator) head(a *answer, name string, records int64) *formats.Record {
	h := new(formats.Record)
	for _, f := range []formats.Field{formats.FileReference, formats.AckFile, formats.ReturnFile} {
		h.Set(f, a.reference())
	}
	h.SetString(formats.FileName, name)
	h.SetString(formats.FileDate, a.now.Format("20060102"))
	h.SetString(formats.FileTime, a.now.Format("150405"))
	h.SetString(formats.FileStamp, a.now.Format("20060102T150405Z"))
	h.Set(formats.FileSequence, a.verdict.Head.Get(formats.FileSequence))
	h.Set(formats.FileIssuer, a.verdict.Head.Get(formats.FileIssuer))
	h.SetString(formats.FileBureau, s.config.Bureau.Code)
	h.Set(formats.FilePurpose, a.verdict.Head.Get(formats.FilePurpose))
	h.SetInt(formats.FileRecords, records)
	h.SetInt(formats.TotalsRecords, records)
	return h
}

// promise is an answer that is to be given.
type promise struct {
	how     answering
	records int64
	word    string        // in its name, where a file gets several answers of a kind
	delay   time.Duration // beyond the time that the bureau takes for its first answers
	after   string        // it waits until the issuer has taken every answer that has this in its name; empty = none
}

// write makes one answer and lets it wait for its time. Its name follows from the input's; an answer that was given already is not made again, only counted.
func (s *Simulator) write(a *answer, p promise, details func(put func(*formats.Record) error) error) error {
	name := strings.Replace(p.how.pattern, "*", stem(a.input), 1)
	if p.word != "" {
		name = otherName(name, p.word)
	}
	if !delivery.ValidName(name) {
		return fmt.Errorf("%q cannot be the name of an answer", name)
	}
	there, err := s.answered(name)
	if err != nil {
		return err
	}
	target := path.Join(laterDir, name)
	if there {
		target = "" // only counted
	}
	err = s.writeFile(target, func(w io.Writer) error {
		file, err := p.how.layout.NewWriter(w, s.head(a, name, p.records))
		if err != nil {
			return err
		}
		if err := details(file.Write); err != nil {
			return err
		}
		return file.Close()
	})
	if err != nil || there {
		return err
	}
	return s.give(a, name, p)
}

// writeFile writes a file whole and durable, or not at all; an empty target is written nowhere.
func (s *Simulator) writeFile(target string, content func(io.Writer) error) error {
	if target == "" {
		return content(io.Discard)
	}
	temp := path.Join(path.Dir(target), "."+path.Base(target)+delivery.TempSuffix)
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	err = content(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = s.root.Rename(temp, target)
	}
	if err == nil {
		err = syncDir(s.root, path.Dir(target))
	}
	return err
}
