package payshield_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"platen/card"
	"platen/hsm"
	"platen/hsm/conformance"
	"platen/hsm/keyblock"
	"platen/hsm/payshield"
	"platen/hsm/payshield/mock"
)

func testPAN(t testing.TB, digits string) card.PAN {
	t.Helper()
	pan, err := card.ParsePAN(digits)
	if err != nil {
		t.Fatal(err)
	}
	return pan
}

// oneCode asks for one card verification value and tells whether it is right.
func oneCode(ctx context.Context, t testing.TB, m *payshield.Module) error {
	t.Helper()
	in := []hsm.CodeRequest{{PAN: testPAN(t, "4000000000000002"), Expiry: card.Expiry{Year: 2030, Month: 1}, ServiceCode: [3]byte{'2', '0', '1'}}}
	out := card.NewSecrets(1, 3)
	err := m.Codes(ctx, card.KeyRef{Label: conformance.CVK}, in, out)
	if err == nil && string(out.Reveal(0)) != conformance.Code(t, in[0]) {
		t.Error("the code is another")
	}
	return err
}

// Each misbehaviour in turn spoils the first answer; the command is sent again, on another connection than the spoiled one.
func TestAConnectionThatMisbehavedIsNotUsedAgain(t *testing.T) {
	for _, b := range mock.Misbehaviours() {
		server := mock.Start(t, mock.Options{LateBy: time.Hour, Behave: func(n uint64) mock.Behaviour {
			if n == 1 {
				return b
			}
			return mock.Honest
		}})
		m := newModule(t, payshield.Options{Connections: 1, Timeout: 300 * time.Millisecond}, server)
		for range 3 {
			if err := oneCode(context.Background(), t, m); err != nil {
				t.Fatalf("behaviour %d: %v", b, err)
			}
		}
		if b != mock.Doubled && server.Connections() < 2 {
			t.Errorf("behaviour %d: %d connections, want another than the spoiled one", b, server.Connections())
		}
	}
}

func TestALostDrawIsDrawnAnew(t *testing.T) {
	server := mock.Start(t, mock.Options{Behave: func(n uint64) mock.Behaviour {
		if n == 1 {
			return mock.HungUp
		}
		return mock.Honest
	}})
	m := newModule(t, payshield.Options{}, server)
	pins := make([]hsm.PIN, 1)
	err := m.GeneratePINs(context.Background(), card.KeyRef{Label: conformance.Storage}, 4, []card.PAN{testPAN(t, "4000000000000002")}, []uint64{1}, pins)
	if err != nil || pins[0].IsZero() || server.Commands() != 2 {
		t.Errorf("%v after %d commands", err, server.Commands())
	}
}

func TestAModuleThatIsAwayIsSaidToBeAndComesBackByItself(t *testing.T) {
	var away atomic.Bool
	away.Store(true)
	server := mock.Start(t, mock.Options{Behave: func(uint64) mock.Behaviour {
		if away.Load() {
			return mock.HungUp
		}
		return mock.Honest
	}})
	m := newModule(t, payshield.Options{Attempts: 2}, server)
	if err := oneCode(context.Background(), t, m); !errors.Is(err, payshield.ErrUnavailable) {
		t.Errorf("away: %v", err)
	}
	if err := m.Ready(context.Background()); !errors.Is(err, payshield.ErrUnavailable) {
		t.Errorf("away: %v", err)
	}
	away.Store(false)
	if err := oneCode(context.Background(), t, m); err != nil {
		t.Errorf("back: %v", err)
	}
	m.Close()
	if err := oneCode(context.Background(), t, m); err == nil {
		t.Error("a closed module works")
	}
}

