//go:build pkcs11

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"sync"

	p11 "github.com/miekg/pkcs11"

	"platen/card"
	"platen/hsm/keyblock"
)

// Errors beside those of package hsm.
var (
	// ErrUnavailable says that the token did not answer, even after its sessions were opened again; nothing was made.
	ErrUnavailable = errors.New("PKCS#11: the token does not answer")
	// ErrLibrary says that the library cannot be loaded.
	ErrLibrary = errors.New("PKCS#11: the library cannot be loaded")
	// ErrNoToken says that no slot holds a token of the label.
	ErrNoToken = errors.New("PKCS#11: no slot holds such a token")
	// ErrPIN says that the token refused the user's PIN. It is not tried again by itself: tokens lock.
	ErrPIN = errors.New("PKCS#11: the token refused the user PIN")
	// ErrExposed says that a key in the token could leave it.
	ErrExposed = errors.New("PKCS#11: the key is extractable or not sensitive")
	// ErrTwice says that the token holds two keys of one name.
	ErrTwice = errors.New("PKCS#11: the token holds this key twice")
	// ErrExists says that the token has the key already.
	ErrExists = errors.New("PKCS#11: the token has this key already")
	// ErrCheckValue says that a key in the token is not the one that it should be.
	ErrCheckValue = errors.New("PKCS#11: the key in the token has another check value")
)

// Options are where the token is.
type Options struct {
	Library     string      // path of the PKCS#11 library
	Token       string      // label of the token
	PIN         card.Secret // of the user; kept, for lost sessions log in again
	Sessions    int         // commands at the same time; 4
	Environment string      // test or production: keys of the other one are not seen
}

// cryptoki is the part of the interface that Platen uses. A session runs one operation at a time.
type cryptoki interface {
	Initialize(opts ...p11.InitializeOption) error
	Finalize() error
	GetSlotList(tokenPresent bool) ([]uint, error)
	GetTokenInfo(slot uint) (p11.TokenInfo, error)
	OpenSession(slot, flags uint) (p11.SessionHandle, error)
	CloseSession(s p11.SessionHandle) error
	Login(s p11.SessionHandle, userType uint, pin string) error
	FindObjectsInit(s p11.SessionHandle, template []*p11.Attribute) error
	FindObjects(s p11.SessionHandle, most int) ([]p11.ObjectHandle, bool, error)
	FindObjectsFinal(s p11.SessionHandle) error
	GetAttributeValue(s p11.SessionHandle, o p11.ObjectHandle, a []*p11.Attribute) ([]*p11.Attribute, error)
	EncryptInit(s p11.SessionHandle, m []*p11.Mechanism, o p11.ObjectHandle) error
	Encrypt(s p11.SessionHandle, data []byte) ([]byte, error)
	DecryptInit(s p11.SessionHandle, m []*p11.Mechanism, o p11.ObjectHandle) error
	Decrypt(s p11.SessionHandle, data []byte) ([]byte, error)
	GenerateRandom(s p11.SessionHandle, length int) ([]byte, error)
	GenerateKey(s p11.SessionHandle, m []*p11.Mechanism, template []*p11.Attribute) (p11.ObjectHandle, error)
	GenerateKeyPair(s p11.SessionHandle, m []*p11.Mechanism, public, private []*p11.Attribute) (p11.ObjectHandle, p11.ObjectHandle, error)
	UnwrapKey(s p11.SessionHandle, m []*p11.Mechanism, unwrapping p11.ObjectHandle, wrapped []byte, template []*p11.Attribute) (p11.ObjectHandle, error)
	CopyObject(s p11.SessionHandle, o p11.ObjectHandle, template []*p11.Attribute) (p11.ObjectHandle, error)
	DestroyObject(s p11.SessionHandle, o p11.ObjectHandle) error
}

// token is a token with its user logged in: sessions, and the keys that were found. A fault of the token ends all of it; the next command begins anew.
type token struct {
	options Options
	lib     cryptoki
	slots   chan struct{} // one for each session in use
	calls   sync.RWMutex  // held by whoever calls the library; alone by who initialises it anew

	mu    sync.Mutex
	era   uint64 // counts how often all was lost
	slot  uint
	found bool
	free  []p11.SessionHandle
	keys  keyring
}

