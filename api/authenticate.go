package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"platen/sql/store"
)

// caller is who asks. Its institution comes from the key alone; no path, parameter or body can name another.
type caller struct {
	client      store.Client
	institution store.Institution
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

// guarded is the router as the operations of /v1 see it: whatever is registered through it needs a key.
type guarded struct{ *service }

// HandleFunc registers a handler behind authentication.
func (g guarded) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	g.mux.HandleFunc(pattern, g.authenticated(handler))
}

// ServeHTTP implements http.Handler.
func (g guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.mux.ServeHTTP(w, r) }

func (s *service) authenticated(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, ok := bearerKey(r.Header.Values("Authorization"))
		if !ok {
			s.fail(w, r, unauthorized(`Bearer realm="platen"`))
			return
		}
		c, err := s.identify(r.Context(), key)
		if errors.Is(err, store.ErrNotFound) {
			s.fail(w, r, unauthorized(`Bearer realm="platen", error="invalid_token"`))
			return
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		traceOf(r.Context()).client = c.client.Name
		next(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	}
}

// identify finds the client of a key, and its institution.
func (s *service) identify(ctx context.Context, key string) (caller, error) {
	client, err := s.Plant.Store.ClientByKey(ctx, sumOf(key))
	if err != nil {
		return caller{}, err
	}
	i, err := s.Plant.Store.InstitutionByID(ctx, client.Institution)
	if err != nil {
		return caller{}, &internalError{fmt.Errorf("institution of client %s: %w", client.Name, err)}
	}
	return caller{client: client, institution: i}, nil
}

func unauthorized(challenge string) *Problem {
	p := problem(http.StatusUnauthorized, "unauthorized", "give a valid key as Authorization: Bearer KEY")
	p.header = http.Header{"Www-Authenticate": {challenge}}
	return p
}
