package signature

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type readCloser struct{ io.Reader }

func (readCloser) Close() error { return nil }

func drain(r *http.Request) error {
	b, err := Body(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, b)
	return err
}

var now = time.Unix(1_800_000_000, 0)

const payload = `{"reference":"R"}`

// unsigned is a request with everything that a signature must cover.
func unsigned() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://cards.example/v1/orders?reference=R%201", strings.NewReader(payload))
	sum := sha256.Sum256([]byte(payload))
	r.Header.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
	r.Header.Set("Idempotency-Key", "K")
	return r
}

const covers = `("@method" "@target-uri" "content-digest" "idempotency-key")`

// message is what a client of its own making signs for unsigned.
func message(r *http.Request, params string) string {
	return fmt.Sprintf("\"@method\": POST\n\"@target-uri\": http://cards.example/v1/orders?reference=R%%201\n\"content-digest\": %s\n\"idempotency-key\": K\n\"@signature-params\": %s",
		r.Header.Get("Content-Digest"), covers+params)
}

func params(created time.Time, more string) string {
	return fmt.Sprintf(";created=%d;keyid=\"k\"%s", created.Unix(), more)
}

func put(r *http.Request, params string, sig []byte) {
	r.Header.Set("Signature-Input", "sig1="+covers+params)
	r.Header.Set("Signature", "sig1=:"+base64.StdEncoding.EncodeToString(sig)+":")
}

func policyOf(k Key) Policy {
	return Policy{Now: now, Lookup: func(_ context.Context, id string) (Key, error) {
		if id != "k" {
			return Key{}, ErrUnknown
		}
		return k, nil
	}}
}

// signers make a key of each algorithm and sign as its standard says.
func signers(t *testing.T) map[Algorithm]func([]byte) (Key, []byte) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	public := func(k crypto.Signer) Key {
		der, err := Key{public: k.Public()}.DER()
		must(err)
		parsed, err := PublicKey(der)
		must(err)
		return parsed
	}
	curve := func(c elliptic.Curve, size int, sum func([]byte) []byte) func([]byte) (Key, []byte) {
		return func(m []byte) (Key, []byte) {
			k, err := ecdsa.GenerateKey(c, rand.Reader)
			must(err)
			r, s, err := ecdsa.Sign(rand.Reader, k, sum(m))
			must(err)
			sig := make([]byte, 2*size)
			r.FillBytes(sig[:size])
			s.FillBytes(sig[size:])
			return public(k), sig
		}
	}
	return map[Algorithm]func([]byte) (Key, []byte){
		ECDSAP384: curve(elliptic.P384(), 48, func(m []byte) []byte { s := sha512.Sum384(m); return s[:] }),
		ECDSAP256: curve(elliptic.P256(), 32, func(m []byte) []byte { s := sha256.Sum256(m); return s[:] }),
		Ed25519: func(m []byte) (Key, []byte) {
			_, k, err := ed25519.GenerateKey(rand.Reader)
			must(err)
			return public(k), ed25519.Sign(k, m)
		},
		RSAPSS: func(m []byte) (Key, []byte) {
			k, err := rsa.GenerateKey(rand.Reader, 2048)
			must(err)
			sum := sha512.Sum512(m)
			sig, err := rsa.SignPSS(rand.Reader, k, crypto.SHA512, sum[:], &rsa.PSSOptions{SaltLength: 64})
			must(err)
			return public(k), sig
		},
		HMAC: func(m []byte) (Key, []byte) {
			h := hmac.New(sha256.New, []byte("0123456789abcdef0123456789abcdef"))
			h.Write(m)
			return SecretKey([]byte("0123456789abcdef0123456789abcdef")), h.Sum(nil)
		},
	}
}