const defaultSessions = 4

// load loads the library. It stays loaded as long as the process: PKCS#11 knows one initialisation a process, whoever asks for it.
func load(options Options) (*token, error) {
	lib := p11.New(options.Library)
	if lib == nil {
		return nil, fmt.Errorf("%w: %s", ErrLibrary, options.Library)
	}
	return newToken(lib, options)
}

func newToken(lib cryptoki, options Options) (*token, error) {
	if options.Sessions == 0 {
		options.Sessions = defaultSessions
	}
	if options.Sessions < 1 || options.Sessions > 1024 {
		return nil, errors.New("PKCS#11: sessions must be 1 to 1024")
	}
	if options.Token == "" {
		return nil, errors.New("PKCS#11: the token's label is missing")
	}
	if err := lib.Initialize(); err != nil && !errors.Is(err, p11.Error(p11.CKR_CRYPTOKI_ALREADY_INITIALIZED)) {
		return nil, fmt.Errorf("PKCS#11: initialise %s: %w", options.Library, err)
	}
	return &token{options: options, lib: lib, slots: make(chan struct{}, options.Sessions)}, nil
}

// tries is how often a command is given when sessions are lost in between.
const tries = 3

// do runs a job on a session of its own. A lost session, login or token is opened again, and the job runs once more: it must have no effect that
// may not come twice.
func (t *token) do(ctx context.Context, job func(s p11.SessionHandle) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	var err error
	for range tries {
		if err = t.try(job); !lost(err) {
			return err
		}
		if errors.Is(err, ErrNoToken) || errors.Is(err, p11.Error(p11.CKR_CRYPTOKI_NOT_INITIALIZED)) {
			err = errors.Join(err, t.renew())
		}
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// try runs a job once.
func (t *token) try(job func(s p11.SessionHandle) error) error {
	t.calls.RLock()
	defer t.calls.RUnlock()
	s, era, err := t.borrow()
	if err != nil {
		return err
	}
	if err := job(s); err != nil {
		t.end(s, era, lost(err))
		return err
	}
	t.give(s, era)
	return nil
}

// renew initialises the library anew: some list their tokens only then, and would never see one again that was gone for a while. All sessions of the
// process end with it.
func (t *token) renew() error {
	t.calls.Lock()
	defer t.calls.Unlock()
	t.close()
	_ = t.lib.Finalize() // it may not be initialised
	if err := t.lib.Initialize(); err != nil && !errors.Is(err, p11.Error(p11.CKR_CRYPTOKI_ALREADY_INITIALIZED)) {
		return fmt.Errorf("initialise the library anew: %w", err)
	}
	return nil
}

// lost tells whether an error means that sessions, login, handles or the token itself are gone.
func lost(err error) bool {
	var code p11.Error
	if !errors.As(err, &code) {
		return errors.Is(err, ErrNoToken)
	}
	switch uint(code) {
	case p11.CKR_SESSION_HANDLE_INVALID, p11.CKR_SESSION_CLOSED, p11.CKR_SESSION_COUNT, p11.CKR_USER_NOT_LOGGED_IN, p11.CKR_OBJECT_HANDLE_INVALID,
		p11.CKR_KEY_HANDLE_INVALID, p11.CKR_DEVICE_ERROR, p11.CKR_DEVICE_MEMORY, p11.CKR_DEVICE_REMOVED, p11.CKR_TOKEN_NOT_PRESENT,
		p11.CKR_TOKEN_NOT_RECOGNIZED, p11.CKR_SLOT_ID_INVALID, p11.CKR_GENERAL_ERROR, p11.CKR_FUNCTION_FAILED, p11.CKR_HOST_MEMORY,
		p11.CKR_OPERATION_ACTIVE, p11.CKR_OPERATION_NOT_INITIALIZED, p11.CKR_FUNCTION_CANCELED, p11.CKR_CRYPTOKI_NOT_INITIALIZED:
		return true
	}
	return false
}

// borrow takes a free session or opens one.
func (t *token) borrow() (p11.SessionHandle, uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.free); n > 0 {
		s := t.free[n-1]
		t.free = t.free[:n-1]
		return s, t.era, nil
	}
	if !t.found {
		slot, err := findToken(t.lib, t.options.Token)
		if err != nil {
			return 0, t.era, err
		}
		t.slot, t.found = slot, true
	}
	s, err := t.lib.OpenSession(t.slot, p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
	if err != nil {
		t.found = false
		return 0, t.era, fmt.Errorf("open a session: %w", err)
	}
	err = t.lib.Login(s, p11.CKU_USER, string(t.options.PIN.Reveal()))
	if err == nil || errors.Is(err, p11.Error(p11.CKR_USER_ALREADY_LOGGED_IN)) {
		return s, t.era, nil
	}
	_ = t.lib.CloseSession(s) // the login's error is the one to tell
	for _, refused := range []uint{p11.CKR_PIN_INCORRECT, p11.CKR_PIN_LOCKED, p11.CKR_PIN_EXPIRED, p11.CKR_PIN_LEN_RANGE, p11.CKR_PIN_INVALID, p11.CKR_USER_PIN_NOT_INITIALIZED} {
		if errors.Is(err, p11.Error(refused)) {
			return 0, t.era, fmt.Errorf("%w: %w", ErrPIN, err)
		}
	}
	return 0, t.era, fmt.Errorf("log in: %w", err)
}

func findToken(lib cryptoki, label string) (uint, error) {
	slots, err := lib.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("list slots: %w", err)
	}
	for _, slot := range slots {
		if info, err := lib.GetTokenInfo(slot); err == nil && info.Label == label {
			return slot, nil
		}
	}
	return 0, fmt.Errorf("%w: %q", ErrNoToken, label)
}

// give keeps a session for the next command.
func (t *token) give(s p11.SessionHandle, era uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if era == t.era {
		t.free = append(t.free, s)
		return
	}
	_ = t.lib.CloseSession(s) // of a time that is over
}

// end closes a session after a failure; when all is lost, all others too.
func (t *token) end(s p11.SessionHandle, era uint64, all bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.lib.CloseSession(s) // it failed already
	if all && era == t.era {
		t.forget()
	}
}

// forget drops everything that was learned from the token.
func (t *token) forget() {
	for _, s := range t.free {
		_ = t.lib.CloseSession(s) // lost or no longer needed
	}
	t.free, t.found, t.keys = nil, false, nil
	t.era++
}

// close ends the free sessions; those in use end with their commands.
func (t *token) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget()
}

