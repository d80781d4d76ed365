package personalization

import (
	"fmt"
	"strconv"
	"strings"

	"platen/card"
)

// Lengths of tracks without sentinels and LRC, and of their parts (ISO/IEC 7813).
const (
	maxTrack1    = 76
	maxTrack2    = 37
	minPANLength = 13
	maxPANLength = 19
	maxNameSize  = 26
	minNameSize  = 2
	dateAndCode  = 7 // YYMM and service code
)

// pieceKind is what a piece of discretionary data holds.
type pieceKind uint8

const (
	fixedPiece pieceKind = iota
	pvkiPiece
	pvvPiece
	codePiece
	psnPiece
	offsetPiece
)

// piece is one part of discretionary data; every piece has a length that the product alone decides.
type piece struct {
	kind pieceKind
	text string // of a fixed piece, and the index of pvki
	size int
}

// discretionary is the discretionary data of a track as a product declares it.
type discretionary struct {
	pieces []piece
	size   int
}

// newDiscretionary compiles the pieces of a product: pvki, pvv, cvv, psn (two digits), offset, const:DIGITS, zeros:N. On the chip's track
// cvv stands for iCVV. American Express products have csc5 in the place of cvv, and zeros for it on the chip's track.
func newDiscretionary(names []string, p *card.Product) (discretionary, error) {
	var d discretionary
	for _, name := range names {
		part, err := newPiece(name, p)
		if err != nil {
			return discretionary{}, fmt.Errorf("piece %q: %w", name, err)
		}
		d.pieces = append(d.pieces, part)
		d.size += part.size
	}
	return d, nil
}

func newPiece(name string, p *card.Product) (piece, error) {
	word, argument, _ := strings.Cut(name, ":")
	switch word {
	case "cvv", "csc5":
		return codePieceOf(word, argument, p)
	case "psn":
		return piece{kind: psnPiece, size: 2}, noArgument(argument)
	case "pvki", "pvv":
		if p.PIN.Method != card.RandomPIN {
			return piece{}, fmt.Errorf("only a product with PIN method %s has it", card.RandomPIN)
		}
		if word == "pvki" {
			return piece{kind: pvkiPiece, text: strconv.Itoa(p.PIN.PVKI), size: 1}, noArgument(argument)
		}
		return piece{kind: pvvPiece, size: 4}, noArgument(argument)
	case "offset":
		if p.PIN.Method != card.DerivedPIN {
			return piece{}, fmt.Errorf("only a product with PIN method %s has it", card.DerivedPIN)
		}
		return piece{kind: offsetPiece, size: p.PIN.Length}, noArgument(argument)
	case "const":
		if argument == "" || strings.Trim(argument, "0123456789") != "" {
			return piece{}, fmt.Errorf("needs digits after the colon")
		}
		return piece{text: argument, size: len(argument)}, nil
	case "zeros":
		n, err := strconv.Atoi(argument)
		if err != nil || n < 1 || n > maxTrack1 {
			return piece{}, fmt.Errorf("needs a count of 1 to %d after the colon", maxTrack1)
		}
		return piece{text: strings.Repeat("0", n), size: n}, nil
	}
	return piece{}, fmt.Errorf("is not one of pvki, pvv, cvv, csc5, psn, offset, const:DIGITS, zeros:N")
}

func codePieceOf(word, argument string, p *card.Product) (piece, error) {
	if p.HasCSC() != (word == "csc5") {
		return piece{}, fmt.Errorf("csc5 is of products of the scheme %s, cvv of all others", card.Amex)
	}
	size := codeSize
	if word == "csc5" {
		size = len(noCSC)
	}
	return piece{kind: codePiece, size: size}, noArgument(argument)
}

func noArgument(argument string) error {
	if argument != "" {
		return fmt.Errorf("takes nothing after a colon")
	}
	return nil
}

// CheckTracks checks a product's pieces of discretionary data and that both tracks fit card numbers of panLength digits with the longest
// name (ISO/IEC 7813: 76 and 37 characters without sentinels and LRC).
func CheckTracks(p *card.Product, panLength int) error {
	for _, track := range [...]struct {
		name          string
		pieces        []string
		before, limit int
	}{
		{"track 1", p.Track1, 1 + panLength + 1 + maxNameSize + 1 + dateAndCode, maxTrack1},
		{"track 2", p.Track2, panLength + 1 + dateAndCode, maxTrack2},
	} {
		d, err := newDiscretionary(track.pieces, p)
		if err != nil {
			return fmt.Errorf("%s: %w", track.name, err)
		}
		if total := track.before + d.size; total > track.limit {
			return fmt.Errorf("%s: %w: %d characters of discretionary data make %d, the most is %d", track.name, ErrTrack, d.size, total, track.limit)
		}
	}
	return nil
}

// values are what the pieces of one card stand for.
type values struct {
	code   []byte
	pvv    []byte
	offset []byte
	psn    card.PSN
}

// append writes the discretionary data of a card. It fails when the card lacks a value of the right length.
func (d *discretionary) append(dst []byte, v *values) ([]byte, error) {
	for i := range d.pieces {
		part := &d.pieces[i]
		start := len(dst)
		switch part.kind {
		case fixedPiece, pvkiPiece:
			dst = append(dst, part.text...)
		case codePiece:
			dst = append(dst, v.code...)
		case pvvPiece:
			dst = append(dst, v.pvv...)
		case offsetPiece:
			dst = append(dst, v.offset...)
		case psnPiece:
			dst = append(dst, '0'+byte(v.psn/10), '0'+byte(v.psn%10))
		}
		if len(dst)-start != part.size {
			return nil, fmt.Errorf("piece %d of discretionary data: the card has no value for it", i+1)
		}
	}
	return dst, nil
}

// match reads discretionary data back: fixed pieces and psn must agree; code, PVV and offset are returned. psn is not looked at when
// checkPSN is false.
func (d *discretionary) match(data []byte, psn card.PSN, checkPSN bool) (v values, ok bool) {
	if len(data) != d.size {
		return values{}, false
	}
	for i := range d.pieces {
		part := &d.pieces[i]
		field := data[:part.size]
		data = data[part.size:]
		if !allDigits(field) {
			return values{}, false
		}
		switch part.kind {
		case fixedPiece, pvkiPiece:
			if string(field) != part.text {
				return values{}, false
			}
		case codePiece:
			v.code = field
		case pvvPiece:
			v.pvv = field
		case offsetPiece:
			v.offset = field
		case psnPiece:
			if checkPSN && (field[0] != '0'+byte(psn/10) || field[1] != '0'+byte(psn%10)) {
				return values{}, false
			}
		}
	}
	return v, true
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
