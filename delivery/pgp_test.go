package delivery_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/gopenpgp/v3/crypto"

	"platen/delivery"
)

// parties are an issuer who seals and a bureau that opens.
type parties struct {
	issuerPublic, issuerPrivate, bureauPublic, bureauPrivate []byte
}

func newParties(t *testing.T) parties {
	t.Helper()
	var p parties
	var err error
	if p.issuerPublic, p.issuerPrivate, err = delivery.NewKeyPair("Issuer", "issuer@example.test", time.Now()); err != nil {
		t.Fatal(err)
	}
	if p.bureauPublic, p.bureauPrivate, err = delivery.NewKeyPair("Bureau", "bureau@example.test", time.Now()); err != nil {
		t.Fatal(err)
	}
	return p
}

func seal(t *testing.T, recipient, signer, b []byte) []byte {
	t.Helper()
	s, err := delivery.NewSealer(recipient, signer)
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	w, err := s.Seal(&sealed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return sealed.Bytes()
}

func open(t *testing.T, own, sender, sealed []byte) ([]byte, error) {
	t.Helper()
	o, err := delivery.NewOpener(own, sender)
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.Open(bytes.NewReader(sealed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestOpenInvertsSeal(t *testing.T) {
	p := newParties(t)
	for _, size := range []int{0, 1, 1 << 20} {
		b := content(t, size)
		got, err := open(t, p.bureauPrivate, p.issuerPublic, seal(t, p.bureauPublic, p.issuerPrivate, b))
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes came back as %d, error %v", size, len(got), err)
		}
	}
}

// A few bits of an OpenPGP envelope mean nothing to a reader (the prefix of a curve point, spare length bits); every other one must be
// refused, and none may change what is read.
func TestNoFlippedBitChangesWhatIsOpened(t *testing.T) {
	p := newParties(t)
	content := []byte("one card, two cards")
	sealed := seal(t, p.bureauPublic, p.issuerPrivate, content)
	accepted := 0
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1 << (i % 8)
		got, err := open(t, p.bureauPrivate, p.issuerPublic, changed)
		if err != nil {
			continue
		}
		accepted++
		if !bytes.Equal(got, content) {
			t.Errorf("a changed bit in byte %d of %d was accepted as %q", i, len(sealed), got)
		}
	}
	if accepted > 5 {
		t.Errorf("%d of %d flipped bits went unnoticed", accepted, len(sealed))
	}
}

func TestOpenRefusesAMessageThatIsCutAnywhere(t *testing.T) {
	p := newParties(t)
	sealed := seal(t, p.bureauPublic, p.issuerPrivate, content(t, 2000))
	for n := range sealed {
		if _, err := open(t, p.bureauPrivate, p.issuerPublic, sealed[:n]); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, len(sealed))
		}
	}
}

func TestOpenRefusesAForeignSignatureAndAForeignRecipient(t *testing.T) {
	p, stranger := newParties(t), newParties(t)
	b := []byte("cards")
	_, err := open(t, p.bureauPrivate, p.issuerPublic, seal(t, p.bureauPublic, stranger.issuerPrivate, b))
	if !errors.Is(err, delivery.ErrPGPSigning) {
		t.Errorf("a stranger's signature: %v", err)
	}
	_, err = open(t, p.bureauPrivate, p.issuerPublic, seal(t, stranger.bureauPublic, p.issuerPrivate, b))
	if !errors.Is(err, delivery.ErrNotOpened) {
		t.Errorf("a message to a stranger: %v", err)
	}
	if _, err = open(t, p.bureauPrivate, p.issuerPublic, b); !errors.Is(err, delivery.ErrNotOpened) {
		t.Errorf("no message at all: %v", err)
	}
}

func TestKeysThatCannotServeAreRefusedAtOnce(t *testing.T) {
	p := newParties(t)
	if _, err := delivery.NewSealer(p.bureauPublic, p.issuerPublic); !errors.Is(err, delivery.ErrPGPKey) {
		t.Errorf("signing with a public key: %v", err)
	}
	if _, err := delivery.NewSealer([]byte("no key"), p.issuerPrivate); !errors.Is(err, delivery.ErrPGPKey) {
		t.Errorf("no key: %v", err)
	}
	if _, err := delivery.NewOpener(p.bureauPublic, p.issuerPublic); !errors.Is(err, delivery.ErrPGPKey) {
		t.Errorf("opening with a public key: %v", err)
	}
	early, _, err := delivery.NewKeyPair("Later", "later@example.test", time.Now().Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := delivery.NewSealer(early, p.issuerPrivate); !errors.Is(err, delivery.ErrPGPKey) {
		t.Errorf("a key that is not valid yet: %v", err)
	}
}

func TestOneSealerServesManyGoroutines(t *testing.T) {
	p := newParties(t)
	s, err := delivery.NewSealer(p.bureauPublic, p.issuerPrivate)
	if err != nil {
		t.Fatal(err)
	}
	o, err := delivery.NewOpener(p.bureauPrivate, p.issuerPublic)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			var sealed bytes.Buffer
			w, err := s.Seal(&sealed)
			if err == nil {
				_, err = w.Write([]byte("cards"))
			}
			if err == nil {
				err = w.Close()
			}
			if err != nil {
				t.Error(err)
				return
			}
			r, err := o.Open(&sealed)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := io.ReadAll(r); err != nil || string(got) != "cards" {
				t.Errorf("%q, error %v", got, err)
			}
		})
	}
	all.Wait()
}