func TestEachAlgorithmIsAcceptedAndNoAlteredRequestIs(t *testing.T) {
	for alg, sign := range signers(t) {
		t.Run(string(alg), func(t *testing.T) {
			r := unsigned()
			p := params(now, "")
			key, sig := sign([]byte(message(r, p)))
			if key.Algorithm() != alg {
				t.Fatalf("the key is for %s", key.Algorithm())
			}
			put(r, p, sig)
			s, err := Verify(r, policyOf(key))
			if err != nil || s.KeyID != "k" || !s.Covers("idempotency-key") {
				t.Fatalf("as signed: %+v, %v", s, err)
			}
			for name, alter := range map[string]func(*http.Request){
				"method":          func(r *http.Request) { r.Method = http.MethodPut },
				"path":            func(r *http.Request) { r.URL.Path = "/v1/other" },
				"query":           func(r *http.Request) { r.URL.RawQuery = "reference=S" },
				"host":            func(r *http.Request) { r.Host = "other.example" },
				"idempotency key": func(r *http.Request) { r.Header.Set("Idempotency-Key", "L") },
				"a second one":    func(r *http.Request) { r.Header.Add("Idempotency-Key", "L") },
				"digest": func(r *http.Request) {
					r.Header.Set("Content-Digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:")
				},
				"signature": func(r *http.Request) { sig[3] ^= 4; put(r, p, sig); sig[3] ^= 4 },
				"created":   func(r *http.Request) { put(r, params(now.Add(time.Second), ""), sig) },
				"another algorithm": func(r *http.Request) {
					other := RSAPSS
					if alg == RSAPSS {
						other = Ed25519
					}
					put(r, p+`;alg="`+string(other)+`"`, sig)
				},
			} {
				r := unsigned()
				put(r, p, sig)
				alter(r)
				if _, err := Verify(r, policyOf(key)); !errors.Is(err, ErrMismatch) {
					t.Errorf("with another %s: %v", name, err)
				}
			}
		})
	}
}

