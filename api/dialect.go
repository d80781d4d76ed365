package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"platen/api/signature"
	"platen/programs"
	"platen/sql/store"
)

// Dialect is the HTTP of another card-issuing service over the same core, served under /CODE to institutions that declare it. It translates: paths, members and their
// lengths, headers, proofs of identity, answers, and what a refusal looks like. It holds no rule about cards.
type Dialect struct {
	Code   string // as programs.Dialect has it
	Routes []DialectRoute

	// Signed is the only algorithm of the signature that every request has besides the bearer key of a client of the same institution; who signs is who calls. Empty = a request is
	// proved as under /v1.
	Signed signature.Algorithm
	// Login exchanges a client's key for a token, which proves a request as well as the key. nil = there is none.
	Login *Login
	// Check looks at what a request says of itself besides its proof, once it is known whose it is. nil = nothing.
	Check func(r *http.Request, i store.Institution) error
	// Proof reads what a request that is signed with a shared secret shows of who sends it. nil = requests are proved otherwise.
	Proof func(r *http.Request, content []byte) (Proof, error)
	// Key reads the idempotency key of a request that changes something; empty = it has none. nil = there are none.
	Key func(*http.Request) (string, error)
	// Audit reads who the person behind the client is; empty = nobody is named. nil = it is in X-Audit-User.
	Audit func(*http.Request) (string, error)
	// Refuse writes a problem as the service would.
	Refuse func(p *Problem, now time.Time) Reply
}

// DialectRoute is one operation of a dialect.
type DialectRoute struct {
	Pattern string   // method and path below /CODE
	Role    Role     // empty = every client of the institution may
	Query   []string // the parameters that it knows
	Handle  Handler
}

// Handler answers one request of a dialect.
type Handler func(ctx context.Context, c *Call) (Reply, error)

// Reply is an answer: Body is written as JSON; nil = there is none.
type Reply struct {
	Status int
	Header http.Header
	Body   any
}

// Call is a request of a known client.
type Call struct {
	*http.Request

	Institution store.Institution
	Settings    programs.Institution
	Dialect     programs.Dialect
	Actor       string
	Client      store.Client
	Key         string // idempotency key; empty = none
	Content     []byte
}

// maxCall is how many bytes a request of a dialect may have; callLease for how many seconds nobody else takes on a request with the same key.
const (
	maxCall   = 64 << 10
	callLease = 60
)

// dialectOf finds the dialect whose prefix a path has; nil for none.
func (s *service) dialectOf(path string) *Dialect {
	code, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return s.dialects[code]
}

// routeDialects registers every operation of every dialect.
func (s *service) routeDialects() error {
	s.dialects = map[string]*Dialect{}
	for i := range s.Dialects {
		d := &s.Dialects[i]
		if d.Code == "" || d.Refuse == nil || s.dialects[d.Code] != nil {
			return fmt.Errorf("dialect %q needs a code of its own and a form of refusals", d.Code)
		}
		s.dialects[d.Code] = d
		if d.Login != nil {
			method, path, _ := strings.Cut(d.Login.Pattern, " ")
			s.mux.HandleFunc(method+" /"+d.Code+path, s.answering(func(w http.ResponseWriter, r *http.Request) (Reply, error) { return s.login(w, r, d) }))
		}
		for _, r := range d.Routes {
			method, path, _ := strings.Cut(r.Pattern, " ")
			if r.Role == "" && method != http.MethodGet {
				return fmt.Errorf("dialect %s: no role is given for %s", d.Code, r.Pattern)
			}
			s.mux.HandleFunc(method+" /"+d.Code+path, s.speaking(d, r))
		}
	}
	return nil
}

func (s *service) speaking(d *Dialect, route DialectRoute) http.HandlerFunc {
	return s.answering(func(w http.ResponseWriter, r *http.Request) (Reply, error) { return s.speak(w, r, d, route) })
}

