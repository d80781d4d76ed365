package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"platen/api"
	"platen/api/offblocks"
	"platen/programs"
	"platen/samples"
	"platen/services/customers"
	"platen/services/records"
	"platen/sql/store"
)

// offblocksClient calls the dialect: with a bearer key, and signing with a key on P-384.
type offblocksClient struct {
	client
	signer
	site *site
}

func (s *site) offblocks(c client, roles string) *offblocksClient {
	s.t.Helper()
	name := uuid.NewString()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		s.t.Fatal(err)
	}
	by := signer{id: uuid.New(), at: noon, sign: func(m []byte) []byte {
		sum := sha512.Sum384(m)
		a, b, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			s.t.Error(err)
		}
		sig := make([]byte, 96)
		a.FillBytes(sig[:48])
		b.FillBytes(sig[48:])
		return sig
	}}
	s.add(store.Client{ID: by.id, Institution: c.institution.ID, Name: name, Roles: roles, Rate: 1_000_000, Method: store.KeyPairClient, PublicKey: der})
	return &offblocksClient{client: c, signer: by, site: s}
}

// call sends one request; a key that is empty is left out.
func (o *offblocksClient) call(method, path, key, body string, options ...option) answer {
	o.site.t.Helper()
	if key != "" {
		options = append([]option{header("Idempotency-Key", key)}, options...)
	}
	var content io.Reader
	if body != "" {
		content, options = strings.NewReader(body), append([]option{asJSON}, options...)
	}
	return o.site.do(o.client, method, "/offblocks"+path, content, append(options, o.signs(body))...)
}

// change is call with a key of its own.
func (o *offblocksClient) change(method, path, body string) answer {
	o.site.t.Helper()
	return o.call(method, path, uuid.NewString(), body)
}

func (o *offblocksClient) card(id string) offblocks.Card {
	o.site.t.Helper()
	return decode[offblocks.Card](o.call(http.MethodGet, "/v1/cards/"+id, "", "").want(http.StatusOK))
}

// refusedAs fails unless the answer is an error of the dialect's form.
func (a answer) refusedAs(status int, code string) {
	a.t.Helper()
	e := decode[offblocks.Error](a.want(status))
	if e.Code != code || e.RequestID == "" || a.header.Get("Content-Type") != "application/json" {
		a.t.Fatalf("refused with %s, want %s", a.body, code)
	}
}

// account declares a customer and an account, and returns the account's id.
func (s *site) accountOf(c client, reference string, holder customers.Person) string {
	s.t.Helper()
	desk := &customers.Service{Plant: s.plant}
	by := records.By{Institution: c.institution, Actor: "test"}
	if _, _, err := desk.CreateCustomer(s.t.Context(), by, reference, holder); err != nil {
		s.t.Fatal(err)
	}
	a, _, err := desk.CreateAccount(s.t.Context(), by, reference, customers.Terms{Customer: reference})
	if err != nil {
		s.t.Fatal(err)
	}
	return a.ID.String()
}

var anaGomez = customers.Person{FirstName: "Ana", LastName: "Gomez"}

const (
	madrid       = `{"firstLine":"Calle 1","secondLine":"2 B","city":"Madrid","state":"Madrid","country":"ES","postCode":"28001"}`
	virtualCard  = `{"type":"virtual","billingAddress":` + madrid + `}`
	physicalCard = `{"type":"physical","billingAddress":` + madrid + `,"shippingAddress":` + madrid + `}`
)

