package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"platen/api"
	"platen/sql/store"
)

// signer signs requests as a client's own program would, from the text of RFC 9421.
type signer struct {
	id    uuid.UUID
	sign  func(message []byte) []byte
	at    time.Time
	nonce string // empty = the signature covers an Idempotency-Key
}

func (s signer) with(nonce string) signer {
	s.nonce = nonce
	return s
}

// signs is the option that puts the headers on a request with this body.
func (s signer) signs(body string) option {
	return func(r *http.Request) {
		sum := sha256.Sum256([]byte(body))
		digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
		lines := []string{`"@method": ` + r.Method, `"@target-uri": ` + r.URL.String()}
		covered := []string{`"@method"`, `"@target-uri"`}
		if body != "" {
			r.Header.Set("Content-Digest", digest)
			lines, covered = append(lines, `"content-digest": `+digest), append(covered, `"content-digest"`)
		}
		end := ""
		if s.nonce != "" {
			end = fmt.Sprintf(";nonce=%q", s.nonce)
		} else if key := r.Header.Get("Idempotency-Key"); key != "" {
			lines, covered = append(lines, `"idempotency-key": `+key), append(covered, `"idempotency-key"`)
		}
		params := fmt.Sprintf("(%s);created=%d;keyid=%q%s", strings.Join(covered, " "), s.at.Unix(), s.id, end)
		message := strings.Join(append(lines, `"@signature-params": `+params), "\n")
		r.Header.Set("Signature-Input", "sig1="+params)
		r.Header.Set("Signature", "sig1=:"+base64.StdEncoding.EncodeToString(s.sign([]byte(message)))+":")
	}
}

// secretSigner adds a client that shares a secret.
func (s *site) secretSigner(c client, name string) signer {
	s.t.Helper()
	secret := []byte("0123456789abcdef0123456789abcdef")
	id := uuid.New()
	sealed, err := api.Secrets{Vault: s.plant.Vault, Label: "secrets"}.Seal(id, secret)
	if err != nil {
		s.t.Fatal(err)
	}
	s.add(store.Client{ID: id, Institution: c.institution.ID, Name: name, Roles: "submit", Rate: 1_000_000, Method: store.SecretClient, Secret: sealed})
	return signer{id: id, at: noon, sign: func(m []byte) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write(m)
		return h.Sum(nil)
	}}
}

// pairSigner adds a client that has a key pair on P-256.
func (s *site) pairSigner(c client, name string) signer {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		s.t.Fatal(err)
	}
	id := uuid.New()
	s.add(store.Client{ID: id, Institution: c.institution.ID, Name: name, Roles: "submit", Method: store.KeyPairClient, PublicKey: der})
	return signer{id: id, at: noon, sign: func(m []byte) []byte {
		sum := sha256.Sum256(m)
		a, b, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			s.t.Error(err)
		}
		sig := make([]byte, 64)
		a.FillBytes(sig[:32])
		b.FillBytes(sig[32:])
		return sig
	}}
}

// post submits an order signed.
func (s *site) post(by signer, reference, body string, options ...option) answer {
	s.t.Helper()
	return s.do(client{}, http.MethodPost, "/v1/orders?reference="+reference, strings.NewReader(body), append([]option{asCSV, by.signs(body)}, options...)...)
}

func altered(body string) option {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
}

func TestASignedRequestIsItsClients(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		for name, by := range map[string]signer{"secret": s.secretSigner(s.mine, "desk-1"), "pair": s.pairSigner(s.mine, "desk-2")} {
			t.Run(name, func(t *testing.T) {
				s := s.on(t)
				o := decode[api.Order](s.post(by.with("n1"), "R-"+name, massCSV(2)).want(http.StatusCreated))
				s.get(client{}, "/v1/orders/"+o.ID, by.signs("")).want(http.StatusOK)
				s.get(client{}, "/v1/orders/"+o.ID, by.signs("")).want(http.StatusOK) // what only looks may be repeated
				// With a covered Idempotency-Key the order's own idempotency is what makes it happen once.
				key := header("Idempotency-Key", "k-"+name)
				body := massCSV(3)
				for _, status := range []int{http.StatusCreated, http.StatusOK} {
					s.do(client{}, http.MethodPost, "/v1/orders", strings.NewReader(body), asCSV, key, by.signs(body)).want(status)
				}
			})
		}
	})
}

func TestASignedRequestThatIsNotAsSignedChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		by, body := s.secretSigner(s.mine, "desk-1"), massCSV(2)
		late, early := by, by
		late.at, early.at = noon.Add(-5*time.Minute-time.Second), noon.Add(time.Minute+time.Second)
		stranger := by
		stranger.id = uuid.New()
		forger := by
		forger.sign = func([]byte) []byte { return make([]byte, 32) }
		for name, attempt := range map[string]func(s *site) answer{
			"another body": func(s *site) answer {
				return s.post(by.with("a"), "BAD", body, altered(strings.Replace(body, "1", "9", 1)))
			},
			"a longer body":  func(s *site) answer { return s.post(by.with("b"), "BAD", body, altered(body+body)) },
			"a shorter body": func(s *site) answer { return s.post(by.with("c"), "BAD", body, altered(body[:len(body)-3])) },
			"another digest": func(s *site) answer {
				return s.post(by.with("d"), "BAD", body, header("Content-Digest", "sha-256=:AAAA:"))
			},
			"another target": func(s *site) answer {
				return s.post(by.with("e"), "BAD", body, func(r *http.Request) { r.URL.RawQuery = "reference=WORSE" })
			},
			"too old":         func(s *site) answer { return s.post(late.with("f"), "BAD", body) },
			"from the future": func(s *site) answer { return s.post(early.with("g"), "BAD", body) },
			"unknown client":  func(s *site) answer { return s.post(stranger.with("h"), "BAD", body) },
			"forged":          func(s *site) answer { return s.post(forger.with("i"), "BAD", body) },
			"no nonce":        func(s *site) answer { return s.post(by, "BAD", body) },
			"a long nonce":    func(s *site) answer { return s.post(by.with(strings.Repeat("n", 65)), "BAD", body) },
			"half a signature": func(s *site) answer {
				return s.post(by.with("j"), "BAD", body, func(r *http.Request) { r.Header.Del("Signature-Input") })
			},
		} {
			t.Run(name, func(t *testing.T) {
				a := attempt(s.on(t))
				if strings.HasSuffix(name, " body") {
					a.refused(http.StatusBadRequest, "digest_mismatch")
				} else {
					a.refused(http.StatusUnauthorized, "bad_signature")
				}
			})
		}
		if page := decode[api.Page[api.Order]](s.get(s.mine, "/v1/orders").want(http.StatusOK)); len(page.Items) != 0 {
			t.Errorf("%d orders came of it", len(page.Items))
		}
	})
}

func TestASignedRequestIsCarriedOutOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		by, body := s.secretSigner(s.mine, "desk-1"), massCSV(2)
		const tries = 16
		answers := make([]answer, tries)
		var all sync.WaitGroup
		for i := range tries {
			r := s.request(client{}, http.MethodPost, "/v1/orders?reference=ONCE", strings.NewReader(body), asCSV, by.with("same").signs(body))
			all.Go(func() {
				var err error
				if answers[i], err = s.send(r); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		taken := 0
		for _, a := range answers {
			if a.status == http.StatusCreated {
				taken++
			} else {
				a.refused(http.StatusUnauthorized, "replayed")
			}
		}
		if taken != 1 {
			t.Errorf("%d of %d copies of a request were carried out", taken, tries)
		}
		// The nonce is the client's own: another's may be the same.
		s.post(s.pairSigner(s.theirs, "desk-2").with("same"), "ONCE", body).want(http.StatusCreated)
	})
}

func TestARevokedClientIsNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		by := s.secretSigner(s.mine, "desk-1")
		s.get(client{}, "/v1/orders", by.signs("")).want(http.StatusOK)
		for _, name := range []string{"desk-1", "demo-bank-desk"} {
			if err := s.plant.Store.InTx(t.Context(), func(tx *store.Tx) error { return tx.RevokeClient(t.Context(), s.mine.institution.ID, name, noon) }); err != nil {
				t.Fatal(err)
			}
		}
		s.get(client{}, "/v1/orders", by.signs("")).refused(http.StatusUnauthorized, "bad_signature")
		s.get(s.mine, "/v1/orders").refused(http.StatusUnauthorized, "unauthorized")
	})
}
