package formats

import (
	"fmt"
	"io"
	"strings"
)

// SheetRow is one row of a field sheet, the table that a bureau asks for with a layout.
type SheetRow struct {
	Section Section  `json:"-"`
	Part    string   `json:"section"` // the section's name
	Place   string   `json:"place"`   // fixed: first and last position; named modes: the name; elsewhere the number of the field
	At      int      `json:"at,omitempty"`
	Length  int      `json:"length,omitempty"` // 0 where lengths differ
	Content string   `json:"content"`          // a field of the catalogue, a constant in quotes, or what the value is put together of
	Form    []string `json:"form,omitempty"`   // functions, and the texts around the value
	When    string   `json:"when,omitempty"`   // without which the value is absent
	Type    string   `json:"type"`
	Class   string   `json:"class"` // the highest sensitivity of what it shows
}

// Sheet lists the fields of every section in the order of the file.
func (l *Layout) Sheet() []SheetRow {
	var rows []SheetRow
	for which := Header; which <= Trailer; which++ {
		from := l.spec.sections[which]
		if from == nil {
			continue
		}
		for i := range from.fields {
			rows = append(rows, l.sheetRow(which, i, &from.fields[i]))
		}
	}
	return rows
}

func (l *Layout) sheetRow(which Section, i int, f *fieldSpec) SheetRow {
	c := &l.sections[which].columns[i]
	r := SheetRow{Section: which, Part: which.String(), Place: fmt.Sprint(i + 1), Length: f.len, Content: f.content(), Form: f.form(), Type: f.typeName(), Class: c.class().String()}
	switch {
	case l.spec.mode == fixedMode:
		r.At = f.at
		r.Place = fmt.Sprintf("%d-%d", f.at, f.at+f.len-1)
	case l.spec.mode.named():
		r.Place = f.name
		if path := l.spec.sections[which].path; path != "" && which != Detail {
			r.Place = path + "/" + f.name
		}
	}
	if f.when != nil {
		r.When = f.when.String()
	}
	return r
}

// class is the highest sensitivity of what a column shows.
func (c *column) class() Sensitivity {
	highest := Public
	for s := range sensitivityNames {
		if c.classes.has(Sensitivity(s)) {
			highest = Sensitivity(s)
		}
	}
	return highest
}

func (f *fieldSpec) content() string {
	switch {
	case f.constant != nil:
		return fmt.Sprintf("%q", *f.constant)
	case f.fill != nil:
		return fmt.Sprintf("filled with %q", *f.fill)
	case f.track != "":
		return "track " + f.track
	case f.control != "":
		return controlPrefix + f.control
	case f.kcv != "":
		return kcvPrefix + f.kcv + ")"
	case f.parts == nil:
		return f.value.String()
	}
	all := make([]string, len(f.parts))
	for i := range f.parts {
		p := &f.parts[i]
		all[i] = strings.Join(append([]string{p.content()}, p.form()...), " | ")
	}
	return strings.Join(all, " + ")
}

// form is what happens to a value on its way into the file, and what stands around it.
func (f *fieldSpec) form() []string {
	var all []string
	for _, p := range f.pipes {
		all = append(all, p.String())
	}
	if f.prefix > 0 {
		all = append(all, fmt.Sprintf("behind its length in %d digits", f.prefix))
	}
	if f.open != "" || f.end != "" {
		all = append(all, fmt.Sprintf("between %q and %q", f.open, f.end))
	}
	if f.optional {
		all = append(all, "optional")
	}
	return all
}

func (f *fieldSpec) typeName() string {
	switch {
	case f.constant != nil, f.fill != nil:
		return "constant"
	case f.value == 0:
		return "text"
	}
	return strings.TrimPrefix(strings.TrimPrefix(typeNames[catalogue[f.value].valueType], "a "), "signed ")
}

// String is the call as a layout writes it.
func (c call) String() string {
	if len(c.args) == 0 {
		return c.name
	}
	args := make([]string, len(c.args))
	for i, a := range c.args {
		args[i] = a
		if a == "" || strings.Trim(a, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
			args[i] = `"` + a + `"`
		}
	}
	return c.name + "(" + strings.Join(args, ", ") + ")"
}

// String is the condition as a layout writes it.
func (c *condition) String() string {
	switch {
	case c.values == nil && c.not:
		return c.field.String() + "!"
	case c.values == nil:
		return c.field.String()
	case c.not:
		return c.field.String() + "!=" + strings.Join(c.values, "|")
	}
	return c.field.String() + "=" + strings.Join(c.values, "|")
}