func TestOffblocksIssuesAVirtualCard(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		o := s.offblocks(s.mine, "submit,operate")
		account := s.accountOf(s.mine, "A-1", anaGomez)
		cards := "/v1/accounts/" + account + "/cards"
		first := o.call(http.MethodPost, cards, "7f1d2a54-9c39-4a1e-8f9b-000000000001", virtualCard).want(http.StatusCreated)
		c := decode[offblocks.Card](first)
		if c.AccountID != account || c.Type != "virtual" || c.Network != "visa" || c.Status != "issuing" || c.Name != "ANA GOMEZ" || c.ExpirationDate != "11/2029" || c.BillingAddress.PostCode != "28001" ||
			len(c.MaskedPAN) != 16 || !strings.HasPrefix(c.MaskedPAN, "400000******") || c.CreatedAt != "2026-11-21T12:00:00Z" {
			t.Fatalf("created: %s", first.body)
		}
		if read := o.call(http.MethodGet, "/v1/cards/"+c.ID, "", "").want(http.StatusOK); string(read.body) != string(first.body) {
			t.Errorf("read: %s, created: %s", read.body, first.body)
		}
		for range 2 {
			if a := o.call(http.MethodPatch, "/v1/simulator/cards/"+c.ID+"/issue", "7f1d2a54-9c39-4a1e-8f9b-000000000002", "").want(http.StatusAccepted); len(a.body) != 0 {
				t.Fatalf("issued: %q", a.body)
			}
		}
		if got := o.card(c.ID); got.Status != "active" {
			t.Fatalf("issued: %+v", got)
		}
		// The same request is answered as it was, not as things are now.
		if again := o.call(http.MethodPost, cards, "7f1d2a54-9c39-4a1e-8f9b-000000000001", virtualCard).want(http.StatusCreated); string(again.body) != string(first.body) {
			t.Errorf("again: %s, first %s", again.body, first.body)
		}
		o.call(http.MethodPost, cards, "7f1d2a54-9c39-4a1e-8f9b-000000000001", physicalCard).refusedAs(http.StatusUnprocessableEntity, "reference_reused")
		o.call(http.MethodDelete, "/v1/cards/"+c.ID, "7f1d2a54-9c39-4a1e-8f9b-000000000001", "").refusedAs(http.StatusUnprocessableEntity, "reference_reused")
		o.change(http.MethodPost, cards, virtualCard).refusedAs(http.StatusConflict, "card_limit")
		if got := decode[offblocks.Card](o.change(http.MethodPost, "/v1/cards/"+c.ID+"/deactivate", "").want(http.StatusOK)); got.Status != "inactive" {
			t.Fatalf("deactivated: %+v", got)
		}
		if got := decode[offblocks.Card](o.change(http.MethodPatch, "/v1/cards/"+c.ID+"/activate", "").want(http.StatusOK)); got.Status != "active" {
			t.Fatalf("activated: %+v", got)
		}
		o.change(http.MethodDelete, "/v1/cards/"+c.ID, "").want(http.StatusNoContent)
		if got := o.card(c.ID); got.Status != "terminated" {
			t.Fatalf("terminated: %+v", got)
		}
		o.change(http.MethodPost, "/v1/cards/"+c.ID+"/activate", "").refusedAs(http.StatusConflict, "card_status")
		second := decode[offblocks.Card](o.change(http.MethodPost, cards, virtualCard).want(http.StatusCreated))
		o.change(http.MethodPatch, "/v1/simulator/cards/"+second.ID+"/fail", "").want(http.StatusAccepted)
		list := decode[[]offblocks.Card](o.call(http.MethodGet, cards, "", "").want(http.StatusOK))
		if len(list) != 2 || list[0].Status != "terminated" || list[1].ID != second.ID || list[1].Status != "issue_failed" {
			t.Fatalf("the account's cards: %+v", list)
		}
		s.balanced()
	})
}

