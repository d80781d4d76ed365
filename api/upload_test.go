package api

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// broken gives some bytes and then an error.
type broken struct {
	text io.Reader
	err  error
}

func (b broken) Read(p []byte) (int, error) {
	n, err := b.text.Read(p)
	if errors.Is(err, io.EOF) {
		err = b.err
	}
	return n, err
}

func TestWhatEndsAnUploadDecidesItsAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		body   io.Reader
		status int
		code   string
	}{
		"nothing":                   {strings.NewReader("short"), 0, ""},
		"its size":                  {strings.NewReader(strings.Repeat("x", 11)), http.StatusRequestEntityTooLarge, "too_large"},
		"a connection that is gone": {broken{strings.NewReader("x"), io.ErrUnexpectedEOF}, http.StatusBadRequest, "body_cut"},
		"a sender that is too slow": {broken{strings.NewReader("x"), os.ErrDeadlineExceeded}, http.StatusRequestTimeout, "too_slow"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &service{Config: Config{MaxBody: 10}}
			up := s.upload(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", c.body))
			_, err := io.Copy(io.Discard, up)
			failure := up.failure()
			if c.code == "" {
				if err != nil || failure != nil {
					t.Fatalf("%v, %v", err, failure)
				}
				return
			}
			var p *Problem
			if !errors.As(failure, &p) || p.Status != c.status || p.Code != c.code {
				t.Errorf("%+v, want %d %s", failure, c.status, c.code)
			}
			if _, again := up.Read(make([]byte, 1)); !errors.Is(again, err) {
				t.Errorf("a further read gives %v, want %v", again, err)
			}
		})
	}
}