// mechanism is electronic codebook of a key's cipher: the card algorithms chain blocks in ways of their own.
func mechanism(alg keyblock.Algorithm) []*p11.Mechanism {
	if alg == keyblock.AES {
		return []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_ECB, nil)}
	}
	return []*p11.Mechanism{p11.NewMechanism(p11.CKM_DES3_ECB, nil)}
}

// errShort says that a token returned less or more than it was given.
var errShort = errors.New("PKCS#11: the token answered with another number of bytes")

// encrypt enciphers whole blocks under the part of a key.
func (t *token) encrypt(ctx context.Context, id partID, data []byte) ([]byte, error) {
	return t.cipher(ctx, id, data, t.lib.EncryptInit, t.lib.Encrypt)
}

// decrypt inverts encrypt.
func (t *token) decrypt(ctx context.Context, id partID, data []byte) ([]byte, error) {
	return t.cipher(ctx, id, data, t.lib.DecryptInit, t.lib.Decrypt)
}

func (t *token) cipher(ctx context.Context, id partID, data []byte, begin func(p11.SessionHandle, []*p11.Mechanism, p11.ObjectHandle) error,
	run func(p11.SessionHandle, []byte) ([]byte, error)) (out []byte, err error) {
	if len(data) == 0 {
		return nil, ctx.Err()
	}
	err = t.do(ctx, func(s p11.SessionHandle) error {
		handle, alg, err := t.handle(s, id)
		if err != nil {
			return err
		}
		if err := begin(s, mechanism(alg), handle); err != nil {
			return fmt.Errorf("begin with key %s: %w", id, err)
		}
		if out, err = run(s, data); err != nil {
			return fmt.Errorf("with key %s: %w", id, err)
		}
		if len(out) != len(data) {
			return errShort
		}
		return nil
	})
	return out, err
}
