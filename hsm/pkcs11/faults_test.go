//go:build pkcs11

package pkcs11

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	p11 "github.com/miekg/pkcs11"

	"platen/card"
	"platen/hsm"
	"platen/hsm/conformance"
)

// faulty is a library whose calls fail as told. It is a mock of faults around the real one.
type faulty struct {
	cryptoki
	calls int
	fails func(call int) error
}

func (f *faulty) next() error {
	f.calls++
	return f.fails(f.calls)
}

func (f *faulty) OpenSession(slot, flags uint) (p11.SessionHandle, error) {
	if err := f.next(); err != nil {
		return 0, err
	}
	return f.cryptoki.OpenSession(slot, flags)
}

func (f *faulty) Login(s p11.SessionHandle, userType uint, pin string) error {
	if err := f.next(); err != nil {
		return err
	}
	return f.cryptoki.Login(s, userType, pin)
}

func (f *faulty) FindObjectsInit(s p11.SessionHandle, template []*p11.Attribute) error {
	if err := f.next(); err != nil {
		return err
	}
	return f.cryptoki.FindObjectsInit(s, template)
}

func (f *faulty) FindObjects(s p11.SessionHandle, most int) ([]p11.ObjectHandle, bool, error) {
	if err := f.next(); err != nil {
		return nil, false, err
	}
	return f.cryptoki.FindObjects(s, most)
}

func (f *faulty) GetAttributeValue(s p11.SessionHandle, o p11.ObjectHandle, a []*p11.Attribute) ([]*p11.Attribute, error) {
	if err := f.next(); err != nil {
		return nil, err
	}
	return f.cryptoki.GetAttributeValue(s, o, a)
}

func (f *faulty) EncryptInit(s p11.SessionHandle, m []*p11.Mechanism, o p11.ObjectHandle) error {
	if err := f.next(); err != nil {
		return err
	}
	return f.cryptoki.EncryptInit(s, m, o)
}

func (f *faulty) Encrypt(s p11.SessionHandle, data []byte) ([]byte, error) {
	if err := f.next(); err != nil {
		return nil, err
	}
	return f.cryptoki.Encrypt(s, data)
}

// open makes a module on the suite's token through f.
func (f *faulty) open(t *testing.T) *Module {
	t.Helper()
	f.cryptoki = p11.New(softHSM.Library)
	tok, err := newToken(f, options(suiteToken))
	if err != nil {
		t.Fatal(err)
	}
	m := newModule(tok, nil)
	t.Cleanup(m.Close)
	return m
}

// work computes codes of three cards and PINs of them, and tells whether they are right when there is no error.
func work(t *testing.T, m *Module) error {
	t.Helper()
	ctx, in := context.Background(), make([]hsm.CodeRequest, 3)
	pans := make([]card.PAN, len(in))
	for i, digits := range []string{"4000000000000002", "4111111111111111", "4242424242424242"} {
		pan, err := card.ParsePAN(digits)
		if err != nil {
			t.Fatal(err)
		}
		pans[i], in[i] = pan, hsm.CodeRequest{PAN: pan, Expiry: card.Expiry{Year: 2030, Month: 1 + i}, ServiceCode: [3]byte{'2', '0', '1'}}
	}
	codes, pins, values := card.NewSecrets(3, 3), make([]hsm.PIN, 3), make([]hsm.PVV, 3)
	if err := m.Codes(ctx, card.KeyRef{Label: conformance.CVK}, in, codes); err != nil {
		return err
	}
	storage := card.KeyRef{Label: conformance.Storage}
	scheme := hsm.IBM3624{DecTable: "3456789012345678", Validation: "1234567890AN", Length: 12}
	if err := m.DerivePINs(ctx, storage, card.KeyRef{Label: conformance.IBMPVK}, scheme, pans, pins); err != nil {
		return err
	}
	if err := m.PVVs(ctx, storage, card.KeyRef{Label: conformance.VisaPVK}, 1, pans, pins, values); err != nil {
		return err
	}
	for i, pan := range pans {
		if string(codes.Reveal(i)) != conformance.Code(t, in[i]) || values[i] != conformance.PVV(t, 1, pan, conformance.Natural(t, scheme, pan)) {
			t.Errorf("card %d has other values", i)
		}
	}
	return nil
}

// Every single call fails once with each code by which tokens and their libraries lose things; the work is done all the same.
func TestWhatTheTokenLosesIsOpenedAgain(t *testing.T) {
	whole := &faulty{fails: func(int) error { return nil }}
	if err := work(t, whole.open(t)); err != nil {
		t.Fatal(err)
	}
	for _, code := range []uint{p11.CKR_SESSION_HANDLE_INVALID, p11.CKR_SESSION_CLOSED, p11.CKR_USER_NOT_LOGGED_IN, p11.CKR_DEVICE_REMOVED, p11.CKR_DEVICE_ERROR,
		p11.CKR_DEVICE_MEMORY, p11.CKR_TOKEN_NOT_PRESENT, p11.CKR_KEY_HANDLE_INVALID, p11.CKR_OBJECT_HANDLE_INVALID, p11.CKR_GENERAL_ERROR} {
		for n := 1; n <= whole.calls; n++ {
			f := &faulty{fails: func(call int) error {
				if call == n {
					return p11.Error(code)
				}
				return nil
			}}
			if err := work(t, f.open(t)); err != nil {
				t.Errorf("call %d fails with %x: %v", n, code, err)
			}
		}
	}
}

func TestATokenThatIsAwayIsToldAndComesBack(t *testing.T) {
	away := true
	f := &faulty{fails: func(int) error {
		if away {
			return p11.Error(p11.CKR_DEVICE_REMOVED)
		}
		return nil
	}}
	m := f.open(t)
	for range 2 {
		if err := work(t, m); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	away = false
	if err := work(t, m); err != nil {
		t.Error(err)
	}
	away = true
	if err := work(t, m); !errors.Is(err, ErrUnavailable) {
		t.Errorf("away again: %v", err)
	}
}

func TestAnErrorOfAKeyIsNotTriedAgain(t *testing.T) {
	f := &faulty{fails: func(call int) error { return nil }}
	m := f.open(t)
	if err := work(t, m); err != nil {
		t.Fatal(err)
	}
	calls := 0
	f.fails = func(int) error { calls++; return p11.Error(p11.CKR_KEY_FUNCTION_NOT_PERMITTED) }
	if err := work(t, m); !errors.Is(err, p11.Error(p11.CKR_KEY_FUNCTION_NOT_PERMITTED)) || errors.Is(err, ErrUnavailable) || calls != 1 {
		t.Errorf("%d calls: %v", calls, err)
	}
}

// SoftHSM2 lists its tokens when it is initialised; one that was gone for a while must be found again by the process that lost it.
func TestATokenThatWasGoneIsFoundAgain(t *testing.T) {
	m := open(t, suiteToken)
	if err := work(t, m); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(filepath.Dir(softHSM.Conf), "tokens")
	if err := os.Rename(home, home+"-away"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := work(t, m); !errors.Is(err, ErrUnavailable) {
			t.Errorf("away: %v", err)
		}
	}
	if err := os.Rename(home+"-away", home); err != nil {
		t.Fatal(err)
	}
	if err := work(t, m); err != nil {
		t.Errorf("back: %v", err)
	}
}
