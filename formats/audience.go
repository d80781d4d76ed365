package formats

import "errors"

// Audience is whom a file is written for. What an audience may see is a property of the field, so no layout can show it more.
type Audience uint8

// The audiences.
const (
	ForBureau        Audience = iota // everything that the layout carries
	ForIssuerMasked                  // no tracks, codes, PIN blocks and chip data; card numbers show six and four digits
	ForIssuerCutdown                 // the same, and no card numbers
)

var audienceNames = [...]string{ForBureau: "bureau", ForIssuerMasked: "issuer-masked", ForIssuerCutdown: "issuer-cutdown"}

// ParseAudience reads an audience by its name.
func ParseAudience(name string) (Audience, bool) {
	for a, n := range audienceNames {
		if n == name {
			return Audience(a), true
		}
	}
	return 0, false
}

// String is the audience's name.
func (a Audience) String() string { return audienceNames[min(int(a), len(audienceNames)-1)] }

// treatment is what an audience gets of a column.
type treatment uint8

const (
	shown   treatment = iota
	masked            // the card number with six and four digits
	left              // nothing
	starred           // as many stars, in a preview
)

// For makes the layout of the same file for an audience. Values that it may not see are left out: blanks in fixed lines, empty columns, no
// element or member, nothing between literals. A value that is put together of parts is left out when one of them would be.
func (l *Layout) For(a Audience) *Layout {
	if a == ForBureau {
		return l
	}
	out := *l
	out.audience = a
	for which, s := range l.sections {
		if s == nil {
			continue
		}
		copied := *s
		copied.columns = make([]column, len(s.columns))
		for i, c := range s.columns {
			c.audience = a.treats(&c)
			c.direct = c.direct && c.audience == shown
			copied.columns[i] = c
		}
		out.sections[which] = &copied
	}
	return &out
}

// Audience is whom the layout writes for.
func (l *Layout) Audience() Audience { return l.audience }

func (a Audience) treats(c *column) treatment {
	switch {
	case c.classes.has(Track), c.classes.has(Code), c.classes.has(PINBlock):
		return left
	case !c.classes.has(PAN):
		return shown
	case a == ForIssuerMasked && c.field == CardPAN:
		return masked
	}
	return left
}

// errNotMasked says that a copy for the issuer shows more of a card number than it may.
var errNotMasked = errors.New("is not masked as the audience sees it")

// errShown says that a copy for the issuer has what the audience may not see.
var errShown = errors.New("stands in a copy for an audience that may not see it")

// isMasked tells whether a card number is masked as maskPAN does, or absent.
func isMasked(v []byte) bool {
	for i, c := range v {
		hidden := i >= 6 && i < len(v)-4
		if hidden != (c == '*') || !hidden && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// maskPAN shows the first six and last four digits of a card number (PCI DSS 3.4.1).
func maskPAN(pan []byte) {
	for i := 6; i < len(pan)-4; i++ {
		pan[i] = '*'
	}
}
