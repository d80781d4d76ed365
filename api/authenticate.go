package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"platen/sql/store"
)

// caller is who asks. Its institution comes from the key alone; no path, parameter or body can name another.
type caller struct {
	client      store.Client
	institution store.Institution
	roles       []Role
	user        string // the person behind the client, as the client says
}

// actor is who the audit log and events name.
func (c caller) actor() string {
	if c.user == "" {
		return c.client.Name
	}
	return c.client.Name + "/" + c.user
}

type callerKey struct{}

// callerOf returns who asks; only handlers behind authenticated have one.
func callerOf(ctx context.Context) caller {
	c, ok := ctx.Value(callerKey{}).(caller)
	if !ok {
		panic("a handler that shows data is not behind authentication")
	}
	return c
}

// guarded is the router as the operations of /v1 see it: whatever is registered through it needs a client, and the role of its route.
type guarded struct{ *service }

// HandleFunc registers a handler behind authentication. It gets bodies that have been read.
func (g guarded) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	g.stream(pattern, g.whole(handler))
}

// stream registers a handler behind authentication that reads bodies as they come.
func (g guarded) stream(pattern string, handler http.HandlerFunc) {
	g.mux.HandleFunc(pattern, g.authenticated(roleOf(pattern), handler))
}

// ServeHTTP implements http.Handler.
func (g guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.mux.ServeHTTP(w, r) }

func (s *service) authenticated(role Role, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := s.identify(r)
		if err == nil {
			err = s.admit(r, &c, role)
		}
		if err == nil && !isText(r.URL.Path) {
			err = store.ErrNotFound
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		traceOf(r.Context()).client = c.client.Name
		next(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	}
}

// isText tells whether a path is made of characters that a name may have at all: what is no text names nothing, and not every database would say so.
func isText(path string) bool { return utf8.ValidString(path) && !strings.ContainsRune(path, 0) }

// identify finds out who sends a request: by its signature where it has one, by its bearer key otherwise.
func (s *service) identify(r *http.Request) (caller, error) {
	var client store.Client
	var err error
	if len(r.Header.Values("Signature-Input")) > 0 || len(r.Header.Values("Signature")) > 0 {
		client, err = s.signedBy(r)
	} else {
		client, err = s.keyHolder(r)
	}
	if err != nil {
		return caller{}, err
	}
	return s.callerFor(r.Context(), client)
}

// callerFor is a known client with its institution and roles.
func (s *service) callerFor(ctx context.Context, client store.Client) (caller, error) {
	i, err := s.Plant.Store.InstitutionByID(ctx, client.Institution)
	if err != nil {
		return caller{}, &internalError{fmt.Errorf("institution of client %s: %w", client.Name, err)}
	}
	roles, err := ParseRoles(client.Roles)
	if err != nil {
		return caller{}, &internalError{fmt.Errorf("client %s: %w", client.Name, err)}
	}
	return caller{client: client, institution: i, roles: roles}, nil
}

// keyHolder finds the client of a bearer key.
func (s *service) keyHolder(r *http.Request) (store.Client, error) {
	key, ok := bearerKey(r.Header.Values("Authorization"))
	if !ok {
		return store.Client{}, unauthorized(`Bearer realm="platen"`)
	}
	client, err := s.Plant.Store.ClientByKey(r.Context(), sumOf(key))
	if errors.Is(err, store.ErrNotFound) {
		return client, unauthorized(`Bearer realm="platen", error="invalid_token"`)
	}
	return client, err
}

func unauthorized(challenge string) *Problem {
	p := problem(http.StatusUnauthorized, "unauthorized", "give a valid key as Authorization: Bearer KEY, or sign the request")
	p.header = http.Header{"Www-Authenticate": {challenge}}
	return p
}

// userHeader names the person behind a client. It is believed, as the client is.
const userHeader = "X-Audit-User"

// admit holds a known client to its rate and its roles.
func (s *service) admit(r *http.Request, c *caller, role Role) error {
	if !s.limits.allow(c.client, s.Now()) {
		p := problem(http.StatusTooManyRequests, "too_many_requests", "this client sends more requests a second than it may")
		p.header = http.Header{"Retry-After": {"1"}}
		return p
	}
	if role != "" && !slices.Contains(c.roles, role) {
		return problem(http.StatusForbidden, "forbidden", "this client does not have the role "+string(role))
	}
	if users := r.Header.Values(userHeader); len(users) > 0 {
		if len(users) > 1 || !isUser(users[0]) {
			return invalid("header."+userHeader, "must be 1 to 64 characters of printable ASCII")
		}
		c.user = users[0]
	}
	return nil
}

func isUser(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
