package dynamic

import (
	"crypto/subtle"
	"fmt"
	"slices"
	"time"

	"platen/hsm"
	"platen/hsm/cvv"
	"platen/hsm/tdes"
)

// Windows is an issuer's own dynamic CVV2: the printed value's routine with a service code that changes with each window of time. It is no
// scheme's service, and any security module can compute it. Nothing of it is stored but these settings.
type Windows struct {
	Length time.Duration // whole minutes, at least one
	First  int           // least service code of a window, at least 1
	Count  int           // how many service codes there are from First on, the reserved ones among them; values repeat after them
	Grace  int           // windows before and after the current one whose value is still taken
	// Reserved are service codes that mean something else: those of the product's cards. 000 and 999 always are.
	Reserved []string
}

// Check refuses settings that cannot work.
func (w Windows) Check() error {
	switch {
	case w.Length < time.Minute || w.Length%time.Minute != 0:
		return &hsm.InputError{Field: "window length", Reason: "must be whole minutes"}
	case w.First < 1 || w.Count < 1 || w.First+w.Count > 1000:
		return &hsm.InputError{Field: "window service codes", Reason: "must lie within 001 to 999"}
	case len(w.codes()) < 2*w.Grace+2 || w.Grace < 0:
		return &hsm.InputError{Field: "window service codes", Reason: "must be more than the windows that are taken at one time"}
	}
	return nil
}

// codes are the service codes of windows, in order.
func (w Windows) codes() []string {
	var out []string
	for n := w.First; n < w.First+w.Count; n++ {
		code := fmt.Sprintf("%03d", n)
		if code != cvv.CVV2 && code != cvv.ICVV && !slices.Contains(w.Reserved, code) {
			out = append(out, code)
		}
	}
	return out
}

// Index numbers the window that a moment lies in, counted from the first of January 1970 UTC.
func (w Windows) Index(at time.Time) int64 {
	seconds := int64(w.Length / time.Second)
	index := at.Unix() / seconds
	if at.Unix()%seconds < 0 {
		index--
	}
	return index
}

// ServiceCode is what stands for the service code in a window.
func (w Windows) ServiceCode(index int64) (string, error) {
	if err := w.Check(); err != nil {
		return "", err
	}
	codes := w.codes()
	n := int64(len(codes))
	return codes[(index%n+n)%n], nil
}

// Value computes the value of a card in a window. The expiry is in the order of the product's CVV2.
func (w Windows) Value(k *tdes.Key, pan, expiry string, index int64) (string, error) {
	service, err := w.ServiceCode(index)
	if err != nil {
		return "", err
	}
	return cvv.Compute(k, pan, expiry, service)
}

// Verify tells whether a value is that of the window at a moment, or of one within the grace. It looks at all of them whatever it finds.
func (w Windows) Verify(k *tdes.Key, pan, expiry, value string, at time.Time) (bool, error) {
	found, now := 0, w.Index(at)
	for index := now - int64(w.Grace); index <= now+int64(w.Grace); index++ {
		want, err := w.Value(k, pan, expiry, index)
		if err != nil {
			return false, err
		}
		found |= subtle.ConstantTimeCompare([]byte(want), []byte(value))
	}
	return found == 1, nil
}
