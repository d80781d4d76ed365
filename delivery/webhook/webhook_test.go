package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

var loopback = Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

func sender(p Policy) *Sender { return NewSender(p, nil, "platen/test", time.Now) }

var (
	secret  = NewSecret([]byte("0123456789abcdef0123456789abcdef"))
	message = Message{ID: "msg_7", Body: []byte(`{"type":"file.sent"}`)}
)

// The other side is the specification's own library.
func TestASubscriberVerifiesWhatItGets(t *testing.T) {
	theirs, err := standardwebhooks.NewWebhook(strings.TrimPrefix(secret.Reveal(), "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	var got atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = theirs.Verify(body, r.Header)
		}
		if err != nil || string(body) != string(message.Body) || r.Header.Get("Webhook-Id") != "msg_7" || r.Method != http.MethodPost {
			t.Errorf("got %s with %v: %v", body, r.Header, err)
		}
		if err := theirs.Verify(append(body, ' '), r.Header); err == nil {
			t.Error("an altered body verifies")
		}
		got.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	if err := sender(loopback).Send(t.Context(), server.URL+"/events?a=b", secret, message); err != nil || got.Load() != 1 {
		t.Errorf("%d messages came, %v", got.Load(), err)
	}
}

func TestWhatIsNoSuccessIsAFailure(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for status, want := range map[int]bool{200: true, 202: true, 204: true, 301: false, 302: false, 307: false, 308: false, 400: false, 404: false, 410: false, 500: false, 503: false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(status)
		}))
		err := sender(loopback).Send(t.Context(), server.URL, secret, message)
		server.Close()
		refused := new(RefusedError)
		if want != (err == nil) || err != nil && (!errors.As(err, &refused) || refused.Status != status) {
			t.Errorf("status %d: %v", status, err)
		}
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect was followed")
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	if err := sender(loopback).Send(t.Context(), gone.URL+"/secret-path?token=x", secret, message); err == nil || strings.Contains(err.Error(), "secret-path") || strings.Contains(err.Error(), "token") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestAnEndlessAnswerIsNotRead(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 64<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	if err := sender(loopback).Send(t.Context(), server.URL, secret, message); err != nil {
		t.Error(err)
	}
}

// Each of these leads to a place that a webhook must not reach, in one of the ways in which people hide that.
var hidden = []string{
	"https://127.0.0.1", "https://127.1", "https://2130706433", "https://0x7f000001", "https://0177.0.0.1", "https://127.0.0.1:443", "https://127.255.255.254", "https://0.0.0.0",
	"https://0", "https://localhost", "https://LOCALHOST", "https://localhost.", "https://169.254.169.254", "https://169.254.0.1", "https://10.0.0.1", "https://10.255.255.255",
	"https://172.16.0.1", "https://172.31.255.255", "https://192.168.0.1", "https://100.64.0.1", "https://100.127.255.254", "https://192.0.0.8", "https://192.0.2.1",
	"https://198.18.0.1", "https://198.51.100.7", "https://203.0.113.9", "https://224.0.0.1", "https://240.0.0.1", "https://255.255.255.255", "https://192.88.99.1",
	"https://[::]", "https://[::1]", "https://[::ffff:127.0.0.1]", "https://[::ffff:7f00:1]", "https://[::ffff:169.254.169.254]", "https://[::127.0.0.1]",
	"https://[64:ff9b::7f00:1]", "https://[64:ff9b:1::1]", "https://[2002:7f00:1::]", "https://[2001::1]", "https://[2001:db8::1]", "https://[fc00::1]", "https://[fd12:3456::1]",
	"https://[fe80::1]", "https://[fe80::1%25lo]", "https://[fec0::1]", "https://[ff02::1]", "https://[100::1]", "https://[3fff::1]", "https://[5f00::1]",
	"https://user@127.0.0.1", "https://good.example@127.0.0.1", "https://user:pass@good.example", "https://good.example#@127.0.0.1", "http://good.example", "http://127.0.0.1",
	"ftp://127.0.0.1", "file:///etc/passwd", "gopher://127.0.0.1", "https:127.0.0.1", "https://", "https:///x", "//127.0.0.1", "127.0.0.1", "", "https://\x00", "https://a b",
	"https://good.example/" + strings.Repeat("a", 500),
}

func TestNoWebhookReachesWhatIsNotPublic(t *testing.T) {
	if len(hidden) < 60 {
		t.Fatalf("%d addresses", len(hidden))
	}
	var reached atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer server.Close()
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	s := sender(Policy{})
	for _, address := range append(hidden, "https://localhost:"+port, server.URL) {
		if err := s.Send(t.Context(), address, secret, message); err == nil {
			t.Errorf("%q was delivered to", address)
		} else if strings.HasPrefix(address, "https://localhost:") && !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v", address, err) // the name is only known for what it is when it is dialled
		}
	}
	if reached.Load() != 0 {
		t.Error("a private address was reached")
	}
	for address, want := range map[string]bool{"https://8.8.8.8/x": true, "https://[2606:4700::1111]": true, "https://cards.example:8443/x?y=z": true} {
		if err := (Policy{}).CheckURL(address); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	// What is allowed is allowed there alone, and plain HTTP with it.
	p := Policy{Allow: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")}}
	for address, want := range map[string]bool{"https://10.20.1.1": true, "http://10.20.1.1": true, "https://10.21.1.1": false, "http://8.8.8.8": false, "https://8.8.8.8": true,
		"https://[::ffff:10.20.1.1]": true} {
		if err := p.CheckURL(address); (err == nil) != want {
			t.Errorf("with a network allowed, %s: %v", address, err)
		}
	}
}

func TestASecretMasksItself(t *testing.T) {
	clear := strings.TrimPrefix(secret.Reveal(), secretPrefix)
	body, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, told := range []string{fmt.Sprint(secret), fmt.Sprintf("%#v", secret), fmt.Sprintf("%s %q %+v %d %x", secret, secret, secret, secret, secret), string(body)} {
		if strings.Contains(told, clear) || strings.Contains(told, "0123456789abcdef") || strings.Contains(told, "48 49") || strings.Contains(told, "3031") {
			t.Errorf("%s", told)
		}
	}
}