func (s *service) answering(answer func(http.ResponseWriter, *http.Request) (Reply, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reply, err := answer(w, r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.send(w, r, reply)
	}
}

// speak answers one request: who calls, whether its institution has the dialect, whether it may, what it sends; then the operation.
func (s *service) speak(w http.ResponseWriter, r *http.Request, d *Dialect, route DialectRoute) (Reply, error) {
	ctx := r.Context()
	var key string
	var err error
	if d.Key != nil && r.Method != http.MethodGet {
		if key, err = d.Key(r); err != nil {
			return Reply{}, err
		}
	}
	var content []byte
	if d.Proof != nil { // what is signed is all of the body
		if content, err = s.content(w, r); err != nil {
			return Reply{}, err
		}
	}
	c, err := s.identifyFor(r, d, content)
	if err != nil {
		return Reply{}, err
	}
	settings, err := s.Plant.Settings(ctx, c.institution)
	if err != nil {
		return Reply{}, &internalError{err}
	}
	declared, ok := settings.Dialect(d.Code)
	if !ok {
		return Reply{}, nowhere()
	}
	if d.Check != nil {
		if err := d.Check(r, c.institution); err != nil {
			return Reply{}, err
		}
	}
	if err := s.admitTo(r, &c, d, route.Role); err != nil {
		return Reply{}, err
	}
	traceOf(ctx).client = c.client.Name
	if _, err := parameters(r, route.Query...); err != nil {
		return Reply{}, err
	}
	if d.Proof == nil {
		if content, err = s.content(w, r); err != nil {
			return Reply{}, err
		}
	}
	call := &Call{Request: r, Institution: c.institution, Settings: settings, Dialect: declared, Actor: c.actor(), Client: c.client, Key: key, Content: content}
	if key == "" {
		return route.Handle(ctx, call)
	}
	return s.once(ctx, call, route.Handle)
}

// identifyFor finds out who sends a request of a dialect.
func (s *service) identifyFor(r *http.Request, d *Dialect, content []byte) (caller, error) {
	if d.Proof != nil {
		return s.proved(r, d, content)
	}
	if d.Login != nil {
		client, err := s.tokenHolder(r, d)
		if err != nil {
			return caller{}, err
		}
		return s.callerFor(r.Context(), client)
	}
	if d.Signed == "" {
		return s.identify(r)
	}
	holder, err := s.keyHolder(r)
	if err != nil {
		return caller{}, err
	}
	client, err := s.signedBy(r)
	if err != nil {
		return caller{}, err
	}
	if client.Institution != holder.Institution || client.Method != store.KeyPairClient {
		return caller{}, badSignature(signature.ErrUnknown)
	}
	if key, err := signature.PublicKey(client.PublicKey); err != nil || key.Algorithm() != d.Signed {
		return caller{}, badSignature(signature.ErrMismatch)
	}
	return s.callerFor(r.Context(), client)
}

func (s *service) admitTo(r *http.Request, c *caller, d *Dialect, role Role) error {
	if err := s.admit(r, c, role); err != nil || d.Audit == nil {
		return err
	}
	var err error
	c.user, err = d.Audit(r)
	return err
}

// content reads the body of a request whole.
func (s *service) content(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	up := s.upload(w, r)
	up.body = http.MaxBytesReader(w, r.Body, maxCall)
	content, err := io.ReadAll(up)
	up.answerIn(writeTimeout)
	if cut := up.failure(); cut != nil {
		return nil, cut
	}
	return content, err
}

// once carries a request with an idempotency key out once: another with the same key is answered as the first was. What is refused changed nothing, and is not kept.
func (s *service) once(ctx context.Context, c *Call, handle Handler) (Reply, error) {
	request := store.KeyedRequest{Client: c.Client.ID, Key: c.Key, Fingerprint: sumOf(c.Method + " " + c.URL.RequestURI() + "\n" + string(c.Content))}
	var known store.KeptAnswer
	var mine bool
	err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) (err error) {
		known, mine, err = tx.ClaimRequest(ctx, request, callLease, s.Now())
		return err
	})
	if err != nil {
		return Reply{}, &internalError{err}
	}
	if !mine {
		return replayed(known, request)
	}
	reply, err := handle(ctx, c)
	ctx = context.WithoutCancel(ctx) // the client may be gone
	if err != nil {
		let := s.Plant.Store.InTx(ctx, func(tx *store.Tx) error { return tx.ReleaseRequest(ctx, request) })
		return Reply{}, errors.Join(err, let)
	}
	body, err := reply.encoded()
	if err == nil {
		err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) error { return tx.KeepAnswer(ctx, request, reply.Status, body) })
	}
	if errors.Is(err, store.ErrStale) { // it was carried out twice at once; both answers tell the same
		err = nil
	}
	return reply, err
}