func TestWhatASignatureMustBe(t *testing.T) {
	sign := signers(t)[HMAC]
	for name, c := range map[string]struct {
		params string
		alter  func(*http.Request)
		want   error
	}{
		"at the edge of its window": {params: params(now.Add(-Window), "")},
		"too old":                   {params: params(now.Add(-Window-time.Second), ""), want: ErrTime},
		"from the future":           {params: params(now.Add(Skew+time.Second), ""), want: ErrTime},
		"expired":                   {params: params(now, fmt.Sprintf(";expires=%d", now.Unix())), want: ErrTime},
		"without a time":            {params: `;keyid="k"`, want: ErrTime},
		"a time in text":            {params: `;created="1";keyid="k"`, want: ErrForm},
		"a time with a fraction":    {params: `;created=1.5;keyid="k"`, want: ErrForm},
		"a parameter nobody knows":  {params: params(now, ";x=1"), want: ErrForm},
		"another key":               {params: strings.Replace(params(now, ""), `"k"`, `"z"`, 1), want: ErrUnknown},
		"no signature":              {params: params(now, ""), alter: func(r *http.Request) { r.Header.Del("Signature") }, want: ErrNone},
		"no dictionary":             {params: params(now, ""), alter: func(r *http.Request) { r.Header.Set("Signature", "%%") }, want: ErrForm},
		"another label":             {params: params(now, ""), alter: func(r *http.Request) { r.Header.Set("Signature", "sig2=:AAAA:") }, want: ErrForm},
		"a body of unknown length":  {params: params(now, ""), alter: func(r *http.Request) { r.ContentLength = -1 }},
	} {
		t.Run(name, func(t *testing.T) {
			r := unsigned()
			key, sig := sign([]byte(message(r, c.params)))
			put(r, c.params, sig)
			if c.alter != nil {
				c.alter(r)
			}
			if _, err := Verify(r, policyOf(key)); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestASignatureThatCoversTooLittleIsRefused(t *testing.T) {
	sign := signers(t)[HMAC]
	for input, lines := range map[string]string{
		`("@target-uri" "content-digest")`:                    "\"@target-uri\": http://cards.example/v1/orders?reference=R%201\n\"content-digest\": D\n",
		`("@method" "content-digest")`:                        "\"@method\": POST\n\"content-digest\": D\n",
		`("@method" "@authority" "@path" "content-digest")`:   "\"@method\": POST\n\"@authority\": cards.example\n\"@path\": /v1/orders\n\"content-digest\": D\n",
		`("@method" "@target-uri")`:                           "\"@method\": POST\n\"@target-uri\": http://cards.example/v1/orders?reference=R%201\n",
		`("@method";req "@target-uri" "content-digest")`:      "",
		`("@method" "@method" "@target-uri")`:                 "",
		`("@METHOD" "@target-uri" "content-digest")`:          "",
		`("@method" "@target-uri" "@signature-params")`:       "",
		`("@method" "@target-uri" "content-digest" "x-none")`: "",
	} {
		r := unsigned()
		full := input + params(now, "")
		text := strings.Replace(lines, ": D\n", ": "+r.Header.Get("Content-Digest")+"\n", 1) + `"@signature-params": ` + full
		key, sig := sign([]byte(text))
		r.Header.Set("Signature-Input", "a="+full)
		r.Header.Set("Signature", "a=:"+base64.StdEncoding.EncodeToString(sig)+":")
		want := ErrCoverage
		if lines == "" {
			want = ErrComponent
		}
		if _, err := Verify(r, policyOf(key)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", input, err, want)
		}
	}
}

// The other side is openssl: nothing of ours makes the signature.
func TestASignatureMadeByOpenSSLIsAccepted(t *testing.T) {
	tool, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is missing: apt-get install openssl")
	}
	dir := t.TempDir()
	run := func(in string, args ...string) []byte {
		t.Helper()
		c := exec.CommandContext(t.Context(), tool, args...)
		c.Stdin = strings.NewReader(in)
		c.Dir = dir
		out, err := c.Output()
		if err != nil {
			t.Fatalf("openssl %s: %v", args[0], err)
		}
		return out
	}
	run("", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "rsa.pem")
	run("", "genpkey", "-algorithm", "ED25519", "-out", "ed.pem")
	r := unsigned()
	p := params(now, "")
	text := message(r, p)
	if err := os.WriteFile(filepath.Join(dir, "base"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for key, sig := range map[string][]byte{
		"rsa.pem": run("", "dgst", "-sha512", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:64", "-sign", "rsa.pem", "base"),
		"ed.pem":  run("", "pkeyutl", "-sign", "-rawin", "-inkey", "ed.pem", "-in", "base"),
	} {
		public, err := PublicKey(run("", "pkey", "-in", key, "-pubout"))
		if err != nil {
			t.Fatal(err)
		}
		put(r, p, sig)
		if _, err := Verify(r, policyOf(public)); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestWeakOrForeignKeysAreRefused(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]crypto.Signer{"a short RSA key": short, "a small curve": small} {
		der, err := Key{public: k.Public()}.DER()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := PublicKey(der); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := PublicKey([]byte("no key")); !errors.Is(err, ErrKey) {
		t.Errorf("no key: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("sig1="+covers+params(now, ""), "sig1=:AAAA:", "sha-256=:AAAA:")
	f.Add(`a=("@query-param";name="x" "@query" "host");created=1;nonce="n"`, "a=:AA==:", "")
	key := SecretKey([]byte("secret"))
	f.Fuzz(func(t *testing.T, input, sig, digest string) {
		r := unsigned()
		r.Header["Signature-Input"], r.Header["Signature"], r.Header["Content-Digest"] = []string{input}, []string{sig}, []string{digest}
		if _, err := Verify(r, policyOf(key)); err == nil {
			t.Error("a made-up signature was accepted")
		}
		if err := drain(r); err == nil && !strings.Contains(digest, "sha-") {
			t.Error("a body passed without a digest")
		}
	})
}
