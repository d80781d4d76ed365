package formats

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// section is a compiled header, detail, trailer, or the beginning or end of a group.
type section struct {
	columns []column
	mark    []byte   // how a line of this section begins, if the layout has several sections
	length  int      // fixed: of the record without its line end, in the layout's unit
	tree    []branch // documents and JSON Lines: the names of the section; 0 is its root
}

// Load compiles a layout. A layout that could fail later by its own fault fails here, as a *LoadError with the line: unknown keys, fields
// and functions, overlaps and gaps, wrong types, impossible lengths, values whose end could not be found, fields that the clearance does not
// cover. File is only for messages.
func Load(file string, src []byte) (*Layout, error) {
	l, err := load(src)
	if err == nil {
		return l, nil
	}
	var fault *LoadError
	if !errors.As(err, &fault) {
		return nil, fmt.Errorf("load layout %s: %w", file, err)
	}
	fault.File = file
	return nil, fault
}

func load(src []byte) (*Layout, error) {
	s, err := parseSpec(src)
	if err != nil {
		return nil, err
	}
	if err := s.checkMode(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(src)
	l := &Layout{spec: s, source: slices.Clone(src), checksum: hex.EncodeToString(sum[:]), eol: []byte(s.eol), page: s.encoding.page(), plain: s.plainBytes()}
	if l.name, err = s.compileName(); err != nil {
		return nil, err
	}
	for which := Header; which <= Trailer; which++ {
		if s.sections[which] == nil {
			continue
		}
		if l.sections[which], err = s.compileSection(which); err != nil {
			return nil, err
		}
	}
	l.sealed = *s.sealed
	for _, check := range []func() error{s.checkClearance, l.checkKeys, l.checkFields, l.checkPlan, s.checkSidecars, l.checkGroup, l.checkEach, l.checkCounts, l.checkControlFields, l.checkControls, l.compileFrame, l.mark} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	l.kept = l.keptFields(GroupOpen, GroupClose)
	if s.each().gathers() {
		l.gathered = l.keptFields(GroupOpen, Detail, GroupClose)
	}
	return l, nil
}

func (s *spec) checkMode() error {
	ebcdic := s.encoding == cp037Encoding || s.encoding == cp1047Encoding
	switch {
	case s.mode != fixedMode && s.mode != segmentsMode && s.eol == "":
		return faultAt(s.root, "layout: eol none is for fixed layouts and segments")
	case (s.mode == jsonlMode || s.mode == jsonMode) && s.encoding != utf8Encoding:
		return faultAt(s.root, "layout: JSON is UTF-8")
	case s.mode == xmlMode && ebcdic:
		return faultAt(s.root, "layout: XML is UTF-8, ISO 8859-1 or ASCII")
	case s.mode.isDocument() && s.eol != "\n" && s.eol != "\r\n":
		return faultAt(s.root, "layout: eol is lf or crlf in a document")
	case s.mode == fixedMode && s.eol == "" && s.unit == inRunes:
		return faultAt(s.root, "layout: eol none needs unit bytes")
	case s.quote == s.delimiter:
		return faultAt(s.root, "layout: quote and delimiter are the same")
	case (s.mode == xmlMode) != (s.rootName != ""):
		return faultAt(s.root, "layout: root names the root element of an XML layout, and of no other")
	}
	return nil
}

func (s *spec) checkClearance() error {
	for class := range sensitivityNames {
		if c := Sensitivity(class); s.clearance[c] && !s.kind.mayCarry(c) {
			return faultAt(s.root, "clearance: a %s may not carry %s", s.kind, c)
		}
	}
	return nil
}

func (s *spec) compileSection(which Section) (*section, error) {
	from := s.sections[which]
	out := &section{}
	end := 0
	for i := range from.fields {
		f := &from.fields[i]
		c, err := s.compileField(which, f)
		if err != nil {
			return nil, err
		}
		if s.mode == fixedMode {
			if err := f.follows(end); err != nil {
				return nil, err
			}
			c.at, end = end, end+c.len
		}
		out.columns = append(out.columns, c)
	}
	if s.mode != fixedMode && from.length > 0 {
		return nil, faultAt(from.node, "%s: length is for fixed layouts", which)
	}
	if s.mode == fixedMode && from.length != end {
		return nil, faultAt(from.node, "%s: impossible length: it says %d and its fields end at %d", which, from.length, end)
	}
	out.length = end
	switch {
	case s.mode == segmentsMode:
		if s.eol != "" {
			out.columns = append(out.columns, column{label: "end of the record", constant: []byte(s.eol)})
		}
		return out, findEnds(out.columns, from.fields, true)
	case s.mode.named():
		return out, s.compileTree(which, out)
	}
	return out, nil
}

// follows checks that a fixed field begins where the one before it ended.
func (f *fieldSpec) follows(end int) error {
	switch {
	case f.at == 0:
		return faultAt(f.node, "field: at is missing")
	case f.at <= end:
		return faultAt(f.node, "overlap: the field begins at %d and the one before it ends at %d", f.at, end)
	case f.at > end+1:
		return faultAt(f.node, "gap: the field begins at %d and the one before it ends at %d", f.at, end)
	}
	return nil
}

// compilePipes compiles the chain of one value into c and says what comes out of it.
func (s *spec) compilePipes(v flow, pipes []pipeSpec, node *yaml.Node, c *column) (flow, error) {
	for _, p := range pipes {
		compiled, next, err := p.make(v)
		if err != nil {
			return v, faultAt(p.node, "%s: %v", c.label, err)
		}
		c.pipes = append(c.pipes, compiled)
		c.fidelity = max(c.fidelity, compiled.fidelity)
		v = next
	}
	if v.valueType == binary && c.prefix == 0 {
		return v, faultAt(node, "%s: wrong type: a binary value needs hex", c.label)
	}
	return v, nil
}

// flowOf is what is known of a field's value before any function.
func (s *spec) flowOf(f Field, length int) flow {
	facts := catalogue[f]
	for i := range s.controls { // a sum over card numbers is as secret as they are: over one it is most of it
		if f == controlFields[i] {
			facts.sensitivity = catalogue[s.controls[i].field].sensitivity
		}
	}
	return flow{valueType: facts.valueType, size: facts.size, sensitivity: facts.sensitivity, field: f, length: length, tables: s.tables, keys: s.keys,
		bytes: s.mode == fixedMode && s.unit == inBytes && s.encoding == utf8Encoding}
}

// checkPlace checks that a value is known where it stands.
func (s *spec) checkPlace(which Section, f *fieldSpec) error {
	switch f.value {
	case RecordNumber, RecordUID, RecordCards, RecordLastUID:
		if which != Detail {
			return faultAt(f.node, "%s: stands in the detail only", f.value)
		}
	case TotalsRecords, TotalsPANHash, TotalsCRC32, TotalsSHA256, TotalsCards, TotalsCarriers, TotalsControl1, TotalsControl2, TotalsControl3, TotalsControl4:
		if which != Trailer {
			return faultAt(f.node, "%s: is known only in the trailer", f.value)
		}
	case FileSHA256, FileBytes:
		if s.kind == CardFile || s.kind == PINMailer {
			return faultAt(f.node, "%s: is known only once the file is sealed, to its sidecars", f.value)
		}
	case GroupRecords:
		if which != GroupClose {
			return faultAt(f.node, "%s: is known only where a group closes", f.value)
		}
	}
	return nil
}

// checkFields checks that the detail has what its kind needs, and what the trailer sums.
func (l *Layout) checkFields() error {
	s := l.spec
	for _, f := range s.kind.mustCarry() {
		if f == RecordUID && l.sections[Detail].carries(RecordNumber) {
			continue // the file and the number in it are the identifier
		}
		if !l.sections[Detail].carries(f) {
			return faultAt(s.sections[Detail].node, "detail: a %s needs %s as it is", s.kind, f)
		}
	}
	if l.sections[Trailer].carries(TotalsPANHash) && !l.sections[Detail].carries(CardPAN) {
		return faultAt(s.sections[Trailer].node, "%s: needs card.pan in the detail", TotalsPANHash)
	}
	return nil
}

// carries tells whether a reader gets f back from the section.
func (s *section) carries(f Field) bool {
	return s != nil && slices.ContainsFunc(s.columns, func(c column) bool { return c.carries(f) })
}

func (c *column) carries(f Field) bool {
	if c.fidelity == hidden {
		return false
	}
	return f != 0 && c.field == f || slices.ContainsFunc(c.parts, func(p column) bool { return p.carries(f) })
}

// splitters are the fields that can part files: those that the plan knows of a line before its card is made.
var splitters = []Field{ProductCode, ProductDesign, ProductScheme, ProductTechnology, ProductCurrency, CarrierBranch, CarrierDelivery, CarrierCountry}

// sorters are what lines can be ordered by beside the splitters.
var sorters = []Field{CarrierRegion, CarrierCity, CarrierPostcode, HolderLanguage, OrderReference}

// planned tells whether the plan knows f of a line. PIN mailers are planned from a card file's lines, of which it knows the product only.
func (k Kind) planned(f Field, also []Field) bool {
	return slices.Contains(splitters, f) && (k != PINMailer || f < CarrierName || f > CarrierBranch) || k == CardFile && slices.Contains(also, f)
}

// checkPlan refuses to part files and to order lines by what the plan does not know. The lines of a group stand together in a file because
// they are ordered by its key first.
func (l *Layout) checkPlan() error {
	s := l.spec
	for _, f := range s.splitBy {
		if !s.kind.planned(f, nil) {
			return faultAt(s.naming, "split_by: a %s cannot be split by %s", s.kind, f)
		}
	}
	for _, f := range s.orderBy {
		if !s.kind.planned(f, sorters) {
			return faultAt(s.naming, "order_by: a %s cannot be ordered by %s", s.kind, f)
		}
	}
	for _, f := range s.groupBy {
		if (s.kind == CardFile || s.kind == PINMailer) && s.groupEach == 0 && !s.kind.planned(f, sorters) {
			return faultAt(s.group.node, "group: a %s cannot be ordered by %s", s.kind, f)
		}
	}
	return nil
}

// checkSidecars lets files to a bureau have sidecars, and sidecars speak of the whole file.
func (s *spec) checkSidecars() error {
	if len(s.sidecars) > 0 && s.kind != CardFile && s.kind != PINMailer {
		return faultAt(s.root, "sidecars: a %s has none", s.kind)
	}
	for which := Header; which <= Trailer; which++ {
		if section := s.sections[which]; section != nil && section.each > 0 && (which != Detail || s.kind != Sidecar) {
			return faultAt(section.node, "each: is for the detail of a sidecar")
		}
	}
	return nil
}

// checkGroup refuses a group that shows nothing, and one whose key is not in its details: a reader could not tell groups apart.
func (l *Layout) checkGroup() error {
	s := l.spec
	if s.group == nil {
		return nil
	}
	if l.sections[GroupOpen] == nil && l.sections[GroupClose] == nil {
		return faultAt(s.group.node, "group: has neither open nor close")
	}
	if s.groupEach > 0 {
		if s.kind.IsReturn() {
			return faultAt(s.group.node, "group: each is for files to a bureau")
		}
		return nil
	}
	for _, f := range s.groupBy {
		if f.Sensitivity() != Public && f.Sensitivity() != Personal || f == RecordNumber || f == RecordUID {
			return faultAt(s.group.node, "group: %s is no key", f)
		}
		if !l.sections[GroupOpen].carries(f) && !l.sections[Detail].carries(f) && !l.sections[GroupClose].carries(f) {
			return faultAt(s.group.node, "group: neither the group nor its details show %s", f)
		}
	}
	return nil
}

// checkControls allows sums over bytes where a reader sees the bytes.
func (l *Layout) checkControls() error {
	if l.summed() && l.spec.mode.isDocument() {
		return faultAt(l.spec.sections[Trailer].node, "trailer: sums over bytes are for files of lines")
	}
	return nil
}

// summed tells whether the trailer has a sum over the bytes before it.
func (l *Layout) summed() bool {
	t := l.sections[Trailer]
	return t != nil && slices.ContainsFunc(t.columns, func(c column) bool { return c.field == TotalsCRC32 || c.field == TotalsSHA256 })
}
