package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"platen/api"
	"platen/api/enfuce"
	"platen/api/finhub"
	"platen/api/firstvision"
	"platen/api/offblocks"
	"platen/batch"
	"platen/card"
	"platen/delivery"
	"platen/delivery/webhook"
	"platen/formats"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/keystore"
	"platen/hsm/software"
	"platen/hsm/vault"
	"platen/programs"
	"platen/samples"
	"platen/services/webhooks"
	"platen/sql/store"
	"platen/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

// noon is a Saturday; the next cut-offs are on Monday.
var noon = time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)

// site is a running API with two institutions that have the same programs on different numbers.
type site struct {
	t       *testing.T
	plant   *batch.Plant
	keys    *keystore.Store
	server  *httptest.Server
	log     *lockedBuffer
	mine    client
	theirs  client
	handler http.Handler
	hooks   *webhooks.Service
}

// client is an API client: who it is and its key.
type client struct {
	institution store.Institution
	key         string
}

// onBoth runs one test on a site of each database.
func onBoth(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	onBothAt(t, api.Config{}, test)
}

// onBothAt is onBoth with more of the configuration than all sites have.
func onBothAt(t *testing.T, config api.Config, test func(t *testing.T, s *site)) {
	t.Helper()
	for name, address := range map[string]func(testing.TB) string{"SQLite": sqlite, "PostgreSQL": testbed.Postgres} {
		t.Run(name, func(t *testing.T) { test(t, newSite(t, address(t), config)) })
	}
}

func sqlite(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "platen.db") }

func newSite(t *testing.T, address string, config api.Config) *site {
	t.Helper()
	s := &site{t: t, log: &lockedBuffer{}}
	s.plant, s.keys = newPlant(t, address)
	s.mine = s.newClient("demo-bank", 0)
	s.theirs = s.newClient("other-bank", 1)
	config.Plant, config.Log = s.plant, zerolog.New(s.log)
	config.Secrets = api.Secrets{Vault: s.plant.Vault, Label: "secrets"}
	if config.Now == nil {
		config.Now = func() time.Time { return noon }
	}
	policy := webhook.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	config.Webhooks = &webhooks.Service{Plant: s.plant, Label: "secrets", Policy: policy, Sender: webhook.NewSender(policy, nil, "platen/1", config.Now),
		Forms: map[string]webhooks.Form{programs.Finhub: finhub.NewMessages(s.plant, "secrets")}}
	if config.Version == "" {
		config.Version = "1"
	}
	s.hooks = config.Webhooks
	config.Dialects = dialects(s.plant, s.hooks.Sender)
	var err error
	if s.handler, err = api.New(config); err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewUnstartedServer(s.handler)
	s.server.Config = api.Server("", s.handler)
	s.server.Start()
	t.Cleanup(s.server.Close)
	return s
}

// dialects are those that the program serves.
func dialects(plant *batch.Plant, sender *webhook.Sender) []api.Dialect {
	return []api.Dialect{offblocks.New(plant), enfuce.New(plant), firstvision.New(plant), finhub.New(plant, "secrets", sender)}
}

