package signature

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/dunglas/httpsfv"
)

// Errors of a signature. They tell a client what to do, and nothing about keys.
var (
	ErrNone     = errors.New("the request is not signed")
	ErrForm     = errors.New("the headers Signature and Signature-Input cannot be read")
	ErrUnknown  = errors.New("no signature is by a key that is known here")
	ErrMismatch = errors.New("the signature does not fit the request")
	ErrTime     = errors.New("the signature is too old, from the future, or expired")
	ErrCoverage = errors.New("the signature does not cover what it must")
)

// Window is how old a signature may be, and Skew how far a client's clock may be ahead.
const (
	Window = 5 * time.Minute
	Skew   = time.Minute
)

// maxSignatures is how many signatures of one request are looked at.
const maxSignatures = 4

// Policy is what a server asks of signatures.
type Policy struct {
	Public string // scheme and host as clients see them, such as https://cards.example; empty = as the request came
	Now    time.Time
	Lookup func(ctx context.Context, keyID string) (Key, error) // an error that wraps ErrUnknown goes on to the next signature
}

// Signed is what a verified signature says.
type Signed struct {
	KeyID   string
	Nonce   string // empty = none
	Created time.Time
	covered []string
}

// Covers tells whether the signature binds a component.
func (s Signed) Covers(name string) bool { return slices.Contains(s.covered, name) }

// Verify finds the first signature by a known key and verifies it: method and target must be covered, and Content-Digest when there is a body,
// so that a signature cannot be moved to another request. The body itself is held against its digest by Body.
func Verify(r *http.Request, p Policy) (Signed, error) {
	inputs, signatures, err := parse(r)
	if err != nil {
		return Signed{}, err
	}
	names := inputs.Names()
	for _, label := range names[:min(len(names), maxSignatures)] {
		s, err := verifyOne(r, p, inputs, signatures, label)
		if errors.Is(err, ErrUnknown) {
			continue
		}
		return s, err
	}
	return Signed{}, ErrUnknown
}

func parse(r *http.Request) (inputs, signatures *httpsfv.Dictionary, err error) {
	if len(r.Header.Values("Signature")) == 0 || len(r.Header.Values("Signature-Input")) == 0 {
		return nil, nil, ErrNone
	}
	if inputs, err = httpsfv.UnmarshalDictionary(r.Header.Values("Signature-Input")); err != nil {
		return nil, nil, ErrForm
	}
	if signatures, err = httpsfv.UnmarshalDictionary(r.Header.Values("Signature")); err != nil {
		return nil, nil, ErrForm
	}
	return inputs, signatures, nil
}

func verifyOne(r *http.Request, p Policy, inputs, signatures *httpsfv.Dictionary, label string) (Signed, error) {
	member, _ := inputs.Get(label)
	covered, ok := member.(httpsfv.InnerList)
	if !ok || covered.Params == nil {
		return Signed{}, ErrForm
	}
	member, _ = signatures.Get(label)
	item, ok := member.(httpsfv.Item)
	if !ok {
		return Signed{}, ErrForm
	}
	sig, ok := item.Value.([]byte)
	if !ok {
		return Signed{}, ErrForm
	}
	s, alg, expires, err := parameters(covered)
	if err != nil {
		return s, err
	}
	key, err := p.Lookup(r.Context(), s.KeyID)
	if err != nil {
		return s, fmt.Errorf("key of a signature: %w", err)
	}
	if alg != "" && Algorithm(alg) != key.algorithm {
		return s, ErrMismatch
	}
	message, err := base(r, p.Public, covered)
	if err != nil {
		return s, err
	}
	if !key.verify(message, sig) {
		return s, ErrMismatch
	}
	if err := s.checkTime(p.Now, expires); err != nil {
		return s, err
	}
	return s, s.checkCoverage(r)
}

// parameters reads the signature's parameters (section 2.3). A type other than theirs is refused.
func parameters(covered httpsfv.InnerList) (s Signed, alg string, expires time.Time, err error) {
	for _, name := range covered.Params.Names() {
		v, _ := covered.Params.Get(name)
		text, isText := v.(string)
		number, isNumber := v.(int64)
		switch name {
		case "keyid":
			s.KeyID, err = text, formUnless(isText)
		case "alg":
			alg, err = text, formUnless(isText)
		case "nonce":
			s.Nonce, err = text, formUnless(isText)
		case "tag":
			err = formUnless(isText)
		case "created":
			s.Created, err = time.Unix(number, 0), formUnless(isNumber)
		case "expires":
			expires, err = time.Unix(number, 0), formUnless(isNumber)
		default:
			err = ErrForm
		}
		if err != nil {
			return s, alg, expires, err
		}
	}
	for _, item := range covered.Items {
		if name, ok := item.Value.(string); ok && (item.Params == nil || len(item.Params.Names()) == 0) {
			s.covered = append(s.covered, name)
		}
	}
	return s, alg, expires, nil
}

func formUnless(ok bool) error {
	if ok {
		return nil
	}
	return ErrForm
}

func (s Signed) checkTime(now, expires time.Time) error {
	switch {
	case s.Created.IsZero(), now.Sub(s.Created) > Window, s.Created.Sub(now) > Skew, !expires.IsZero() && !now.Before(expires):
		return ErrTime
	}
	return nil
}

func (s Signed) checkCoverage(r *http.Request) error {
	target := s.Covers("@target-uri") || s.Covers("@authority") && (s.Covers("@request-target") || s.Covers("@path") && s.Covers("@query"))
	if !target || !s.Covers("@method") || r.ContentLength != 0 && !s.Covers("content-digest") {
		return ErrCoverage
	}
	return nil
}
