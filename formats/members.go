package formats

// appendMembers appends the values of a section as members of objects or as elements. What is absent is left out, and with it every object
// or element that would hold nothing.
func (l *Layout) appendMembers(dst []byte, s *section, rec *Record) ([]byte, error) {
	var open [maxDepth]int
	depth := 0
	for i := range s.columns {
		c := &s.columns[i]
		if c.skips && !rec.Has(c.field) {
			continue
		}
		begin, before := len(dst), open
		shared := 0
		for shared < depth && shared < len(c.chain) && open[shared] == c.chain[shared] {
			shared++
		}
		dst = closeBranches(dst, s, open[shared:depth])
		for n, b := range c.chain[shared:] {
			dst = append(l.comma(dst), s.tree[b].open...)
			open[shared+n] = b
		}
		dst = append(l.comma(dst), c.key...)
		start := len(dst)
		var err error
		if dst, err = l.appendMember(dst, c, rec); err != nil {
			return dst, &ValueError{Field: c.label, Reason: err}
		}
		if len(dst) == start {
			dst, open = dst[:begin], before
			continue
		}
		dst = append(dst, c.close...)
		depth = len(c.chain)
	}
	return closeBranches(dst, s, open[:depth]), nil
}

// comma parts members of JSON.
func (l *Layout) comma(dst []byte) []byte {
	if l.spec.mode == xmlMode || len(dst) == 0 {
		return dst
	}
	if last := dst[len(dst)-1]; last == '{' || last == '[' {
		return dst
	}
	return append(dst, ',')
}

func closeBranches(dst []byte, s *section, open []int) []byte {
	for i := len(open) - 1; i >= 0; i-- {
		dst = append(dst, s.tree[open[i]].close...)
	}
	return dst
}

// appendMember appends one value; nothing for an absent one.
func (l *Layout) appendMember(dst []byte, c *column, rec *Record) ([]byte, error) {
	start := len(dst)
	quoted := l.spec.mode != xmlMode && !c.bare
	if quoted {
		dst = append(dst, '"')
	}
	inner := len(dst)
	plain := false
	if c.constant != nil {
		dst = append(dst, c.constant...)
	} else {
		var err error
		if dst, plain, err = l.appendValue(dst, c, rec); err != nil {
			return dst, err
		}
	}
	switch {
	case len(dst) == inner && c.constant == nil:
		return dst[:start], nil
	case plain && quoted:
		return append(dst, '"'), nil
	case plain:
		return dst, nil
	case l.spec.mode == xmlMode:
		return escapeXML(dst, inner), nil
	case quoted:
		return append(escapeJSON(dst, inner), '"'), nil
	}
	return dst, nil
}

// escapeJSON puts a backslash before each quote and backslash of b[start:].
func escapeJSON(b []byte, start int) []byte {
	for i := start; i < len(b); i++ {
		if b[i] == '"' || b[i] == '\\' {
			b = append(b, 0)
			copy(b[i+1:], b[i:])
			b[i] = '\\'
			i++
		}
	}
	return b
}

var xmlEntities = [...]string{'"': "&quot;", '&': "&amp;", '\'': "&apos;", '<': "&lt;", '>': "&gt;"}

// escapeXML writes the five characters that XML has entities for as those.
func escapeXML(b []byte, start int) []byte {
	for i := start; i < len(b); i++ {
		if c := b[i]; int(c) < len(xmlEntities) && xmlEntities[c] != "" {
			entity := xmlEntities[c]
			n := len(b)
			b = append(b, entity[1:]...)
			copy(b[i+len(entity):], b[i+1:n])
			copy(b[i:], entity)
			i += len(entity) - 1
		}
	}
	return b
}
