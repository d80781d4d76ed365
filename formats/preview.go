package formats

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Preview is a file as a layout writes it, with card data masked in place, so that every position is that of a real file.
type Preview struct {
	FileName string        `json:"file_name"`
	Lines    []PreviewLine `json:"lines"`
	LeftOut  []string      `json:"left_out,omitempty"` // values that the layout has no place for: record and field, and why
}

// PreviewLine is one record as it looks: characters of the file in UTF-8, other bytes as \xNN.
type PreviewLine struct {
	Section string `json:"section"`
	Text    string `json:"text"`
}

// Preview writes records as the layout does and shows them. Numbers show six and four digits, tracks, codes and PIN blocks nothing but how
// long they are. A value that the layout refuses is left out and told; where it cannot be left out either, that is the error.
func (l *Layout) Preview(head *Record, records []*Record) (Preview, error) {
	var p Preview
	name, err := l.FileName(head)
	if err != nil {
		return p, err
	}
	p.FileName = name
	starred := l.starring()
	kept := make([]*Record, len(records))
	for i, r := range records {
		if kept[i], err = starred.fitting(r, fmt.Sprintf("record %d", i+1), &p.LeftOut); err != nil {
			return p, err
		}
	}
	if head, err = starred.fittingHead(head, &p.LeftOut); err != nil {
		return p, err
	}
	out := &previewWriter{layout: l}
	w, err := starred.NewWriter(out, head)
	if err != nil {
		return p, err
	}
	out.cut(&p, Header)
	for i, r := range kept {
		if err := w.Write(r); err != nil {
			return p, fmt.Errorf("record %d: %w", i+1, err)
		}
		if err := w.flush(); err != nil {
			return p, err
		}
		out.cut(&p, Detail)
	}
	if err := errors.Join(w.release(), w.flush()); err != nil {
		return p, err
	}
	out.cut(&p, Detail)
	if err := w.Close(); err != nil {
		return p, err
	}
	out.cut(&p, Trailer)
	return p, nil
}

// starring is the layout that writes stars for what only the bureau may see.
func (l *Layout) starring() *Layout {
	out := *l.Blank()
	for which, s := range l.sections {
		if s == nil {
			continue
		}
		copied := *s
		copied.columns = append([]column(nil), s.columns...)
		for i := range copied.columns {
			if c := &copied.columns[i]; c.class() >= PAN {
				c.audience, c.direct = starred, false
			}
		}
		out.sections[which] = &copied
	}
	return &out
}

// star overwrites what a column shows, in its length: of a number only the middle digits.
func star(v []byte, class Sensitivity) {
	number := 0
	for _, c := range v {
		if c >= '0' && c <= '9' {
			number++
		}
	}
	seen := 0
	for i, c := range v {
		if c >= '0' && c <= '9' {
			seen++
		}
		switch {
		case class == PAN && (c < '0' || c > '9' || seen <= 6 || seen > number-4):
		case c == ' ':
		default:
			v[i] = '*'
		}
	}
}

// fitting returns a copy of a record without the values that the layout's detail refuses.
func (l *Layout) fitting(r *Record, what string, leftOut *[]string) (*Record, error) {
	return l.without(merged(r), what, leftOut, Detail)
}

func (l *Layout) fittingHead(head *Record, leftOut *[]string) (*Record, error) {
	return l.without(merged(head), "header", leftOut, Header)
}

func (l *Layout) without(r *Record, what string, leftOut *[]string, which Section) (*Record, error) {
	if l.sections[which] == nil {
		return r, nil
	}
	for range l.sections[which].columns {
		_, err := l.appendSection(nil, which, r)
		var refused *ValueError
		if !errors.As(err, &refused) {
			return r, err
		}
		f, ok := ParseField(refused.Field)
		if !ok || !r.Has(f) {
			return r, fmt.Errorf("%s: %w", what, err)
		}
		*leftOut = append(*leftOut, fmt.Sprintf("%s: %v", what, refused))
		r.Set(f, nil)
	}
	return r, nil
}

// previewWriter collects what is written until it is cut off as lines.
type previewWriter struct {
	layout *Layout
	bytes.Buffer
}

// cut takes what was written since the last time as lines of a section.
func (w *previewWriter) cut(p *Preview, which Section) {
	body := w.Bytes()
	if page := w.layout.page; page != nil {
		_, _ = (&pageReader{page, bytes.NewReader(append([]byte(nil), body...))}).Read(body)
	}
	eol := w.layout.eol
	for len(body) > 0 {
		line, rest := body, []byte(nil)
		if len(eol) > 0 {
			if i := bytes.Index(body, eol); i >= 0 {
				line, rest = body[:i], body[i+len(eol):]
			}
		}
		p.Lines = append(p.Lines, PreviewLine{Section: which.String(), Text: w.layout.visible(line)})
		body = rest
	}
	w.Reset()
}

// visible decodes a line for people.
func (l *Layout) visible(line []byte) string {
	var b strings.Builder
	for i := 0; i < len(line); {
		r, size := rune(line[i]), 1
		if !l.spec.encoding.isLatin() {
			r, size = utf8.DecodeRune(line[i:])
		}
		if isControl(r) || r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, line[i:i+size])
		} else {
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// rulerWidth is how many characters of a line stand above each other.
const rulerWidth = 100

// Write prints a preview for people. Lines of records stand under a ruler, cut into pieces of 100 with the position of the first character
// before each; documents are printed as they are.
func (p *Preview) Write(w io.Writer, l *Layout) error {
	var b strings.Builder
	fmt.Fprintf(&b, "file name: %s\n", p.FileName)
	for _, line := range p.Lines {
		if l.spec.mode.isDocument() {
			fmt.Fprintf(&b, "%s\n", line.Text)
			continue
		}
		letters := []rune(line.Text)
		fmt.Fprintf(&b, "\n%s, %d characters\n       %s\n", line.Section, len(letters), ruler(min(len(letters), rulerWidth)))
		for at := 0; at < len(letters); at += rulerWidth {
			fmt.Fprintf(&b, "%5d  %s\n", at+1, string(letters[at:min(at+rulerWidth, len(letters))]))
		}
	}
	for i, what := range p.LeftOut {
		if i == 0 {
			b.WriteString("\nLeft out, because the layout refuses them:\n")
		}
		fmt.Fprintf(&b, "  %s\n", what)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the preview: %w", err)
	}
	return nil
}

// ruler marks every fifth and tenth position.
func ruler(n int) string {
	b := []byte(strings.Repeat("....+....|", rulerWidth/10))
	return string(b[:n])
}
