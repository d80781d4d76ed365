package formats

import "bytes"

// mark finds how the sections are told apart. Where a layout has several, each begins with a constant of its own; in JSON Lines the key
// "type" does that. A header before details without such a constant is the first line.
func (l *Layout) mark() error {
	var present []Section
	for which := Header; which <= Trailer; which++ {
		if l.sections[which] != nil {
			present = append(present, which)
		}
	}
	if len(present) == 1 || l.spec.mode.named() {
		return nil
	}
	if first := &l.sections[Detail].columns[0]; len(present) == 2 && present[0] == Header && present[1] == Detail && len(l.eol) > 0 && len(first.constant) == 0 && len(first.open) == 0 {
		l.byPlace = l.spec.mode == fixedMode || l.spec.mode == delimitedMode
		if l.byPlace {
			return nil
		}
	}
	for i, which := range present {
		first := &l.sections[which].columns[0]
		mark := first.constant
		if !first.optional && len(first.open) > 0 {
			mark = first.open
		}
		if len(mark) == 0 {
			return faultAt(l.spec.sections[which].node, "%s: must begin with a constant that tells it from the other sections", which)
		}
		if l.spec.mode == delimitedMode {
			mark = l.appendDelimited(nil, 0, first.constant)
			if len(l.sections[which].columns) > 1 {
				mark = append(mark, l.spec.delimiter)
			} else {
				mark = append(mark, l.eol...)
			}
		}
		l.sections[which].mark = mark
		for _, other := range present[:i] {
			seen := l.sections[other].mark
			if bytes.HasPrefix(mark, seen) || bytes.HasPrefix(seen, mark) || l.spec.mode == fixedMode && l.spec.eol == "" && len(mark) != len(seen) {
				return faultAt(l.spec.sections[which].node, "%s: must begin with a constant that tells it from %s, of the same length", which, other)
			}
		}
	}
	return nil
}