func newPlant(t *testing.T, address string) (*batch.Plant, *keystore.Store) {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	ledger, err := batch.OpenLedger(filepath.Join(dir, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, closing := range []func() error{ledger.Close, db.Close} {
			if err := closing(); err != nil {
				t.Error(err)
			}
		}
	})
	entropy := hsm.SeededEntropy("api tests")
	keys := newKeys(t, dir, entropy)
	module, err := software.New(keys, entropy, software.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := batch.New(batch.Plant{
		Store: db, Module: module, Vault: vault.New(keys), Entropy: entropy, Ledger: ledger, Now: func() time.Time { return noon },
		Spool: filepath.Join(dir, "spool"), ResolveKey: pgpKeys(t), PINStorage: "pin-storage", TokenKey: "token", SecretsKey: "token", Stamp: "TEST", Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, keys
}

func newKeys(t *testing.T, dir string, entropy hsm.Entropy) *keystore.Store {
	t.Helper()
	kbpk, err := keystore.CreateKBPK(filepath.Join(dir, "kbpk"), entropy)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keystore.Create(filepath.Join(dir, "keys.json"), kbpk, keystore.Test)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		label     card.KeyLabel
		usage     keystore.Usage
		algorithm keystore.Algorithm
	}{
		{"permutation", keyblock.Data, keyblock.AES}, {"token", keyblock.Data, keyblock.AES}, {"secrets", keyblock.Data, keyblock.AES}, {"pin-storage", keyblock.PINStorage, keyblock.AES},
		{"cvk-visa", keyblock.CVK, keyblock.TDES}, {"cvk-mastercard", keyblock.CVK, keyblock.TDES}, {"pvk-visa", keyblock.VisaPVK, keyblock.TDES},
		{"pvk-mastercard", keyblock.VisaPVK, keyblock.TDES}, {"pvk-prepaid", keyblock.IBMPVK, keyblock.TDES},
		{"csck-amex", keyblock.CVK, keyblock.TDES}, {"pvk-amex", keyblock.VisaPVK, keyblock.TDES},
		{"zpk-north", keyblock.ZPK, keyblock.AES}, {"zpk-south", keyblock.ZPK, keyblock.TDES},
		{"zpk-pos", keyblock.ZPK, keyblock.TDES}, {"zpk-app", keyblock.ZPK, keyblock.AES}, {"zek-pos", keyblock.ZEK, keyblock.TDES},
	} {
		if err := keys.Generate(k.label, k.usage, k.algorithm, entropy); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// pgpKeys answers every key file that the programs name with one of a single pair.
func pgpKeys(t *testing.T) batch.KeySource {
	t.Helper()
	public, private, err := delivery.NewKeyPair("test", "test@example.org", noon.Add(-24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return func(name string) (card.Secret, error) {
		if strings.HasSuffix(name, ".pub.asc") {
			return card.NewSecret(public), nil
		}
		return card.NewSecret(private), nil
	}
}

// newClient declares an institution with the sample programs, its ranges moved so that no two have a number in common, and gives it a client.
func (s *site) newClient(code string, move int64) client {
	s.t.Helper()
	c := client{institution: s.declare(code, move, func(*programs.Set) {})}
	c.key = s.addBearer(store.Client{Institution: c.institution.ID, Name: code + "-desk", Roles: "submit,operate", Rate: 1_000_000})
	return c
}

// declare applies the sample programs of an institution, with a change.
func (s *site) declare(code string, move int64, change func(*programs.Set)) store.Institution {
	s.t.Helper()
	set, err := programs.Load(samples.FS, "programs")
	if err != nil {
		s.t.Fatal(err)
	}
	set.Institution.Code, set.Institution.Sandbox = code, move == 0
	for i := range set.Ranges {
		set.Ranges[i].First += move * set.Ranges[i].Size
	}
	set.Zones = []programs.Zone{{Code: "pos", Key: "zpk-pos", PINFormat: 0}, {Code: "app", Key: "zpk-app", PINFormat: 4}, {Code: "swipe", Key: "zpk-pos", PINFormat: 1}, {Code: "pad", Key: "zpk-pos", PINFormat: 3}, {Code: "enfuce-1", Key: "zpk-pos", PINFormat: 1},
		{Code: finhub.Zone, PublicKey: fieldKeys(s.t).public}}
	set.Mappings = []formats.Mapping{{Code: "core", Delimiter: ";", Columns: map[string]string{"CARDTYPE": "product", "COUNT": "quantity"}, Ignore: []string{"BATCHNO"},
		Values: map[string]map[string]string{"product": {"PPM": "prepaid-mag"}}}}
	set.Products = append(set.Products, cardTypes(set)...)
	change(set)
	ctx := s.t.Context()
	if _, err := s.plant.Apply(ctx, set, "test", false); err != nil {
		s.t.Fatal(err)
	}
	i, err := s.plant.Store.Institution(ctx, code)
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

// addBearer adds a client that has a bearer key, and returns the key.
func (s *site) addBearer(c store.Client) string {
	s.t.Helper()
	key, sum, err := api.NewClientKey()
	if err != nil {
		s.t.Fatal(err)
	}
	c.ID, c.Method, c.KeySHA256 = uuid.New(), store.BearerClient, sum
	s.add(c)
	return key
}

func (s *site) add(c store.Client) {
	s.t.Helper()
	c.CreatedAt = noon
	if err := s.plant.Store.InTx(s.t.Context(), func(tx *store.Tx) error { return tx.InsertClient(s.t.Context(), c) }); err != nil {
		s.t.Fatal(err)
	}
}

// answer is what a request was answered with, checked against the OpenAPI document.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// option changes a request before it is sent.
type option func(*http.Request)

func header(name, value string) option { return func(r *http.Request) { r.Header.Set(name, value) } }

func asCSV(r *http.Request)   { r.Header.Set("Content-Type", "text/csv") }
func asLines(r *http.Request) { r.Header.Set("Content-Type", "application/jsonl") }
func asJSON(r *http.Request)  { r.Header.Set("Content-Type", "application/json") }

// on is the same site for a subtest.
func (s *site) on(t *testing.T) *site {
	sub := *s
	sub.t = t
	return &sub
}

// do sends a request as a client and holds the answer against the document.
func (s *site) do(c client, method, path string, body io.Reader, options ...option) answer {
	s.t.Helper()
	r := s.request(c, method, path, body, options...)
	a, err := s.send(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.checkAgainstDocument(r, a)
	return a
}

func (s *site) request(c client, method, path string, body io.Reader, options ...option) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if c.key != "" {
		r.Header.Set("Authorization", "Bearer "+c.key)
	}
	for _, o := range options {
		o(r)
	}
	return r
}

func (s *site) send(r *http.Request) (answer, error) {
	response, err := s.server.Client().Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	a := answer{t: s.t, status: response.StatusCode, header: response.Header}
	a.body, err = io.ReadAll(response.Body)
	return a, err
}

// sending is a request whose answer is awaited elsewhere.
type sending struct {
	answer answer
	err    error
}

// start sends a request while its body is still being written.
func (s *site) start(r *http.Request) <-chan sending {
	done := make(chan sending, 1)
	go func() {
		a, err := s.send(r)
		done <- sending{a, err}
	}()
	return done
}

func (s *site) get(c client, path string, options ...option) answer {
	s.t.Helper()
	return s.do(c, http.MethodGet, path, nil, options...)
}

func (s *site) submit(c client, reference, csv string) answer {
	s.t.Helper()
	return s.do(c, http.MethodPost, "/v1/orders?reference="+reference, strings.NewReader(csv), asCSV)
}

// want fails unless the status is the one that is wanted.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// refused fails unless the answer is a problem of this status and code.
func (a answer) refused(status int, code string) api.Problem {
	a.t.Helper()
	a.want(status)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Fatalf("a problem of type %q: %s", got, a.body)
	}
	p := decode[api.Problem](a)
	if p.Code != code || p.Status != status || p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
		a.t.Fatalf("problem %s, want code %s and status %d with the request's id", a.body, code, status)
	}
	return p
}

// decode reads an answer's body strictly.
func decode[T any](a answer) T {
	a.t.Helper()
	var v T
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		a.t.Fatalf("%v: %s", err, a.body)
	}
	return v
}

// produce cuts off what is open and builds every file, so that cards exist.
func (s *site) produce(c client) []store.File {
	s.t.Helper()
	ctx := s.t.Context()
	b, _, err := s.plant.RunNow(ctx, c.institution, "nightly", "", "test")
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.plant.Plan(ctx, b.Number); err != nil {
		s.t.Fatal(err)
	}
	s.build(card.FilePlanned)
	files, err := s.plant.Store.FilesOfBatch(ctx, b.Number)
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

func (s *site) build(state card.FileState) {
	s.t.Helper()
	ctx := s.t.Context()
	var due []store.Due
	err := s.plant.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.ClaimStale(ctx, batch.Lease, state)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range due {
		if err := s.plant.Build(ctx, d.Number, d.Epoch); err != nil {
			s.t.Fatal(err)
		}
	}
}

// lockedBuffer is a log that many requests write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
