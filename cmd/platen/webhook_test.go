package main_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func TestTheServiceTellsASubscriber(t *testing.T) {
	t.Parallel()
	var told atomic.Int64
	subscriber := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Webhook-Signature") != "" {
			told.Add(1)
		}
	}))
	t.Cleanup(subscriber.Close)
	dir := prepare(t, sizes{mass: 20, bulk: 20, actions: 3})
	platen(t, "init", dir)
	path := filepath.Join(dir, "platen.yaml")
	put(t, path, append(read(t, path), "\nwebhooks:\n  allow: 127.0.0.0/8\n"...))
	platen(t, "db", "migrate", config(dir))
	platen(t, "apply", config(dir), "-f", filepath.Join(dir, "programs"))
	s := serve(t, dir, "--no-schedules")
	s.key = loose[struct{ Key string }](t, platen(t, "client", "create", "admin", "--roles", "admin,submit", "--json", config(dir))).Key
	hook := s.do(http.MethodPost, "/v1/webhooks", map[string]string{"Content-Type": "application/json"}, strings.NewReader(`{"url":"`+subscriber.URL+`"}`))
	if hook.status != http.StatusCreated {
		t.Fatalf("%d %s", hook.status, hook.body)
	}
	s.do(http.MethodPost, "/v1/orders?reference=R-1", map[string]string{"Content-Type": "text/csv"}, strings.NewReader("product,quantity,branch\nprepaid-mag,2,1\n"))
	until(t, "a message about the order", func() bool { return told.Load() >= 1 })
}