func TestOffblocksIssuesAPhysicalCardThatLeavesInTheNextFile(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		o := s.offblocks(s.mine, "submit,operate")
		account := s.accountOf(s.mine, "A-1", anaGomez)
		c := decode[offblocks.Card](o.change(http.MethodPost, "/v1/accounts/"+account+"/cards", physicalCard).want(http.StatusCreated))
		o.change(http.MethodPost, "/v1/accounts/"+account+"/cards", virtualCard).want(http.StatusCreated)
		o.change(http.MethodPost, "/v1/accounts/"+account+"/cards", physicalCard).refusedAs(http.StatusConflict, "card_limit")
		files := s.produce(s.mine)
		if len(files) != 2 || files[0].Planned != 1 || files[1].Planned != 1 {
			t.Fatalf("files: %+v", files)
		}
		o.change(http.MethodPatch, "/v1/simulator/cards/"+c.ID+"/fail", "").refusedAs(http.StatusConflict, "card_in_file")
		o.change(http.MethodPatch, "/v1/simulator/cards/"+c.ID+"/issue", "").want(http.StatusAccepted)
		got := o.card(c.ID)
		if got.Status != "active" || got.ShippingAddress == nil || got.ExpirationDate != "11/2030" {
			t.Fatalf("issued: %+v", got)
		}
		// What the issuer itself stops is suspended: its holder does not start it again.
		token := s.tokenOn(account)
		s.act(s.mine, token, "block", "fraud desk").want(http.StatusOK)
		if got := o.card(c.ID); got.Status != "suspended" {
			t.Fatalf("blocked: %+v", got)
		}
		o.change(http.MethodPost, "/v1/cards/"+c.ID+"/activate", "").refusedAs(http.StatusConflict, "card_status")
		s.end(s.mine, token, `{"reason":"x","for":"STOLEN"}`).want(http.StatusOK)
		if got := o.card(c.ID); got.Status != "blocked" {
			t.Fatalf("stolen: %+v", got)
		}
		nameless := s.accountOf(s.mine, "A-2", customers.Person{})
		o.change(http.MethodPost, "/v1/accounts/"+nameless+"/cards", physicalCard).refusedAs(http.StatusConflict, "customer_without_name")
		o.change(http.MethodPost, "/v1/accounts/"+nameless+"/cards", virtualCard).want(http.StatusCreated)
		s.balanced()
	})
}

// tokenOn is the token of the oldest card on an account.
func (s *site) tokenOn(account string) string {
	s.t.Helper()
	desk := &customers.Service{Plant: s.plant}
	a, err := desk.AccountByID(s.t.Context(), s.mine.institution, uuid.MustParse(account))
	if err != nil {
		s.t.Fatal(err)
	}
	page, err := desk.Cards(s.t.Context(), s.mine.institution, a, 0, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	return page[0][0].Token
}

func TestOffblocksRefusesInItsOwnForm(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		o, stranger := s.offblocks(s.mine, "submit,operate"), s.offblocks(s.theirs, "submit,operate")
		account := s.accountOf(s.mine, "A-1", anaGomez)
		cards := "/v1/accounts/" + account + "/cards"
		c := decode[offblocks.Card](o.change(http.MethodPost, cards, virtualCard).want(http.StatusCreated))
		one, simulator := "/v1/cards/"+c.ID, "/v1/simulator/cards/"+c.ID
		orders := string(s.get(s.mine, "/v1/orders").want(http.StatusOK).body)

		long := strings.Repeat("x", 201)
		for _, body := range []string{
			``, `[]`, `{}`, `null`, `{"type":`, `{"type":"virtual"}`, `{"type":7,"billingAddress":` + madrid + `}`, `{"type":"metal","billingAddress":` + madrid + `}`,
			`{"type":"virtual","billingAddress":` + madrid + `,"pan":"1"}`, `{"type":"virtual","billingAddress":"Madrid"}`, `{"type":"physical","billingAddress":` + madrid + `}`,
			strings.Replace(physicalCard, "physical", "virtual", 1), strings.Replace(virtualCard, "Calle 1", "", 1), strings.Replace(virtualCard, "Calle 1", long, 1),
			strings.Replace(virtualCard, "2 B", long, 1), strings.Replace(virtualCard, `"city":"Madrid"`, `"city":"`+long+`"`, 1), strings.Replace(virtualCard, `"state":"Madrid"`, `"state":"`+long+`"`, 1),
			strings.Replace(virtualCard, "28001", long, 1), strings.Replace(virtualCard, `"ES"`, `"Spain"`, 1), strings.Replace(virtualCard, `"ES"`, `"XX"`, 1), strings.Replace(virtualCard, `"28001"`, `28001`, 1),
			strings.Replace(virtualCard, `"city"`, `"town"`, 1), strings.Replace(virtualCard, "Calle 1", "4000001234567899", 1), strings.Replace(virtualCard, "Calle 1", `a\u0000b`, 1),
			"{\"type\":\"virtual\",\"billingAddress\":" + strings.Replace(madrid, "Madrid", "\xff", 1) + "}", `{"type":"` + strings.Repeat("x", 70<<10) + `"}`,
		} {
			if a := o.change(http.MethodPost, cards, body); a.status != http.StatusBadRequest || decode[offblocks.Error](a).Code == "" {
				t.Errorf("%.80q: %d %s", body, a.status, a.body)
			}
		}
		o.call(http.MethodPost, cards, "", virtualCard).refusedAs(http.StatusBadRequest, "invalid_request")
		o.call(http.MethodPost, cards, "not-a-uuid", virtualCard).refusedAs(http.StatusBadRequest, "invalid_request")
		o.call(http.MethodGet, cards+"?page=2", "", "").refusedAs(http.StatusBadRequest, "invalid_request")
		o.change(http.MethodDelete, one, `{}`).refusedAs(http.StatusBadRequest, "invalid_request")
		for _, missing := range []string{"/v1/cards/" + uuid.NewString(), "/v1/cards/7", "/v1/nothing", "/v1/accounts/" + uuid.NewString() + "/cards"} {
			o.call(http.MethodGet, missing, "", "").refusedAs(http.StatusNotFound, "not_found")
		}
		o.change(http.MethodPut, one, "").refusedAs(http.StatusMethodNotAllowed, "method_not_allowed")
		o.change(http.MethodPost, one+"/deactivate", "").refusedAs(http.StatusConflict, "card_status")

		for _, path := range []string{one, cards} {
			stranger.call(http.MethodGet, path, "", "").refusedAs(http.StatusNotFound, "not_found")
		}
		for method, path := range map[string]string{http.MethodDelete: one, http.MethodPatch: simulator + "/issue", http.MethodPost: one + "/activate"} {
			stranger.change(method, path, "").refusedAs(http.StatusNotFound, "not_found")
		}
		stranger.change(http.MethodPost, cards, virtualCard).refusedAs(http.StatusNotFound, "not_found")

		looking := s.offblocks(s.mine, "")
		looking.call(http.MethodGet, one, "", "").want(http.StatusOK)
		looking.change(http.MethodDelete, one, "").refusedAs(http.StatusForbidden, "forbidden")
		s.refusesProofs(o, one, cards)
		if after := string(s.get(s.mine, "/v1/orders").want(http.StatusOK).body); after != orders || o.card(c.ID).Status != "issuing" {
			t.Errorf("something changed: %s", after)
		}
	})
}

