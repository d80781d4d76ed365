package api_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"platen/api/enfuce"
	"platen/card"
	"platen/programs"
)

// numberKey is what card numbers come encrypted to.
type numberKey struct {
	t           *testing.T
	certificate string
	private     []byte
	seal        jose.Encrypter
}

func newNumberKey(t *testing.T) *numberKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "jwe-test"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(4e9, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	seal, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: &k.PublicKey},
		&jose.EncrypterOptions{ExtraHeaders: map[jose.HeaderKey]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}})
	if err != nil {
		t.Fatal(err)
	}
	return &numberKey{t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), seal}
}

// body asks for a card with a number.
func (k *numberKey) body(number string) string {
	k.t.Helper()
	m, err := k.seal.Encrypt([]byte(`{ "cardNumber": "` + number + `" }`))
	if err != nil {
		k.t.Fatal(err)
	}
	text, err := m.CompactSerialize()
	if err != nil {
		k.t.Fatal(err)
	}
	return `{"encryptedData":"` + text + `"}`
}

// tampered asks for a card with a number whose JWE was changed on its way: each of its parts by one character, then by a part too many and one too few.
func (k *numberKey) tampered(number string) (bodies []string) {
	k.t.Helper()
	const opening, closing = `{"encryptedData":"`, `"}`
	text := strings.TrimSuffix(strings.TrimPrefix(k.body(number), opening), closing)
	for n := range strings.Split(text, ".") {
		parts := strings.Split(text, ".")
		middle := len(parts[n]) / 2 // the last character of a part may have bits that mean nothing
		other := byte('A')
		if parts[n][middle] == other {
			other = 'B'
		}
		parts[n] = parts[n][:middle] + string(other) + parts[n][middle+1:]
		bodies = append(bodies, opening+strings.Join(parts, ".")+closing)
	}
	return append(bodies, opening+text+".AAAA"+closing, opening+text[:strings.LastIndex(text, ".")]+closing)
}

func TestEnfuceTakesNumbersOfTheInstitutionsOwnOnce(t *testing.T) {
	key, foreign := newNumberKey(t), newNumberKey(t)
	onBoth(t, func(t *testing.T, plain *site) {
		s := plain.withEnfuce()
		others := s.plant.ResolveKey
		s.plant.ResolveKey = func(name string) (card.Secret, error) {
			switch name {
			case "keys/enfuce.pem":
				return card.NewSecret(append([]byte(nil), key.private...)), nil
			case "":
				return card.Secret{}, errors.New("no key")
			}
			return others(name)
		}
		a, _ := s.virtual(s.desk, "17", "17", "MAIN", audited, key.body("4000000000000002"))
		a.refusedBy(http.StatusConflict, dynamicError, "own_number")
		s.declare("demo-bank", 0, func(set *programs.Set) {
			own := set.Ranges[0]
			own.Code, own.First, own.Size, own.Imported = "visa-own", 0, 1_000_000, true
			set.Ranges = append(set.Ranges, own)
			productOf(set, "visa-virtual").ImportedRange, productOf(set, "visa-debit-chip").ImportedRange = "visa-own", "visa-own"
			for i := range set.Institution.Dialects {
				if d := &set.Institution.Dialects[i]; d.Code == programs.Enfuce {
					d.Numbers = programs.Numbers{Certificate: key.certificate, KeyFile: "keys/enfuce.pem"}
				}
			}
		})
		made, valid := s.virtual(s.desk, "17", "17", "MAIN", audited, key.body("4000000000000002"))
		id := s.made(made)
		if !valid || s.told(id).TruncatedNumber != "400000******0002" {
			t.Errorf("told: %+v", s.told(id))
		}
		if strings.Contains(string(s.call(s.desk, http.MethodGet, "/v3/"+id+audited, "").body), "encryptedData") {
			t.Error("what the number came in is kept")
		}
		// A number is given once, whoever asks for it, and whatever became of its card.
		again := func(path, body string) answer { return s.call(s.desk, http.MethodPost, path+audited, body) }
		again(createPhysical, key.body("4000000000000002")).refusedBy(http.StatusConflict, dynamicError, "own_number_taken")
		replaced := decode[enfuce.Resource](s.call(s.desk, http.MethodPost, "/v3/"+id+"/update/REPLACE_CARD"+audited, "").want(http.StatusOK))
		if got := s.told(replaced.ID).TruncatedNumber; !strings.HasPrefix(got, "400000") || strings.HasSuffix(got, "0002") {
			t.Errorf("replaced by %s", got)
		}
		again(createPhysical, key.body("4000000000000002")).refusedBy(http.StatusConflict, dynamicError, "own_number_taken")
		answers := make([]answer, 8)
		body := key.body("4000000000001000")
		var all sync.WaitGroup
		for i := range answers {
			r := s.request(s.desk, http.MethodPost, "/enfuce"+createPhysical+audited, strings.NewReader(body), asJSON)
			all.Go(func() {
				var err error
				if answers[i], err = s.send(r); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		physical := ""
		for _, a := range answers {
			if a.status == http.StatusCreated && physical == "" {
				physical = s.made(a)
				continue
			}
			a.refusedBy(http.StatusConflict, dynamicError, "own_number_taken")
		}
		// Numbers that are drawn, of another range, and what is no number.
		for _, n := range []string{"4000001000000000", "5413330000000001", "4242424242424242"} {
			again(createPhysical, key.body(n)).refusedBy(http.StatusConflict, dynamicError, "own_number_range")
		}
		for _, body := range []string{key.body("4000000000000003"), foreign.body("4000000000002008"), `{"encryptedData":"a.b.c.d.e"}`} {
			a, _ := s.virtual(s.desk, "17", "17", "MAIN", audited, body)
			a.refusedBy(http.StatusBadRequest, staticError, "invalid_request")
		}
		for _, body := range key.tampered("4000000000002008") {
			again(createPhysical, body).refusedBy(http.StatusBadRequest, staticError, "invalid_request")
		}
		again(strings.Replace(createPhysical, "VISA_CARD", "MC_CARD", 1), key.body("4000000000002008")).refusedBy(http.StatusConflict, dynamicError, "own_number")
		// Its plastic leaves in the next file, and the number is in its line and nowhere else.
		s.sent(s.produce(s.mine))
		if h := s.holderOf(physical); string(h.pan.Reveal()) != "4000000000001000" {
			t.Error("the card has another number")
		}
		s.call(s.desk, http.MethodPost, "/v3/"+physical+"/update/REISSUE_CARD"+audited, "").want(http.StatusOK)
		s.sent(s.produce(s.mine))
		for _, n := range []string{"4000000000000002", "4000000000001000", "4000000000002008"} {
			if strings.Contains(s.log.String(), n) {
				t.Errorf("the log has %s", n)
			}
		}
		s.balanced()
	})
}
