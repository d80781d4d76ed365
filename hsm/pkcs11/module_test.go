//go:build pkcs11

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	p11 "github.com/miekg/pkcs11"

	"platen/card"
	"platen/hsm"
	"platen/hsm/conformance"
	"platen/hsm/keyblock"
	"platen/testbed"
)

// Tokens of the tests: one holds the keys of the suite, the others begin empty.
const (
	suiteToken  = "suite"
	importToken = "import"
	kbpkToken   = "kbpk"
)

var softHSM testbed.SoftHSM

func TestMain(m *testing.M) { os.Exit(withTokens(m)) }

// withTokens runs the tests with tokens that are gone afterwards.
func withTokens(m *testing.M) int {
	dir, err := os.MkdirTemp("", "platen-softhsm-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		softHSM, err = testbed.NewSoftHSM(dir, suiteToken, importToken, kbpkToken)
	}
	if err == nil {
		err = os.Setenv("SOFTHSM2_CONF", softHSM.Conf)
	}
	if err == nil {
		err = fillSuite()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func options(label string) Options {
	return Options{Library: softHSM.Library, Token: label, PIN: card.NewSecret([]byte(softHSM.PIN)), Environment: "test"}
}

func suiteKey(k conformance.Key) Key {
	return Key{Label: k.Label, Version: 1, Usage: k.Usage, Algorithm: k.Algorithm}
}

// fillSuite leaves its module open: so the user stays logged in, which is slow on purpose.
func fillSuite() error {
	m, err := New(options(suiteToken), nil)
	if err != nil {
		return err
	}
	for _, k := range conformance.Keys() {
		if err := m.Import(context.Background(), suiteKey(k), conformance.Material(k.Label), ""); err != nil {
			return err
		}
	}
	return nil
}

func open(t testing.TB, label string) *Module {
	t.Helper()
	m, err := New(options(label), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func TestTheTokenConforms(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Bench {
		m := open(t, suiteToken)
		b := conformance.Bench{Module: m, Ways: []conformance.Way{{Name: "read", Ask: m.asks(reads)}, {Name: "wrap", Ask: m.asks(wraps)}}}
		for _, k := range conformance.Keys() {
			b.Labels = append(b.Labels, k.Label)
		}
		return b
	})
}

// asks is a way out by which each object of a key is tried; the error is that of the one that holds out least.
func (m *Module) asks(try func(lib *p11.Ctx, s p11.SessionHandle, h p11.ObjectHandle) error) func(label card.KeyLabel) error {
	return func(label card.KeyLabel) (held error) {
		err := m.token.do(context.Background(), func(s p11.SessionHandle) error {
			ring, err := m.token.ring(s, true)
			if err != nil || ring[label] == nil {
				return errors.Join(err, hsm.ErrUnknownKey)
			}
			lib, ok := m.token.lib.(*p11.Ctx)
			for _, h := range ring[label][1].parts {
				if held = try(lib, s, h); held == nil || !ok {
					return nil
				}
			}
			return nil
		})
		if err != nil {
			return nil // nothing was tried
		}
		return held
	}
}

// The token itself must hold to what the module promises of its keys.
func TestKeysInTheTokenCannotLeaveOrServeOtherwise(t *testing.T) {
	m := open(t, suiteToken)
	lib, ok := m.token.lib.(*p11.Ctx)
	if !ok {
		t.Fatal("another library")
	}
	err := m.token.do(context.Background(), func(s p11.SessionHandle) error {
		ring, err := m.token.ring(s, true)
		if err != nil {
			return err
		}
		for label, versions := range ring {
			for left, h := range versions[1].parts {
				for name, err := range map[string]error{"read": reads(lib, s, h), "wrap": wraps(lib, s, h), "change": changes(lib, s, h)} {
					if err == nil {
						t.Errorf("%s (left %v): the token lets one %s it", label, left, name)
					}
				}
				may := versions[1].usage == keyblock.ZPK || versions[1].usage == keyblock.ZEK || versions[1].usage == keyblock.PINStorage
				if err := lib.DecryptInit(s, mechanism(versions[1].algorithm), h); (err == nil) != may {
					t.Errorf("%s (left %v): decipher: %v", label, left, err)
				} else if err == nil {
					if _, err := lib.Decrypt(s, make([]byte, 16)); err != nil {
						t.Error(err)
					}
				}
			}
		}
		if len(ring) != len(conformance.Keys()) || len(ring[conformance.CVK][1].parts) != 2 {
			t.Errorf("%d keys, %d parts of the CVK", len(ring), len(ring[conformance.CVK][1].parts))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func reads(lib *p11.Ctx, s p11.SessionHandle, h p11.ObjectHandle) error {
	_, err := lib.GetAttributeValue(s, h, []*p11.Attribute{p11.NewAttribute(p11.CKA_VALUE, nil)})
	return err
}

func wraps(lib *p11.Ctx, s p11.SessionHandle, h p11.ObjectHandle) error {
	wrapping, err := lib.GenerateKey(s, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_KEY_GEN, nil)}, []*p11.Attribute{
		p11.NewAttribute(p11.CKA_TOKEN, false), p11.NewAttribute(p11.CKA_VALUE_LEN, 32), p11.NewAttribute(p11.CKA_WRAP, true)})
	if err != nil {
		return nil //nolint:nilerr // without a wrapping key nothing is proved, and nil is the failure here
	}
	_, err = lib.WrapKey(s, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_KEY_WRAP, nil)}, wrapping, h)
	return err
}

func changes(lib *p11.Ctx, s p11.SessionHandle, h p11.ObjectHandle) error {
	return lib.SetAttributeValue(s, h, []*p11.Attribute{p11.NewAttribute(p11.CKA_ID, []byte("platen/test/P0/1"))})
}

func TestAKeyComesInOnceAndIsProved(t *testing.T) {
	ctx, m := context.Background(), open(t, importToken)
	k := Key{Label: "pvk", Version: 1, Usage: keyblock.VisaPVK, Algorithm: keyblock.TDES}
	if err := m.Import(ctx, k, conformance.Material(conformance.VisaPVK), "000000"); !errors.Is(err, ErrCheckValue) {
		t.Errorf("another check value: %v", err)
	}
	if _, _, err := m.KeyVersion(ctx, card.KeyRef{Label: "pvk"}); !errors.Is(err, hsm.ErrUnknownKey) {
		t.Errorf("the key stayed: %v", err)
	}
	_, kcv, err := open(t, suiteToken).KeyVersion(ctx, card.KeyRef{Label: conformance.VisaPVK})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Import(ctx, k, conformance.Material(conformance.VisaPVK), kcv); err != nil {
		t.Fatal(err)
	}
	if err := m.Import(ctx, k, conformance.Material(conformance.VisaPVK), kcv); !errors.Is(err, ErrExists) {
		t.Errorf("a second time: %v", err)
	}
	// A module that is open already finds the next version as the current one, and the old one by its number.
	k.Version = 2
	if err := open(t, importToken).Import(ctx, k, conformance.Material(conformance.IBMPVK), ""); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[int]int{0: 2, 1: 1} {
		if got, _, err := m.KeyVersion(ctx, card.KeyRef{Label: "pvk", Version: version}); err != nil || got != want {
			t.Errorf("version %d: %d, %v", version, got, err)
		}
	}
	k.Version = 0
	if err := m.Import(ctx, k, conformance.Material(conformance.IBMPVK), ""); err == nil {
		t.Error("version 0 was taken")
	}
}

func TestAStorageKeyIsMadeInTheToken(t *testing.T) {
	ctx, m := context.Background(), open(t, importToken)
	k := Key{Label: "made.here", Version: 1, Usage: keyblock.PINStorage, Algorithm: keyblock.AES}
	if err := m.Generate(ctx, k); err != nil {
		t.Fatal(err)
	}
	if err := m.Generate(ctx, k); !errors.Is(err, ErrExists) {
		t.Errorf("a second time: %v", err)
	}
	if err := m.Generate(ctx, Key{Label: "zpk", Version: 1, Usage: keyblock.ZPK, Algorithm: keyblock.TDES}); err == nil {
		t.Error("a key that others must have was made where it cannot leave")
	}
	if _, kcv, err := m.KeyVersion(ctx, k.ref()); err != nil || len(kcv) != 6 {
		t.Errorf("check value %q, %v", kcv, err)
	}
}

func TestKeysOfTheOtherEnvironmentAreNotSeen(t *testing.T) {
	o := options(suiteToken)
	o.Environment = "production"
	m, err := New(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	if _, _, err := m.KeyVersion(context.Background(), card.KeyRef{Label: conformance.CVK}); !errors.Is(err, hsm.ErrUnknownKey) {
		t.Errorf("got %v", err)
	}
}

func TestAKeyThatCouldLeaveIsRefused(t *testing.T) {
	ctx, m := context.Background(), open(t, importToken)
	k := Key{Label: "loose", Version: 1, Usage: keyblock.PINStorage, Algorithm: keyblock.AES}
	err := m.token.do(ctx, func(s p11.SessionHandle) error {
		said := k.template("test", false)
		template := append(said[3:5:5], said[0], said[1], p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_EXTRACTABLE, true), p11.NewAttribute(p11.CKA_SENSITIVE, true),
			p11.NewAttribute(p11.CKA_ENCRYPT, true), p11.NewAttribute(p11.CKA_DECRYPT, true), p11.NewAttribute(p11.CKA_VALUE_LEN, 32))
		_, err := m.token.lib.GenerateKey(s, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_KEY_GEN, nil)}, template)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.KeyVersion(ctx, k.ref()); !errors.Is(err, ErrExposed) {
		t.Errorf("got %v", err)
	}
}

func TestATokenThatIsNotThereOrLockedIsToldApart(t *testing.T) {
	o := options("none")
	m, err := New(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Ready(context.Background()); !errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrNoToken) {
		t.Errorf("no token: %v", err)
	}
	o = options(kbpkToken)
	o.PIN = card.NewSecret([]byte("0000"))
	if m, err = New(o, nil); err != nil {
		t.Fatal(err)
	}
	if err := m.Ready(context.Background()); !errors.Is(err, ErrPIN) || errors.Is(err, ErrUnavailable) {
		t.Errorf("another PIN: %v", err)
	}
	o.Library = "no-such-library.so"
	if _, err := New(o, nil); !errors.Is(err, ErrLibrary) {
		t.Errorf("no library: %v", err)
	}
}