func TestADeadAddressIsLeftForTheNext(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.Close()
	m := newModule(t, payshield.Options{Addresses: []string{dead.Addr().String()}}, mock.Start(t, mock.Options{}))
	if err := oneCode(context.Background(), t, m); err != nil {
		t.Error(err)
	}
	m = newModule(t, payshield.Options{Addresses: []string{dead.Addr().String()}, Attempts: 2})
	if err := m.Ready(context.Background()); !errors.Is(err, payshield.ErrUnavailable) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestACallerMayLeaveWhileTheModuleIsSilent(t *testing.T) {
	asked := make(chan struct{}, 1)
	server := mock.Start(t, mock.Options{Behave: func(uint64) mock.Behaviour {
		asked <- struct{}{}
		return mock.Silent
	}})
	m := newModule(t, payshield.Options{}, server)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-asked
		cancel()
	}()
	if err := oneCode(ctx, t, m); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestRefusalsAreTypedAndNotTriedAgain(t *testing.T) {
	for code, wantPIN := range map[string]bool{"10": false, "14": true, "15": false, "17": false, "20": true, "24": true, "68": false, "77": false} {
		server := mock.Start(t, mock.Options{Refuse: map[string]string{"CW": code}})
		err := oneCode(context.Background(), t, newModule(t, payshield.Options{}, server))
		var refusal *payshield.Refusal
		if !errors.As(err, &refusal) || refusal.Code != code || refusal.Command != "CW" || errors.Is(err, hsm.ErrPINBlock) != wantPIN {
			t.Errorf("code %s: %v", code, err)
		}
		if server.Commands() != 1 {
			t.Errorf("code %s: sent %d times", code, server.Commands())
		}
	}
}

func TestExcludedPINsAreDrawnAgainAndNotForEver(t *testing.T) {
	server := mock.Start(t, mock.Options{Refuse: map[string]string{"JA": "86"}})
	m := newModule(t, payshield.Options{}, server)
	err := m.GeneratePINs(context.Background(), card.KeyRef{Label: conformance.Storage}, 4, []card.PAN{testPAN(t, "4000000000000002")}, []uint64{1}, make([]hsm.PIN, 1))
	if err == nil || server.Commands() < 2 || server.Commands() > 100 {
		t.Errorf("%v after %d commands", err, server.Commands())
	}
}

func TestWithoutATransferKeyNoPINChangesItsAccount(t *testing.T) {
	m := newModule(t, payshield.Options{}, mock.Start(t, mock.Options{}))
	ctx, storage := context.Background(), card.KeyRef{Label: conformance.Storage}
	pans, others := []card.PAN{testPAN(t, "4000000000000002")}, []card.PAN{testPAN(t, "4111111111111111")}
	pins := make([]hsm.PIN, 1)
	if err := m.GeneratePINs(ctx, storage, 4, pans, []uint64{1}, pins); err != nil {
		t.Fatal(err)
	}
	if err := m.TransferPINs(ctx, storage, pans, pins, others, make([]hsm.PIN, 1)); !errors.Is(err, payshield.ErrNoTransfer) {
		t.Errorf("transfer: %v", err)
	}
	zpk := card.KeyRef{Label: conformance.ZPK}
	if err := m.ExportPINs(ctx, storage, zpk, hsm.ISO0, pans, pins, others, card.NewSecrets(1, 8)); !errors.Is(err, payshield.ErrNoTransfer) {
		t.Errorf("export to a mailer: %v", err)
	}
	if err := m.ExportPINs(ctx, storage, zpk, hsm.ISO0, pans, pins, pans, card.NewSecrets(1, 8)); err != nil {
		t.Errorf("export to the card file: %v", err)
	}
	if err := m.ExportPINs(ctx, storage, zpk, hsm.ISO4, pans, pins, pans, card.NewSecrets(1, 16)); !errors.Is(err, payshield.ErrFormat) {
		t.Errorf("format 4: %v", err)
	}
}

func TestTheTransferKeySealsNothingThatLeaves(t *testing.T) {
	m := newModule(t, payshield.Options{Transfer: transferKey}, mock.Start(t, mock.Options{}))
	err := m.CheckBlocks(context.Background(), card.KeyRef{Label: transferKey}, hsm.ISO0, nil, card.NewSecrets(0, 8), 4)
	if !errors.Is(err, hsm.ErrKeyUsage) {
		t.Errorf("got %v", err)
	}
}

func TestACheckValueThatIsAnotherIsRefused(t *testing.T) {
	keys := testKeys(t)
	for i := range keys {
		keys[i].CheckValue = "ABCDEF"
	}
	m := newModule(t, payshield.Options{Keys: keys}, mock.Start(t, mock.Options{}))
	for _, k := range keys {
		if _, _, err := m.KeyVersion(context.Background(), card.KeyRef{Label: k.Label}); !errors.Is(err, payshield.ErrCheckValue) {
			t.Errorf("%s: %v", k.Label, err)
		}
	}
}

func TestTheCurrentKeyIsTheHighestVersion(t *testing.T) {
	keys := testKeys(t)
	next := keys[len(keys)-1]
	next.Version = 2
	m := newModule(t, payshield.Options{Keys: append([]payshield.Key{next}, keys...)}, mock.Start(t, mock.Options{}))
	if version, _, err := m.KeyVersion(context.Background(), card.KeyRef{Label: next.Label}); err != nil || version != 2 {
		t.Errorf("version %d, %v", version, err)
	}
	if version, _, err := m.KeyVersion(context.Background(), card.KeyRef{Label: next.Label, Version: 1}); err != nil || version != 1 {
		t.Errorf("pinned version %d, %v", version, err)
	}
}

func TestConfigurationsThatCannotBeAreRefused(t *testing.T) {
	good := payshield.Key{Label: "cvk", Usage: keyblock.CVK, Value: "U9B4934384B19946B040CD702B4D58145"}
	change := func(edit func(k *payshield.Key)) []payshield.Key {
		k := good
		edit(&k)
		return []payshield.Key{k}
	}
	at := []string{"127.0.0.1:1500"}
	for name, o := range map[string]payshield.Options{
		"no address":           {},
		"connections":          {Addresses: at, Connections: 65},
		"in flight":            {Addresses: at, InFlight: -1},
		"header":               {Addresses: at, Header: 2},
		"LMK":                  {Addresses: at, LMK: "1"},
		"PIN size":             {Addresses: at, PINSize: 4},
		"attempts":             {Addresses: at, Attempts: -1},
		"transfer":             {Addresses: at, Transfer: "none"},
		"transfer is no ZPK":   {Addresses: at, Transfer: "cvk", Keys: []payshield.Key{good}},
		"twice":                {Addresses: at, Keys: []payshield.Key{good, good}},
		"label":                {Addresses: at, Keys: change(func(k *payshield.Key) { k.Label = "CVK" })},
		"usage":                {Addresses: at, Keys: change(func(k *payshield.Key) { k.Usage = "D0" })},
		"type":                 {Addresses: at, Keys: change(func(k *payshield.Key) { k.Type = "42" })},
		"version":              {Addresses: at, Keys: change(func(k *payshield.Key) { k.Version = 256 })},
		"no value":             {Addresses: at, Keys: change(func(k *payshield.Key) { k.Value = "" })},
		"short value":          {Addresses: at, Keys: change(func(k *payshield.Key) { k.Value = k.Value[:32] })},
		"value with a divider": {Addresses: at, Keys: change(func(k *payshield.Key) { k.Value = k.Value[:32] + ";" })},
		"block without a check": {Addresses: at, Keys: change(func(k *payshield.Key) {
			k.Value = "S00072C0TN00E0001A417975993E2331918759DD1656AC94306BE01C19FDE29E83A93AB42"
		})},
		"check value":          {Addresses: at, Keys: change(func(k *payshield.Key) { k.CheckValue = "08d7b4" })},
		"storage with a value": {Addresses: at, Keys: change(func(k *payshield.Key) { k.Usage = keyblock.PINStorage })},
		"usages of one label":  {Addresses: at, Keys: append(change(func(k *payshield.Key) { k.Usage, k.Version = keyblock.VisaPVK, 2 }), good)},
	} {
		_, err := payshield.New(o)
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		if strings.Contains(err.Error(), "9B4934384B") {
			t.Errorf("%s: the error shows the key", name)
		}
	}
}

// certificate makes a TLS identity for this machine.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, roots
}

func TestOverTLSTheModuleMustProveWhoItIs(t *testing.T) {
	identity, roots := certificate(t)
	server := mock.Start(t, mock.Options{TLS: &tls.Config{Certificates: []tls.Certificate{identity}, MinVersion: tls.VersionTLS12}})
	if err := oneCode(context.Background(), t, newModule(t, payshield.Options{TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}, server)); err != nil {
		t.Error(err)
	}
	stranger := newModule(t, payshield.Options{Attempts: 1, TLS: &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}}, server)
	if err := oneCode(context.Background(), t, stranger); !errors.Is(err, payshield.ErrUnavailable) {
		t.Errorf("an unknown certificate: %v", err)
	}
}
