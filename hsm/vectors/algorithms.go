package vectors

import "strings"

// algorithm is one that entries may name.
type algorithm struct {
	name    string
	about   string // what it computes, for the document
	inputs  string // names of inputs, separated by spaces; a question mark follows optional ones, a bar stands between alternatives
	compute func(in *inputs) (any, error)
}

// algorithms is everything that can be evaluated.
func algorithms() []algorithm {
	var out []algorithm
	for _, group := range [][]algorithm{cardCodes(), pins(), pinBlocks(), keys(), keyBlocks(), macs(), emvCards(), emvCertificates(), personalization(), payShield(), permutations(), transport()} {
		out = append(out, group...)
	}
	return out
}

func byName() map[string]algorithm {
	out := map[string]algorithm{}
	for _, a := range algorithms() {
		out[a.name] = a
	}
	return out
}

// required are the inputs that an algorithm cannot do without; of alternatives none is.
func (a algorithm) required() []string {
	var out []string
	for name := range strings.FieldsSeq(a.inputs) {
		if !strings.HasSuffix(name, "?") && !strings.Contains(name, "|") {
			out = append(out, name)
		}
	}
	return out
}
