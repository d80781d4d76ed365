package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// service is a running `platen serve` with a client's key.
type service struct {
	t       *testing.T
	process *process
	base    string
	key     string
}

// serve starts the service of a directory on a free port, with flags, and makes a client.
func serve(t *testing.T, dir string, flags ...string) *service {
	t.Helper()
	s := serving(t, dir, nil, flags...)
	s.key = loose[struct{ Key string }](t, platen(t, "client", "create", "tests", "--json", config(dir))).Key
	return s
}

// serving is serve without a client, in an environment.
func serving(t *testing.T, dir string, environ []string, flags ...string) *service {
	t.Helper()
	environ = append([]string{"PLATEN_HTTP__LISTEN=127.0.0.1:0", "PLATEN_LOG__LEVEL=debug", "PLATEN_LOG__FORMAT=json", "PLATEN_POLL__QUEUE=50ms", "PLATEN_POLL__RETURNS=100ms"}, environ...)
	s := &service{t: t, process: start(t, environ, append([]string{"serve", config(dir)}, flags...)...)}
	until(t, "the service's address", func() bool {
		if !s.process.running() {
			t.Fatalf("platen serve ends:\n%s", &s.process.stderr)
		}
		for line := range strings.Lines(s.process.stderr.String()) {
			var entry struct{ Message, Address string }
			if err := json.Unmarshal([]byte(line), &entry); err == nil && entry.Message == "platen serves" {
				s.base = "http://" + entry.Address
			}
		}
		return s.base != ""
	})
	return s
}

// answer is what the service said.
type answer struct {
	status int
	header http.Header
	body   string
}

func (s *service) do(method, path string, header map[string]string, body io.Reader) answer {
	s.t.Helper()
	a, err := s.try(method, path, header, body)
	must(s.t, err)
	return a
}

// try is do for goroutines, which may not end a test.
func (s *service) try(method, path string, header map[string]string, body io.Reader) (answer, error) {
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, body)
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+s.key)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	text, err := io.ReadAll(got.Body)
	return answer{status: got.StatusCode, header: got.Header, body: string(text)}, errors.Join(err, got.Body.Close())
}

func (s *service) get(path string) answer { return s.do(http.MethodGet, path, nil, nil) }

// csv submits or corrects with a CSV body.
func (s *service) csv(path string, body []byte) answer {
	return s.do(http.MethodPost, path, map[string]string{"Content-Type": "text/csv"}, strings.NewReader(string(body)))
}

// order submits an order and expects that it is taken.
func (s *service) order(reference string, body []byte) answer {
	s.t.Helper()
	a := s.csv("/v1/orders?reference="+reference, body)
	if a.status/100 != 2 {
		s.t.Fatalf("order %s: %d %s", reference, a.status, a.body)
	}
	return a
}

// refused expects a problem with a status and code.
func (a answer) refused(t *testing.T, status int, code string) {
	t.Helper()
	p := loose[struct{ Code string }](t, a.body)
	if a.status != status || p.Code != code {
		t.Errorf("%d %s, want %d %s:\n%s", a.status, p.Code, status, code, a.body)
	}
}

// String shows an answer as it came over the line.
func (a answer) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", a.status)
	_ = a.header.Write(&b)
	b.WriteString("\n" + a.body)
	return b.String()
}