// replayed answers what a key was answered with before.
func replayed(known store.KeptAnswer, request store.KeyedRequest) (Reply, error) {
	switch {
	case !bytes.Equal(known.Fingerprint, request.Fingerprint):
		return Reply{}, problem(http.StatusUnprocessableEntity, "reference_reused", "this idempotency key was used for another request")
	case known.Status == 0:
		p := problem(http.StatusConflict, "order_in_flight", "a request with this idempotency key is being carried out right now; try again")
		p.header = http.Header{"Retry-After": {"5"}}
		return Reply{}, p
	case len(known.Body) == 0:
		return Reply{Status: known.Status}, nil
	}
	return Reply{Status: known.Status, Body: json.RawMessage(known.Body)}, nil
}

func (r Reply) encoded() ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	b, err := json.Marshal(r.Body)
	if err != nil {
		return nil, fmt.Errorf("write an answer: %w", err)
	}
	return b, nil
}

// send writes an answer.
func (s *service) send(w http.ResponseWriter, r *http.Request, reply Reply) {
	body, err := reply.encoded()
	if err != nil {
		s.fail(w, r, &internalError{err})
		return
	}
	for name, values := range reply.Header {
		w.Header()[name] = values
	}
	if body != nil {
		w.Header().Set("Content-Type", jsonType)
	}
	w.WriteHeader(reply.Status)
	// A client that has gone cannot be told.
	_, _ = w.Write(body)
}

// Empty is the handler of an operation that takes no body.
func Empty(handle Handler) Handler {
	return func(ctx context.Context, c *Call) (Reply, error) {
		if len(c.Content) > 0 {
			return Reply{}, Invalid("body", "must be empty")
		}
		return handle(ctx, c)
	}
}

// Taking is the handler of an operation that takes a body of a type, which is held against the type's schema (the tags of huma): a member that is unknown, missing, of another type,
// over its length or out of its enumeration refuses it.
func Taking[T any](handle func(ctx context.Context, c *Call, body T) (Reply, error)) Handler {
	registry := huma.NewMapRegistry("#/", huma.DefaultSchemaNamer)
	schema := registry.Schema(reflect.TypeFor[T](), false, "")
	return func(ctx context.Context, c *Call) (Reply, error) {
		var body T
		if _, err := mediaType(c.Request, jsonType); err != nil {
			return Reply{}, err
		}
		if !utf8.Valid(c.Content) {
			return Reply{}, problem(http.StatusBadRequest, "malformed_body", "the body is not valid UTF-8")
		}
		var given any
		if err := json.Unmarshal(c.Content, &given); err != nil {
			return Reply{}, problem(http.StatusBadRequest, "malformed_body", "the body is not a JSON document")
		}
		var result huma.ValidateResult
		huma.Validate(registry, schema, huma.NewPathBuffer([]byte("body"), len("body")), huma.ModeWriteToServer, given, &result)
		if len(result.Errors) > 0 {
			return Reply{}, violations(result.Errors)
		}
		if err := json.Unmarshal(c.Content, &body); err != nil {
			return Reply{}, problem(http.StatusBadRequest, "malformed_body", "a member's value is none that it can have")
		}
		return handle(ctx, c, body)
	}
}

func violations(all []error) *Problem {
	p := Invalid("body", "is wrong")
	p.Errors = p.Errors[:0]
	for _, err := range all {
		v := Violation{Location: "body", Message: err.Error()}
		if d := new(huma.ErrorDetail); errors.As(err, &d) {
			v.Location, v.Message = d.Location, d.Message
		}
		p.Errors = append(p.Errors, v)
	}
	return p
}

// Invalid is the problem of one parameter, or member of the body, that is wrong.
func Invalid(location, message string) *Problem { return invalid(location, message) }

// Refusal is a problem of a dialect's own.
func Refusal(status int, code, detail string) *Problem { return problem(status, code, detail) }

// Because adds what lay behind a problem, for the log.
func (p *Problem) Because(err error) *Problem {
	p.cause = err
	return p
}

// nowhere is the answer to a path that takes nothing.
func nowhere() *Problem { return problem(http.StatusNotFound, "not_found", "there is nothing here") }
