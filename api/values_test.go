package api_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"platen/api"
	"platen/card"
	"platen/hsm"
	"platen/programs"
	"platen/samples"
)

// told is the payload of security values.
type told struct {
	Issue                   int
	Expiry, CVV, CVV2, ICVV string
	CVV2ExpiresAt           time.Time `json:"cvv2_expires_at"`
}

// zoneKey is a key of a client's, and its public half as a zone declares it.
func (s *site) zoneKey() (*rsa.PrivateKey, string) {
	s.t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		s.t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		s.t.Fatal(err)
	}
	return private, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// unsealed reads what was encrypted to a client's key.
func unsealed[T any](t *testing.T, private *rsa.PrivateKey, compact string) (v T) {
	t.Helper()
	sealed, err := jose.ParseEncryptedCompact(compact, []jose.KeyAlgorithm{jose.RSA_OAEP_256}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := sealed.Decrypt(private)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(plain, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// declareValues gives an institution a zone with a public key, and its Mastercard product a CVV2 that changes every hour.
func (s *site) declareValues(c client) *rsa.PrivateKey {
	s.t.Helper()
	private, public := s.zoneKey()
	set, err := programs.Load(samples.FS, "programs")
	if err != nil {
		s.t.Fatal(err)
	}
	set.Institution.Code = c.institution.Code
	set.Zones = []programs.Zone{{Code: "vault", PublicKey: public}}
	for i := range set.Products {
		if set.Products[i].Code == "mc-credit-chip" {
			set.Products[i].DynamicCVV2 = card.DynamicCVV2{Minutes: 60, FirstCode: 300, Codes: 500, Grace: 1}
		}
	}
	if _, err := s.plant.Apply(s.t.Context(), set, "test", false); err != nil {
		s.t.Fatal(err)
	}
	return private
}

func (h *holder) values(c client, private *rsa.PrivateKey) told {
	h.t.Helper()
	a := h.do(c, http.MethodPost, "/v1/cards/"+h.token+"/security-values", strings.NewReader(`{"zone":"vault"}`), asJSON)
	v := unsealed[told](h.t, private, decode[api.SecurityValues](a.want(http.StatusOK)).JWE)
	for _, code := range []string{v.CVV, v.CVV2, v.ICVV} {
		if code != "" && strings.Contains(string(a.body), `"`+code+`"`) {
			h.t.Errorf("the answer shows a code")
		}
	}
	return v
}

// code is what the security module says of the card's first issue.
func (h *holder) code(cvk card.KeyLabel, expiry card.Expiry, service string, mmyy bool) string {
	h.t.Helper()
	out := card.NewSecrets(1, 3)
	in := []hsm.CodeRequest{{PAN: h.pan, Expiry: expiry, ServiceCode: [3]byte([]byte(service)), MMYY: mmyy}}
	if err := h.plant.Module.Codes(h.t.Context(), card.KeyRef{Label: cvk}, in, out); err != nil {
		h.t.Fatal(err)
	}
	return string(out.Reveal(0))
}

func (h *holder) cvv2(c client, value string) bool {
	h.t.Helper()
	a := h.do(c, http.MethodPost, "/v1/cards/"+h.token+"/cvv2/verify", strings.NewReader(fmt.Sprintf(`{"cvv2":%q}`, value)), asJSON)
	return decode[api.CVV2Verdict](a.want(http.StatusOK)).Verified
}

func TestSecurityValuesAreForTheHolderOfTheKey(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		private := s.declareValues(s.mine)
		s.submit(s.mine, "V", "product,first_name,last_name,address1,city,country\nvisa-debit-chip,Ana,Muller,Calle 2,Madrid,ES\nmc-credit-chip,Ana,Muller,Calle 2,Madrid,ES\n").want(http.StatusCreated)
		s.produce(s.mine)
		desk, strangers := s.pinDesk(s.mine.institution), s.pinDesk(s.theirs.institution)
		visa, err := s.plant.Product(t.Context(), s.mine.institution, "visa-debit-chip")
		if err != nil {
			t.Fatal(err)
		}
		expiry := card.Expiry{Year: 2030, Month: 11}
		h := s.holderOf("V%231")
		v := h.values(desk, private)
		printed := h.code("cvk-visa", expiry, "000", visa.CVV2Order == "MMYY")
		if v.Issue != 1 || v.Expiry != "2030-11" || v.CVV != h.code("cvk-visa", expiry, "201", false) || v.CVV2 != printed || v.ICVV != h.code("cvk-visa", expiry, "999", false) {
			t.Error("the values are others than the security module's")
		}
		if other := fmt.Sprintf("%03d", (int(printed[0]-'0')*100+int(printed[1]-'0')*10+int(printed[2]-'0')+1)%1000); !h.cvv2(desk, printed) || h.cvv2(desk, other) {
			t.Error("the printed CVV2 is not verified, or another is")
		}
		h.do(desk, http.MethodPost, "/v1/cards/"+h.token+"/security-values", strings.NewReader(`{"zone":"pos"}`), asJSON).refused(http.StatusUnprocessableEntity, "unknown_zone")
		for path, body := range map[string]string{"security-values": `{"zone":"vault"}`, "cvv2/verify": `{"cvv2":"123"}`} {
			at := "/v1/cards/" + h.token + "/" + path
			s.do(strangers, http.MethodPost, at, strings.NewReader(body), asJSON).refused(http.StatusNotFound, "not_found")
			s.do(s.mine, http.MethodPost, at, strings.NewReader(body), asJSON).refused(http.StatusForbidden, "forbidden")
			for _, bad := range []string{`{}`, `{"zone":1}`, `{"cvv2":"12"}`, `{"cvv2":"12x"}`, `[]`} {
				s.do(desk, http.MethodPost, at, strings.NewReader(bad), asJSON).refused(http.StatusUnprocessableEntity, "invalid_request")
			}
		}
		s.act(s.mine, h.token, "block", "lost").want(http.StatusOK)
		h.do(desk, http.MethodPost, "/v1/cards/"+h.token+"/security-values", strings.NewReader(`{"zone":"vault"}`), asJSON).refused(http.StatusConflict, "card_status")

		// A CVV2 that changes stands for the printed one, and is taken in its window and the grace.
		h = s.holderOf("V%232")
		v = h.values(desk, private)
		if want := noon.Add(time.Hour); !v.CVV2ExpiresAt.Equal(want) {
			t.Errorf("it lasts until %s, want %s", v.CVV2ExpiresAt, want)
		}
		order, err := s.plant.Product(t.Context(), s.mine.institution, "mc-credit-chip")
		if err != nil {
			t.Fatal(err)
		}
		if printed := h.code("cvk-mastercard", expiry, "000", order.CVV2Order == "MMYY"); printed != v.CVV2 && h.cvv2(desk, printed) {
			t.Error("the printed CVV2 is still taken")
		}
		for hours, want := range map[int]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
			s.plant.Now = func() time.Time { return noon.Add(time.Duration(hours) * time.Hour) }
			if got := h.cvv2(desk, v.CVV2); got != want {
				t.Errorf("%d hours later it is taken: %v", hours, got)
			}
		}
		events := decode[api.Card](s.get(s.mine, "/v1/cards/"+h.token).want(http.StatusOK)).Events
		if !strings.Contains(fmt.Sprint(events), "security_values_told") || !strings.Contains(fmt.Sprint(events), "cvv2_refused") {
			t.Errorf("events %v", events)
		}
	})
}
