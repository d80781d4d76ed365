package programs

import (
	"platen/card"
	"platen/personalization"
)

// checkTracks checks the pieces of a product's discretionary data, and that both tracks hold the numbers of its range.
func (l *loader) checkTracks(p *card.Product, from source) {
	r := l.rangeOf(p)
	if r == nil {
		return // told already
	}
	for _, track := range []struct {
		key    string
		pieces []string
		alone  card.Product
	}{
		{"track1", p.Track1, card.Product{Scheme: p.Scheme, PIN: p.PIN, Track1: p.Track1}},
		{"track2", p.Track2, card.Product{Scheme: p.Scheme, PIN: p.PIN, Track2: p.Track2}},
	} {
		code, codes := "cvv", 0
		if p.HasCSC() {
			code = "csc5"
		}
		for _, piece := range track.pieces {
			if piece == code {
				codes++
			}
		}
		if codes != 1 {
			l.at(from, track.key)("%s: must hold %s, once", track.key, code)
		}
		if err := personalization.CheckTracks(&track.alone, r.Length); err != nil {
			l.at(from, track.key)("%s: %v", track.key, err)
		}
	}
}
