package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"platen/batch"
	"platen/services/actions"
	"platen/services/cards"
	"platen/services/customers"
	"platen/services/holders"
	"platen/services/instant"
	"platen/services/ledger"
	"platen/services/massissue"
	"platen/services/pins"
	"platen/services/prepaid"
	"platen/services/simulate"
	"platen/services/values"
	"platen/services/webhooks"
)

// DefaultMaxBody is how many bytes an order may have when the configuration does not say.
const DefaultMaxBody = 100 << 20

// Config is what the API serves with. Plant and Webhooks are needed.
type Config struct {
	Plant   *batch.Plant
	Log     zerolog.Logger
	Metrics http.Handler                    // served at /metrics; nil = nothing there
	Ready   func(ctx context.Context) error // what /readyz asks; nil = always ready
	Version string                          // of the program, told in the OpenAPI document
	Now     func() time.Time                // clock of the request log; nil = time.Now
	MaxBody int64                           // bytes of one order; 0 = DefaultMaxBody

	PublicURL string  // scheme and host as clients see them behind a proxy; empty = as requests come
	Secrets   Secrets // of clients that sign with one

	Webhooks *webhooks.Service // who is told what happens
	Dialects []Dialect         // other services' HTTP
}

// service is the API with all that its handlers use.
type service struct {
	Config
	mux        *http.ServeMux
	limits     *limits
	cards      *cards.Service
	customers  *customers.Service
	massIssues *massissue.Service
	actions    *actions.Service
	instant    *instant.Service
	pins       *pins.Service
	values     *values.Service

	simulate *simulate.Service
	ledger   *ledger.Service
	dialects map[string]*Dialect
	holders  *holders.Service
	prepaid  *prepaid.Service
}

// New builds the handler of everything under /v1, the OpenAPI document, and /livez, /readyz and /metrics.
func New(c Config) (http.Handler, error) {
	if c.Plant == nil {
		return nil, errors.New("the API needs a plant")
	}
	if c.Webhooks == nil {
		return nil, errors.New("the API needs what manages webhooks")
	}
	if c.MaxBody < 0 {
		return nil, errors.New("the largest body cannot be negative")
	}
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &service{Config: c, mux: http.NewServeMux(), limits: newLimits(), cards: &cards.Service{Plant: c.Plant},
		customers: &customers.Service{Plant: c.Plant}, massIssues: &massissue.Service{Plant: c.Plant}, actions: actions.New(c.Plant), instant: instant.New(c.Plant), pins: &pins.Service{Plant: c.Plant}, values: &values.Service{Plant: c.Plant}}
	s.simulate = &simulate.Service{Plant: c.Plant, Cards: s.cards}
	s.ledger, s.holders = &ledger.Service{Plant: c.Plant}, &holders.Service{Plant: c.Plant}
	s.prepaid = prepaid.New(c.Plant, c.Secrets.Label)
	s.routeHealth()
	s.routeV1()
	if err := s.routeDialects(); err != nil {
		return nil, err
	}
	return s.logged(s.recovered(http.HandlerFunc(s.dispatch))), nil
}

// dispatch answers what no route takes with a problem as well, and hands the rest to its route.
func (s *service) dispatch(w http.ResponseWriter, r *http.Request) {
	h, pattern := s.mux.Handler(r)
	if pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	refusal := refusalHeader{header: http.Header{}}
	h.ServeHTTP(&refusal, r)
	if refusal.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", refusal.header.Get("Allow"))
		s.fail(w, r, problem(http.StatusMethodNotAllowed, "method_not_allowed", "this path does not take this method"))
		return
	}
	s.fail(w, r, nowhere())
}

// refusalHeader takes only the status and header of the router's own plain-text refusal.
type refusalHeader struct {
	header http.Header
	status int
}

func (r *refusalHeader) Header() http.Header         { return r.header }
func (r *refusalHeader) WriteHeader(status int)      { r.status = status }
func (r *refusalHeader) Write(p []byte) (int, error) { return len(p), nil }

// Limits of a connection. Orders move their own read deadline on as long as bytes keep coming.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
)

// Server is an HTTP server with timeouts on all four phases of a request.
func Server(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr: addr, Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
	}
}
