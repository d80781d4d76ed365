package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
)

// trace is what one request's log line is made of. It belongs to the request's goroutine.
type trace struct {
	id     string
	client string
	code   string // of the problem that was answered
	cause  error  // what lay behind it
	status int
	bytes  int64
}

type traceKey struct{}

func traceOf(ctx context.Context) *trace {
	t, ok := ctx.Value(traceKey{}).(*trace)
	if !ok {
		return &trace{}
	}
	return t
}

// logged writes one line a request: id, method, route, status, bytes, duration and client. Paths, queries and bodies are what clients choose,
// so none of them is logged; nor is what a client sent wrong.
func (s *service) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := s.Now()
		t := &trace{}
		if id, err := uuid.NewV7(); err == nil {
			t.id = id.String()
		}
		r = r.WithContext(context.WithValue(r.Context(), traceKey{}, t))
		h := w.Header()
		h.Set("X-Request-Id", t.id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		defer func() {
			s.line(r, t).Str("request_id", t.id).Str("method", method(r)).Str("route", r.Pattern).Int("status", t.status).
				Int64("bytes", t.bytes).Dur("duration_ms", s.Now().Sub(started)).Str("client", t.client).Msg("request")
		}()
		next.ServeHTTP(&counted{ResponseWriter: w, trace: t}, r)
	})
}

func (s *service) line(r *http.Request, t *trace) *zerolog.Event {
	e := s.Log.Info() //nolint:zerologlint // the caller dispatches it
	if t.status >= http.StatusInternalServerError || t.code == codeCut {
		// The cause is ours: errors of the layers below name what was being done, never card data.
		e = s.Log.Error().Err(t.cause) //nolint:zerologlint // the caller dispatches it
	} else if isProbe(r.Pattern) {
		e = s.Log.Debug() //nolint:zerologlint // the caller dispatches it
	}
	if t.code != "" {
		e = e.Str("code", t.code)
	}
	return e
}

// method keeps invented methods out of the log.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "OTHER"
}

// recovered answers a panic with a 500 and logs where it was. Its value is not logged when it is not an error: nobody knows what it holds.
func (s *service) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { //nolint:contextcheck // a panic is answered in the request's own context
			v := recover()
			if v == nil {
				return
			}
			err, ok := v.(error)
			if ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			if !ok {
				err = fmt.Errorf("panic with a %T", v)
			}
			t := traceOf(r.Context())
			s.Log.Error().Str("request_id", t.id).Err(err).Bytes("stack", debug.Stack()).Msg("request panicked")
			if t.status == 0 {
				s.fail(w, r, &internalError{err})
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// counted notes what a request was answered with.
type counted struct {
	http.ResponseWriter
	trace *trace
}

// WriteHeader implements http.ResponseWriter.
func (c *counted) WriteHeader(status int) {
	if c.trace.status == 0 || c.trace.status < http.StatusOK {
		c.trace.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *counted) Write(p []byte) (int, error) {
	if c.trace.status == 0 {
		c.trace.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(p)
	c.trace.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }
