package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"platen/api"
)

// logLines are the request lines of a site's log.
func (s *site) logLines() []map[string]any {
	s.t.Helper()
	var lines []map[string]any
	for text := range strings.Lines(s.log.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			s.t.Fatalf("a log line is no JSON: %v", err)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestEachRequestIsOneLogLineWithoutWhatTheClientChose(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	const canary = "CANARY-4000001234567898"
	created := s.submit(s.mine, canary, "product,quantity\nprepaid-mag,1\n"+canary+",1\n").want(http.StatusCreated)
	s.submit(s.mine, "X", "product,quantity,"+canary+"\n").want(http.StatusUnprocessableEntity)
	s.get(s.mine, "/v1/cards/"+canary).want(http.StatusNotFound)
	s.get(s.mine, "/v1/orders?"+canary+"=1").want(http.StatusUnprocessableEntity)
	s.get(client{}, "/"+canary).want(http.StatusNotFound)
	s.get(client{}, "/v1/orders", header("Authorization", "Bearer "+canary)).want(http.StatusUnauthorized)
	s.do(s.mine, canary, "/v1/orders", nil).want(http.StatusMethodNotAllowed)
	s.do(s.mine, http.MethodPost, "/v1/orders", strings.NewReader(`{"`+canary+`":1}`), asJSON).want(http.StatusUnprocessableEntity)
	s.server.Close() // every line is written
	if strings.Contains(s.log.String(), "CANARY") || strings.Contains(s.log.String(), s.mine.key) {
		t.Errorf("the log holds what a client chose: %s", s.log)
	}
	lines := s.logLines()
	if len(lines) != 8 {
		t.Fatalf("%d lines for 8 requests", len(lines))
	}
	first := lines[0]
	for name, want := range map[string]any{"request_id": created.header.Get("X-Request-Id"), "method": "POST", "route": "POST /v1/orders", "status": 201.0,
		"bytes": float64(len(created.body)), "client": "demo-bank-desk", "message": "request"} {
		if first[name] != want {
			t.Errorf("%s is %v, want %v", name, first[name], want)
		}
	}
	if _, ok := first["duration_ms"].(float64); !ok {
		t.Error("the line has no duration")
	}
	if lines[1]["code"] != "bad_header" {
		t.Errorf("a refusal is logged without its code: %v", lines[1])
	}
}

func TestAnErrorOfTheServerIsToldToTheLogOnly(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, path := range []string{"/v1/orders", "/v1/books", "/v1/schedules", "/v1/orders/" + anyID} {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+s.mine.key)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		answer{t: t, status: w.Code, header: w.Header(), body: w.Body.Bytes()}.refused(http.StatusInternalServerError, "internal")
		if strings.Contains(w.Body.String(), "context") {
			t.Errorf("%s tells what went wrong inside: %s", path, w.Body)
		}
	}
	for _, line := range s.logLines() {
		if text, _ := line["error"].(string); !strings.Contains(text, "context canceled") || line["level"] != "error" {
			t.Errorf("the log does not tell what went wrong: %v", line)
		}
	}
}

func TestReadyzTellsThatItIsNotReadyAndTheLogTellsWhy(t *testing.T) {
	var broken atomic.Bool
	s := newSite(t, sqlite(t), api.Config{Ready: func(context.Context) error {
		if broken.Load() {
			return errors.New("the keystore is locked")
		}
		return nil
	}})
	s.get(client{}, "/readyz").want(http.StatusOK)
	broken.Store(true)
	a := s.get(client{}, "/readyz")
	a.refused(http.StatusServiceUnavailable, "not_ready")
	if strings.Contains(string(a.body), "keystore") {
		t.Errorf("the answer tells why: %s", a.body)
	}
	s.get(client{}, "/livez").want(http.StatusOK)
	s.server.Close()
	if !strings.Contains(s.log.String(), "the keystore is locked") {
		t.Error("the log does not tell why")
	}
}

func TestAPanicIsA500AndTheServerGoesOn(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{Ready: func(context.Context) error { panic("4000001234567899") }})
	s.get(client{}, "/readyz").refused(http.StatusInternalServerError, "internal")
	s.get(client{}, "/livez").want(http.StatusOK)
	s.server.Close()
	if strings.Contains(s.log.String(), "4000001234567899") {
		t.Error("the log holds the value of the panic")
	}
	if !strings.Contains(s.log.String(), "request panicked") {
		t.Error("the log does not tell of the panic")
	}
}

func TestWhatIsNowhereOrOfAnotherMethodIsAProblem(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	for _, path := range []string{"/", "/v1", "/v1/nothing", "/docs", "/schemas/Order", "/metrics"} {
		s.get(s.mine, path).refused(http.StatusNotFound, "not_found")
	}
	a := s.do(s.mine, http.MethodDelete, "/v1/orders", nil)
	a.refused(http.StatusMethodNotAllowed, "method_not_allowed")
	if got := a.header.Get("Allow"); got != "GET, HEAD, POST" {
		t.Errorf("Allow: %s", got)
	}
}
