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

// Send delivers a message once. It was taken when the error is nil: the subscriber answered 2xx. Otherwise the error says what happened, and names neither path nor
// query of the address, which may hold a password of the subscriber's.
func (s *Sender) Send(ctx context.Context, address string, secret Secret, m Message) error {
	if err := s.policy.CheckURL(address); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(m.Body))
	if err != nil {
		return ErrURL
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", s.agent)
	m.sign(r.Header, secret, s.now())
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
		return fmt.Errorf("deliver to %s: %w", r.URL.Host, err)
	}
	defer func() { _ = answer.Body.Close() }() // the status is known; what closing says changes nothing
	// What the subscriber says beyond its status is not kept; reading it lets the subscriber finish.
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer)
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return &RefusedError{answer.StatusCode}
	}
	return nil
}
