package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Bounds of one delivery.
const (
	sendTime  = 10 * time.Second
	maxAnswer = 64 << 10
)

// RefusedError is a subscriber's answer that is no success.
type RefusedError struct{ Status int }

// Error implements error.
func (r *RefusedError) Error() string { return fmt.Sprintf("answered with status %d", r.Status) }

// ErrUnconfirmed says that a subscriber answered with success, and did not confirm the message.
var ErrUnconfirmed = errors.New("answered with success, but did not confirm")

// ErrLong says that an answer is longer than any is.
var ErrLong = errors.New("the answer is too long")

// Sender carries messages.
type Sender struct {
	policy Policy
	agent  string
	now    func() time.Time
	https  *http.Client
	http   *http.Client
}

// NewSender makes a sender. roots are the authorities that it trusts; nil = the system's. agent names the program to subscribers.
func NewSender(p Policy, roots *x509.CertPool, agent string, now func() time.Time) *Sender {
	return &Sender{policy: p, agent: agent, now: now, https: newClient(p, roots, true), http: newClient(p, roots, false)}
}

func newClient(p Policy, roots *x509.CertPool, encrypted bool) *http.Client {
	dialer := &net.Dialer{Timeout: sendTime, Control: p.control(encrypted)}
	return &http.Client{
		Timeout: sendTime,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, TLSHandshakeTimeout: sendTime,
			ResponseHeaderTimeout: sendTime, MaxResponseHeaderBytes: maxAnswer, DisableKeepAlives: true, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Answer is what a server said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Send delivers a message once. It was taken when the error is nil: the subscriber answered 2xx, and confirmed the message where that is asked for. Otherwise the error says what happened,
// and names neither path nor query of the address, which may hold a password of the subscriber's.
func (s *Sender) Send(ctx context.Context, address string, signer Signer, m Message) error {
	answer, unread := s.Ask(ctx, address, signer, m)
	switch {
	case answer.Status == 0:
		return unread
	case answer.Status < 200 || answer.Status > 299:
		return &RefusedError{answer.Status}
	case m.Confirms != nil && (unread != nil || !m.Confirms(answer.Body)):
		return ErrUnconfirmed
	}
	return nil
}

// Ask sends a message once, and reads what is answered, up to 64 KiB. An answer with a status came, even where the error says that it could not be read to its end.
func (s *Sender) Ask(ctx context.Context, address string, signer Signer, m Message) (Answer, error) {
	if err := s.policy.CheckURL(address); err != nil {
		return Answer{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(m.Body))
	if err != nil {
		return Answer{}, ErrURL
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", s.agent)
	for name, values := range m.Header {
		r.Header[name] = values
	}
	if err := signer.Sign(r.Header, m, s.now()); err != nil {
		return Answer{}, fmt.Errorf("sign a message: %w", err)
	}
	client := s.https
	if r.URL.Scheme == "http" {
		client = s.http
	}
	answer, err := client.Do(r)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return Answer{}, fmt.Errorf("deliver to %s: %w", r.URL.Host, err)
	}
	defer func() { _ = answer.Body.Close() }() // the status is known; what closing says changes nothing
	v := Answer{Status: answer.StatusCode, Header: answer.Header}
	v.Body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err == nil && len(v.Body) > maxAnswer {
		err = ErrLong
	}
	if err != nil {
		return v, fmt.Errorf("answer of %s: %w", r.URL.Host, err)
	}
	return v, nil
}