// refusesProofs sends requests that are not proved as they must be.
func (s *site) refusesProofs(o *offblocksClient, one, cards string) {
	s.t.Helper()
	key := header("Idempotency-Key", uuid.NewString())
	s.do(client{}, http.MethodGet, "/offblocks"+one, nil, o.signs("")).refusedAs(http.StatusUnauthorized, "unauthorized")
	s.do(s.mine, http.MethodGet, "/offblocks"+one, nil).refusedAs(http.StatusUnauthorized, "bad_signature")
	s.do(s.theirs, http.MethodGet, "/offblocks"+one, nil, o.signs("")).refusedAs(http.StatusUnauthorized, "bad_signature")
	s.do(s.mine, http.MethodGet, "/offblocks"+one, nil, s.pairSigner(s.mine, "p-256").signs("")).refusedAs(http.StatusUnauthorized, "bad_signature")
	s.do(s.mine, http.MethodGet, "/offblocks"+one, nil, s.secretSigner(s.mine, "hmac").signs("")).refusedAs(http.StatusUnauthorized, "bad_signature")
	late := *o
	late.at = noon.Add(-time.Hour)
	late.call(http.MethodGet, one, "", "").refusedAs(http.StatusUnauthorized, "bad_signature")
	s.do(s.mine, http.MethodPost, "/offblocks"+cards, strings.NewReader(virtualCard), asJSON, key, o.signs(virtualCard), altered(physicalCard)).refusedAs(http.StatusBadRequest, "digest_mismatch")
	s.do(s.mine, http.MethodPost, "/offblocks"+cards, strings.NewReader(virtualCard), asJSON, key, o.signs("")).refusedAs(http.StatusUnauthorized, "bad_signature")
	s.do(s.mine, http.MethodPost, "/offblocks"+cards, strings.NewReader(virtualCard), asJSON, key, o.signs(virtualCard),
		header("Idempotency-Key", uuid.NewString())).refusedAs(http.StatusUnauthorized, "bad_signature")
}