// gnupg is a real gpg with a home of its own.
type gnupg struct {
	t    *testing.T
	home string
}

func newGnuPG(t *testing.T) gnupg {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Fatal("GnuPG is not installed: apt-get install -y gnupg")
	}
	home, err := os.MkdirTemp("", "gpg") // a short path: gpg-agent's socket lies in it
	if err != nil {
		t.Fatal(err)
	}
	g := gnupg{t, home}
	t.Cleanup(func() {
		stop := exec.Command("gpgconf", "--homedir", home, "--kill", "all")
		if out, err := stop.CombinedOutput(); err != nil {
			t.Errorf("stop gpg-agent: %v: %s", err, out)
		}
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	return g
}

// run runs gpg on input and returns its output and what it says about its work.
func (g gnupg) run(input []byte, arguments ...string) (output []byte, report string, err error) {
	g.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", g.home, "--batch", "--yes", "--status-fd", "2", "--trust-model", "always"}, arguments...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = bytes.NewReader(input)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	return out.Bytes(), said.String(), err
}

func (g gnupg) must(input []byte, arguments ...string) []byte {
	g.t.Helper()
	out, said, err := g.run(input, arguments...)
	if err != nil {
		g.t.Fatalf("gpg %s: %v\n%s", arguments[0], err, said)
	}
	return out
}

func TestGnuPGDecryptsAndVerifiesWhatWeSealed(t *testing.T) {
	p := newParties(t)
	g := newGnuPG(t)
	g.must(p.bureauPrivate, "--import")
	g.must(p.issuerPublic, "--import")
	b := content(t, 300_000)
	sealed := seal(t, p.bureauPublic, p.issuerPrivate, b)
	out, said, err := g.run(sealed, "--decrypt")
	if err != nil || !bytes.Equal(out, b) || !strings.Contains(said, "GOODSIG") || !strings.Contains(said, "DECRYPTION_OKAY") {
		t.Fatalf("gpg: %v, %d bytes\n%s", err, len(out), said)
	}
	sealed[len(sealed)/2] ^= 4
	if _, said, err := g.run(sealed, "--decrypt"); err == nil {
		t.Errorf("gpg accepted a flipped bit:\n%s", said)
	}
}

func TestWeOpenWhatGnuPGEncryptedAndSigned(t *testing.T) {
	for _, kind := range []string{"ed25519", "rsa3072"} {
		t.Run(kind, func(t *testing.T) {
			p := newParties(t)
			g := newGnuPG(t)
			g.must(nil, "--passphrase", "", "--quick-generate-key", "Bureau <bureau@example.test>", kind, "sign", "never")
			g.must(p.issuerPublic, "--import")
			senderPublic := g.must(nil, "--armor", "--export", "bureau@example.test")
			b := content(t, 300_000)
			plain := filepath.Join(g.home, "answer")
			if err := os.WriteFile(plain, b, 0o600); err != nil {
				t.Fatal(err)
			}
			sealed := g.must(nil, "--passphrase", "", "--local-user", "bureau@example.test", "--recipient", "issuer@example.test",
				"--sign", "--encrypt", "--output", "-", plain)
			got, err := open(t, p.issuerPrivate, senderPublic, sealed)
			if err != nil || !bytes.Equal(got, b) {
				t.Fatalf("%d of %d bytes, error %v", len(got), len(b), err)
			}
			sealed[len(sealed)/2] ^= 4
			if _, err := open(t, p.issuerPrivate, senderPublic, sealed); err == nil {
				t.Error("a flipped bit was accepted")
			}
			unsigned := g.must(nil, "--recipient", "issuer@example.test", "--encrypt", "--output", "-", plain)
			if _, err := open(t, p.issuerPrivate, senderPublic, unsigned); !errors.Is(err, delivery.ErrPGPSigning) {
				t.Errorf("an unsigned message: %v", err)
			}
		})
	}
}

// keyPair draws a key that was made at a time and lives so long; 0 = for ever.
func keyPair(t *testing.T, made time.Time, life time.Duration) (public, private []byte) {
	t.Helper()
	key, err := crypto.PGP().KeyGeneration().AddUserId("Bureau", "bureau@example.test").GenerationTime(made.Unix()).Lifetime(int32(life / time.Second)).New().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	privateText, err := key.Armor()
	if err != nil {
		t.Fatal(err)
	}
	publicText, err := key.GetArmoredPublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return []byte(publicText), []byte(privateText)
}

func TestAKeyIsRotatedByPuttingItsSuccessorBesideIt(t *testing.T) {
	p := newParties(t)
	oldPublic, oldPrivate := keyPair(t, time.Now().AddDate(-1, 0, 0), 0)
	newPublic, newPrivate := keyPair(t, time.Now().AddDate(0, -1, 0), 0)
	both := slices.Concat(oldPublic, []byte("\n"), newPublic)
	b := []byte("cards")
	sealed := seal(t, both, p.issuerPrivate, b)
	if got, err := open(t, newPrivate, p.issuerPublic, sealed); err != nil || !bytes.Equal(got, b) {
		t.Errorf("the newer key opens %q, %v", got, err)
	}
	if _, err := open(t, oldPrivate, p.issuerPublic, sealed); !errors.Is(err, delivery.ErrNotOpened) {
		t.Errorf("the older key: %v", err)
	}
	bothPrivate := slices.Concat(newPrivate, oldPrivate)
	for _, recipient := range [][]byte{oldPublic, newPublic} {
		if got, err := open(t, bothPrivate, p.issuerPublic, seal(t, recipient, p.issuerPrivate, b)); err != nil || !bytes.Equal(got, b) {
			t.Errorf("sealed to one of two keys: %q, %v", got, err)
		}
	}
	for _, signer := range [][]byte{oldPrivate, newPrivate} {
		if got, err := open(t, p.issuerPrivate, both, seal(t, p.issuerPublic, signer, b)); err != nil || !bytes.Equal(got, b) {
			t.Errorf("signed by one of two keys: %q, %v", got, err)
		}
	}
}

func TestAKeyIsWarnedOfForThirtyDaysAndRefusedPastItsEnd(t *testing.T) {
	p := newParties(t)
	made, life := time.Now().AddDate(0, 0, -10).Truncate(time.Second), 40*24*time.Hour
	public, private := keyPair(t, made, life)
	end := made.Add(life)
	for _, test := range []struct {
		at   time.Time
		want time.Time
	}{{end.Add(-31 * 24 * time.Hour), time.Time{}}, {end.Add(-29 * 24 * time.Hour), end}, {end.Add(-time.Hour), end}} {
		for _, text := range [][]byte{public, private} {
			got, err := delivery.KeysEnd(text, test.at)
			if err != nil || got.Sub(test.want).Abs() > time.Second {
				t.Errorf("at %s the key ends %s, %v; want %s", test.at, got, err, test.want)
			}
		}
	}
	if _, err := delivery.KeysEnd(public, end.Add(time.Second)); !errors.Is(err, delivery.ErrPGPKey) {
		t.Errorf("past its end: %v", err)
	}
	endedPublic, endedPrivate := keyPair(t, time.Now().AddDate(0, 0, -10), 9*24*time.Hour)
	if _, err := delivery.NewSealer(endedPublic, p.issuerPrivate); !errors.Is(err, delivery.ErrPGPKey) {
		t.Errorf("sealing to a key that ended: %v", err)
	}
	if _, err := delivery.NewSealer(p.bureauPublic, endedPrivate); !errors.Is(err, delivery.ErrPGPKey) {
		t.Errorf("signing with a key that ended: %v", err)
	}
	if _, err := delivery.NewOpener(p.issuerPrivate, endedPublic); !errors.Is(err, delivery.ErrPGPKey) {
		t.Errorf("answers signed by a key that ended: %v", err)
	}
	// Of two keys only the one that has not ended verifies, whatever time a signature claims.
	livePublic, livePrivate := keyPair(t, time.Now().AddDate(0, 0, -1), 0)
	both := slices.Concat(endedPublic, livePublic)
	b := []byte("cards")
	if got, err := open(t, p.issuerPrivate, both, seal(t, p.issuerPublic, livePrivate, b)); err != nil || !bytes.Equal(got, b) {
		t.Errorf("signed by the key that has not ended: %q, %v", got, err)
	}
	g := newGnuPG(t)
	g.must(endedPrivate, "--import")
	g.must(p.issuerPublic, "--import")
	plain := filepath.Join(g.home, "answer")
	if err := os.WriteFile(plain, b, 0o600); err != nil {
		t.Fatal(err)
	}
	sealed := g.must(nil, "--faked-system-time", time.Now().AddDate(0, 0, -5).UTC().Format("20060102T150405"), "--recipient", "issuer@example.test", "--local-user", "bureau@example.test",
		"--ignore-time-conflict", "--ignore-valid-from", "--sign", "--encrypt", "--output", "-", plain)
	if _, err := open(t, p.issuerPrivate, both, sealed); !errors.Is(err, delivery.ErrPGPSigning) {
		t.Errorf("a signature of a key that ended: %v", err)
	}
}