// WriteSheet writes the field sheet in Markdown: what is true of the whole file, then a table for each section.
func (l *Layout) WriteSheet(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s %s\n\n| | |\n| --- | --- |\n", l.Name(), l.Version())
	for _, fact := range l.facts() {
		fmt.Fprintf(&b, "| %s | %s |\n", fact.name, cell(fact.value))
	}
	last := Section(0)
	for _, r := range l.Sheet() {
		if r.Section != last {
			l.sheetHead(&b, r.Section)
			last = r.Section
		}
		length := ""
		if r.Length > 0 {
			length = fmt.Sprint(r.Length)
		}
		form := r.Form
		if r.When != "" {
			form = append(append([]string(nil), form...), "when "+r.When)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.Place, length, cell(r.Content), cell(strings.Join(form, ", ")), r.Type, r.Class)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the field sheet: %w", err)
	}
	return nil
}

func (l *Layout) sheetHead(b *strings.Builder, which Section) {
	title := map[Section]string{Header: "Header", GroupOpen: "Before each group", Detail: "Detail", GroupClose: "After each group", Trailer: "Trailer"}[which]
	if n := l.sections[which].length; n > 0 {
		title += fmt.Sprintf(", %d %s", n, lengthUnitNames[l.spec.unit])
	}
	place := "Field"
	switch {
	case l.spec.mode == fixedMode:
		place = "Position"
	case l.spec.mode.named():
		place = "Name"
	}
	fmt.Fprintf(b, "\n## %s\n\n| %s | Length | Content | Form | Type | Class |\n| --- | --- | --- | --- | --- | --- |\n", title, place)
}

// cell makes a text one cell of a Markdown table.
func cell(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "|", `\|`), "\n", " ") }

// fact is something that is true of all files of a layout.
type fact struct{ name, value string }

// facts lists what is true of all files of a layout, in a fixed order.
func (l *Layout) facts() []fact {
	s := l.spec
	var classes []string
	for c, name := range sensitivityNames {
		if s.clearance[Sensitivity(c)] {
			classes = append(classes, name)
		}
	}
	all := []fact{{"kind", s.kind.String()}, {"mode", modeNames[s.mode]}, {"encoding", encodingNames[s.encoding]}, {"record ends with", recordEnd(s.eol)}}
	if s.mode == fixedMode {
		all = append(all, fact{"positions count", lengthUnitNames[s.unit]})
	}
	if s.mode == delimitedMode {
		quote := "none"
		if s.quote != 0 {
			quote = fmt.Sprintf("%q", s.quote)
		}
		all = append(all, fact{"delimiter", fmt.Sprintf("%q", s.delimiter)}, fact{"quote", quote})
	}
	if s.rootName != "" {
		all = append(all, fact{"root element", s.rootName})
	}
	all = append(all, fact{"file name", s.fileName}, fact{"clearance", strings.Join(classes, ", ")})
	if s.maxRecords > 0 {
		all = append(all, fact{"records of a file at most", fmt.Sprint(s.maxRecords)})
	}
	for _, list := range []struct {
		name   string
		fields []Field
	}{{"a file for each", s.splitBy}, {"ordered by", s.orderBy}, {"grouped by", s.groupBy}} {
		if list.name == "grouped by" && s.groupEach > 0 {
			all = append(all, fact{"a group for each", eachNames[s.groupEach]})
		} else if len(list.fields) > 0 {
			all = append(all, fact{list.name, strings.Trim(fmt.Sprint(list.fields), "[]")})
		}
	}
	if e := s.each(); e > eachCard {
		all = append(all, fact{"a detail for each", eachNames[e]})
	}
	for i := range s.controls {
		all = append(all, fact{controlPrefix + s.controls[i].name, s.controls[i].call.String()})
	}
	for _, label := range s.keys {
		all = append(all, fact{"enciphered under", string(label)})
	}
	all = append(all, s.transfer.facts()...)
	if len(s.sidecars) > 0 {
		all = append(all, fact{"goes along with it", strings.Join(s.sidecars, " ")})
	}
	return all
}

// facts lists how a file travels, where its layout says it.
func (t Transfer) facts() (all []fact) {
	if t.TempSuffix != "" {
		all = append(all, fact{"temporary name ends with", t.TempSuffix})
	}
	if t.Marker != "" {
		all = append(all, fact{"after it comes", fmt.Sprintf("a file with %s behind its name, which holds %q", t.Marker, t.Content)})
	}
	return all
}

func recordEnd(eol string) string {
	switch eol {
	case "\r\n":
		return "CR LF"
	case "\n":
		return "LF"
	case "\r":
		return "CR"
	case "":
		return "nothing"
	}
	return fmt.Sprintf("%q", eol)
}

// Shape says in one line what files of the layout look like.
func (l *Layout) Shape() string {
	s := l.spec
	parts := []string{s.kind.String(), modeNames[s.mode], encodingNames[s.encoding], "ends with " + recordEnd(s.eol)}
	for which := Header; which <= Trailer; which++ {
		if l.sections[which] == nil {
			continue
		}
		what := fmt.Sprintf("%s of %d fields", which, len(s.sections[which].fields))
		if n := l.sections[which].length; n > 0 {
			what += fmt.Sprintf(" in %d %s", n, lengthUnitNames[s.unit])
		}
		parts = append(parts, what)
	}
	return strings.Join(parts, ", ")
}
