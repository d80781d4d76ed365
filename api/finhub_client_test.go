package api_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"platen/sql/store"
)

// fieldKey is the key pair of a client that decrypts what it is told of cards.
type fieldKey struct {
	private *rsa.PrivateKey
	public  string // PEM
}

var fieldKeyOnce = sync.OnceValues(func() (fieldKey, error) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fieldKey{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	return fieldKey{k, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}, err
})

func fieldKeys(t *testing.T) fieldKey {
	t.Helper()
	k, err := fieldKeyOnce()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// open decrypts a value as a client does.
func (k fieldKey) open(t *testing.T, text string) string {
	t.Helper()
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	value, err := rsa.DecryptPKCS1v15(nil, k.private, sealed) //nolint:staticcheck // the form is the service's
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

const finhubBase = "/finhub/api/v2.1/fincard/virtual"

// finhubClient is a tenant that has logged in, and asks for each thing under a number of its own.
type finhubClient struct {
	site   *site
	tenant string
	key    string // of the client, for what it does natively
	token  string
	asked  int
}

func (s *site) finhub(institution store.Institution, roles string) *finhubClient {
	s.t.Helper()
	name := "ops@" + institution.Code + ".example"
	key := s.addBearer(store.Client{Institution: institution.ID, Name: name, Roles: roles, Rate: 1_000_000})
	a := s.do(client{}, http.MethodPost, "/finhub/api/auth/login", strings.NewReader(fmt.Sprintf(`{"email":%q,"password":%q,"tenantId":%q}`, name, key, institution.Code)), asJSON)
	token := a.done()
	if token["expiresIn"] != 3600.0 || token["tokenType"] != "Bearer" {
		s.t.Errorf("logged in: %v", token)
	}
	return &finhubClient{site: s, tenant: institution.Code, key: key, token: token["accessToken"].(string)}
}

const everyRole = "submit,operate,money,fund,holders,pin"

// finhubAnswer is an answer of the dialect.
type finhubAnswer struct {
	Success bool            `json:"success"`
	Code    int             `json:"code"`
	Msg     string          `json:"msg"`
	Data    json.RawMessage `json:"data"`
}

// done is the data of an answer that is a success.
func (a answer) done() map[string]any {
	a.t.Helper()
	e := decode[finhubAnswer](a.want(http.StatusOK))
	var data map[string]any
	if !e.Success || e.Code != 200 || json.Unmarshal(e.Data, &data) != nil {
		a.t.Fatalf("%s", a.body)
	}
	return data
}

// declined fails unless an answer is a refusal of the business with a code.
func (a answer) declined(code string) map[string]any {
	a.t.Helper()
	e := decode[finhubAnswer](a.want(http.StatusOK))
	var data map[string]any
	if e.Success || e.Code != -1 || e.Msg == "" || json.Unmarshal(e.Data, &data) != nil || data["errorCode"] != code {
		a.t.Errorf("refused with %s, want %s", a.body, code)
	}
	return data
}

// number is an order number that was not used.
func (f *finhubClient) number() string {
	f.asked++
	return fmt.Sprintf("ORDER-OF-%s-%06d", f.tenant, f.asked)
}

// post sends members to an operation, under a number that was not used unless they have one.
func (f *finhubClient) post(path, members string, options ...option) answer {
	f.site.t.Helper()
	if !strings.Contains(members, "merchantOrderNo") && needsNumber(path) {
		members = fmt.Sprintf(`"merchantOrderNo":%q,%s`, f.number(), members)
	}
	headers := []option{asJSON, header("Authorization", "Bearer "+f.token), header("X-Tenant-ID", f.tenant)}
	return f.site.do(client{}, http.MethodPost, finhubBase+path, strings.NewReader("{"+strings.TrimSuffix(members, ",")+"}"), append(headers, options...)...)
}

func needsNumber(path string) bool {
	return !slices.Contains([]string{"/card/v2/cardTypes", "/card/info", "/card/list", "/card/operation", "/card/v2/operation", "/card/info/sensitive", "/card/sensitive", "/card/note",
		"/card/holder/query", "/card/holder/v2/update", "/account/info", "/account/list", "/account/single/query", "/account/transaction"}, path)
}

func (f *finhubClient) do(path, members string) map[string]any {
	f.site.t.Helper()
	return f.post(path, members).done()
}

// on is do for one card.
func (f *finhubClient) on(path, card, members string) answer {
	f.site.t.Helper()
	return f.post(path, fmt.Sprintf(`"cardNo":%q,%s`, card, members))
}

// open opens a card of a card type, and returns its token.
func (f *finhubClient) open(cardType int, members string) string {
	f.site.t.Helper()
	o := f.do("/card/v2/openCard", fmt.Sprintf(`"cardTypeId":%d,%s`, cardType, members))
	if o["status"] != "success" || o["type"] != "create" {
		f.site.t.Fatalf("opened: %v", o)
	}
	return o["cardNo"].(string)
}

// The card types of the samples.
const (
	virtualCards  = 111001
	physicalCards = 111002
	sharedCards   = 111003
	giftCards     = 111004
)

// funded opens a wallet that holds an amount, and returns its id.
func (f *finhubClient) funded(amount string) string {
	f.site.t.Helper()
	wallet := f.do("/account/create", `"accountType":"WALLET","currency":"EUR"`)["accountId"].(string)
	f.site.do(client{key: f.key}, http.MethodPost, "/v1/ledger/accounts/"+wallet+"/funds", strings.NewReader(fmt.Sprintf(`{"reference":%q,"amount":%q}`, f.number(), amount)), asJSON).want(http.StatusCreated)
	return wallet
}

// holds fails unless an account holds an amount.
func (f *finhubClient) holds(account, amount string) {
	f.site.t.Helper()
	if a := f.do("/account/single/query", fmt.Sprintf(`"accountId":%q`, account)); a["totalBalance"] != amount || a["availableBalance"] != amount {
		f.site.t.Errorf("account holds %v, want %s", a, amount)
	}
}

// is fails unless a card has a status and a balance.
func (f *finhubClient) is(card, status, balance string) {
	f.site.t.Helper()
	v := f.on("/card/info", card, "").done()
	b, _ := v["balanceInfo"].(map[string]any)
	if v["status"] != status || balance == "" && b != nil || balance != "" && b["amount"] != balance {
		f.site.t.Errorf("card is %v, want %s with %s", v, status, balance)
	}
}

// audited hands in a holder of a card type, and lets it pass.
func (f *finhubClient) audited(cardType int, email string) string {
	f.site.t.Helper()
	h := f.do("/card/holder/v2/create", fmt.Sprintf(`"merchantOrderNo":%q,"cardTypeId":%d,"cardHolderModel":"B2B",%s`, f.number()+"-HOLDER", cardType, finhubPerson(email)))
	if h["status"] != "wait_audit" {
		f.site.t.Fatalf("handed in: %v", h)
	}
	id := h["holderId"].(string)
	desk := client{institution: f.site.mine.institution, key: f.site.mine.key}
	f.site.audit(desk, id, "review", "").want(http.StatusOK)
	f.site.audit(desk, id, "pass", "").want(http.StatusOK)
	return id
}

func finhubPerson(email string) string {
	return fmt.Sprintf(`"areaCode":"+34","mobile":"600123456","email":%q,"firstName":"Ana","lastName":"Muller","birthday":"1990-02-28","country":"ES","town":"ES-MD","address":"Calle Mayor 2","postCode":"28013"`, email)
}

// stock orders cards of the physical type, lets their bureau make the first, and returns their numbers.
func (f *finhubClient) stock(reference string, n int) []string {
	f.site.t.Helper()
	s := f.site
	s.submit(s.mine, reference, fmt.Sprintf("product,quantity\nprepaid-plastic,%d\n", n)).want(http.StatusCreated)
	s.sent(s.produce(s.mine))
	var numbers []string
	for unit := 1; unit <= n; unit++ {
		h := s.holderOf(fmt.Sprintf("%s%%23%d", reference, unit))
		if unit == 1 {
			s.step(s.mine, h.token, "produce").want(http.StatusOK)
		}
		numbers = append(numbers, string(h.pan.Reveal()))
	}
	return numbers
}

// listener is a subscriber's server that keeps what it takes, and confirms it.
type listener struct {
	server *httptest.Server
	mu     sync.Mutex
	says   string
	raw    [][]byte
	header []http.Header
}

func newListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{says: `{"success":true}`}
	l.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.raw, l.header = append(l.raw, raw), append(l.header, r.Header)
		_, _ = io.WriteString(w, l.says)
	}))
	t.Cleanup(l.server.Close)
	return l
}

