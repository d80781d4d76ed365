package programs

import (
	"slices"
	"strconv"
	"strings"

	"platen/card"
)

// checkTracks checks the pieces of a product's discretionary data: their words, and that the product has what they show.
func (l *loader) checkTracks(p *card.Product, from source) {
	for _, track := range []struct {
		key    string
		pieces []string
	}{{"track1", p.Track1}, {"track2", p.Track2}} {
		if len(track.pieces) == 0 {
			l.at(from, track.key)("%s: is missing", track.key)
		}
		for i, piece := range track.pieces {
			word, argument, _ := strings.Cut(piece, ":")
			switch {
			case !knownPiece(word, argument):
				l.at(from, track.key)("%s: unknown piece %q", track.key, piece)
			case (word == "pvv" || word == "pvki") && p.PIN.Method != card.RandomPIN:
				l.at(from, track.key)("%s: %s needs PINs of the method %s", track.key, word, card.RandomPIN)
			case word == "offset" && p.PIN.Method != card.DerivedPIN:
				l.at(from, track.key)("%s: offset needs PINs of the method %s", track.key, card.DerivedPIN)
			case argument == "" && slices.Contains(track.pieces[:i], piece):
				l.at(from, track.key)("%s: %s stands twice", track.key, piece)
			}
		}
	}
}

// knownPiece tells whether a piece of discretionary data is one that tracks can hold.
func knownPiece(word, argument string) bool {
	switch word {
	case "pvki", "pvv", "cvv", "psn", "offset":
		return argument == ""
	case "const":
		return argument != "" && strings.Trim(argument, "0123456789") == ""
	case "zeros":
		n, err := strconv.Atoi(argument)
		return err == nil && n > 0 && n <= 32
	}
	return false
}