func TestOneKeyMakesOneCardHoweverOftenItIsSent(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		o := s.offblocks(s.mine, "submit,operate")
		account := s.accountOf(s.mine, "A-1", anaGomez)
		key := uuid.NewString()
		made := map[string]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				r := s.request(s.mine, http.MethodPost, "/offblocks/v1/accounts/"+account+"/cards", strings.NewReader(virtualCard), asJSON, header("Idempotency-Key", key), o.signs(virtualCard))
				a, err := s.send(r)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil || a.status != http.StatusCreated && a.status != http.StatusConflict:
					t.Errorf("%v %d: %s", err, a.status, a.body)
				case a.status == http.StatusCreated:
					made[string(a.body)]++
				}
			})
		}
		all.Wait()
		first := o.call(http.MethodPost, "/v1/accounts/"+account+"/cards", key, virtualCard).want(http.StatusCreated).body
		if len(made) > 1 || len(made) == 1 && made[string(first)] == 0 {
			t.Errorf("several answers: %v", made)
		}
		if list := decode[[]offblocks.Card](o.call(http.MethodGet, "/v1/accounts/"+account+"/cards", "", "").want(http.StatusOK)); len(list) != 1 {
			t.Errorf("%d cards", len(list))
		}
	})
}

// A process that dies leaves its key held: until that runs out a repetition waits. One that died after its card was made left an order, which a repetition finds.
func TestAKeyWhoseProcessDiedIsTakenOver(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		o := s.offblocks(s.mine, "submit,operate")
		path := "/v1/accounts/" + s.accountOf(s.mine, "A-1", anaGomez) + "/cards"
		dead := func(key string, seconds int) {
			t.Helper()
			sum := sha256.Sum256([]byte("POST /offblocks" + path + "\n" + virtualCard))
			err := s.plant.Store.InTx(t.Context(), func(tx *store.Tx) error {
				_, mine, err := tx.ClaimRequest(t.Context(), store.KeyedRequest{Client: o.id, Key: key, Fingerprint: sum[:]}, seconds, noon)
				if !mine {
					t.Error("the key is held already")
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		held, let := uuid.NewString(), uuid.NewString()
		dead(held, 60)
		o.call(http.MethodPost, path, held, virtualCard).refusedAs(http.StatusConflict, "order_in_flight")
		dead(let, -1)
		first := decode[offblocks.Card](o.call(http.MethodPost, path, let, virtualCard).want(http.StatusCreated))
		if again := decode[offblocks.Card](s.offblocks(s.mine, "submit").call(http.MethodPost, path, let, virtualCard).want(http.StatusCreated)); again.ID != first.ID {
			t.Errorf("made again: %+v", again)
		}
	})
}

func TestADialectThatIsNotDeclaredIsNotThere(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	set, err := programs.Load(samples.FS, "programs")
	if err != nil {
		t.Fatal(err)
	}
	o := s.offblocks(s.mine, "submit,operate")
	account := s.accountOf(s.mine, "A-1", anaGomez)
	c := decode[offblocks.Card](o.change(http.MethodPost, "/v1/accounts/"+account+"/cards", virtualCard).want(http.StatusCreated))
	set.Institution.Code, set.Institution.Dialects = s.mine.institution.Code, nil
	if _, err := s.plant.Apply(t.Context(), set, "test", false); err != nil {
		t.Fatal(err)
	}
	nothing := decode[offblocks.Error](o.call(http.MethodGet, "/v1/nothing", "", "").want(http.StatusNotFound))
	for path, method := range maps.All(map[string]string{"/v1/cards/" + c.ID: http.MethodGet, "/v1/accounts/" + account + "/cards": http.MethodGet, "/v1/simulator/cards/" + c.ID + "/issue": http.MethodPatch}) {
		e := decode[offblocks.Error](o.change(method, path, "").want(http.StatusNotFound))
		if e.Code != nothing.Code || e.Message != nothing.Message {
			t.Errorf("%s: %+v", path, e)
		}
	}
}