// told is what a listener was told of a category, oldest first.
func (l *listener) told(category string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []map[string]any
	for _, raw := range l.raw {
		var v map[string]any
		if json.Unmarshal(raw, &v) == nil && v["category"] == category {
			all = append(all, v)
		}
	}
	return all
}

// listen subscribes somebody to what happens, in the form of the dialect, and returns the public key of its messages.
func (s *site) listen() (*listener, client, string) {
	s.t.Helper()
	l, admin := newListener(s.t), s.admin(s.mine)
	w := s.post200(admin, "/v1/webhooks", fmt.Sprintf(`{"url":%q,"form":"finhub"}`, l.server.URL), http.StatusCreated)
	made := decode[struct {
		PublicKey string `json:"public_key"`
		Secret    string
	}](answer{t: w.t, body: onlyMembers(w, "public_key", "secret")})
	if made.PublicKey == "" || made.Secret != "" {
		s.t.Fatalf("subscribed: %s", w.body)
	}
	return l, admin, made.PublicKey
}

// onlyMembers is an answer with nothing but some of its members.
func onlyMembers(a answer, names ...string) []byte {
	a.t.Helper()
	var all map[string]any
	if err := json.Unmarshal(a.body, &all); err != nil {
		a.t.Fatal(err)
	}
	some := map[string]any{}
	for _, n := range names {
		if v, ok := all[n]; ok {
			some[n] = v
		}
	}
	b, err := json.Marshal(some)
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

// verified proves with openssl that a message is signed by the key.
func (l *listener) verified(t *testing.T, public string) {
	t.Helper()
	dir := t.TempDir()
	for i, raw := range l.raw {
		signature, err := base64.StdEncoding.DecodeString(l.header[i].Get("X-FC-SIGNATURE"))
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"key": []byte(public), "body": raw, "signature": signature} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c := exec.CommandContext(t.Context(), "openssl", "dgst", "-sha256", "-verify", "key", "-signature", "signature", "body")
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("message %d: %v\n%s", i, err, out)
		}
	}
}
