package api

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"platen/card"
	"platen/sql/store"
)

// Login is the operation of a dialect that exchanges a client's name and key for a token, which stands for the key from then on for TokenLife.
type Login struct {
	Pattern string // method and path below /CODE
	// Read reads who wants a token.
	Read func(content []byte) (Credentials, error)
	// Answer hands the token out.
	Answer func(token string) Reply
}

// Credentials are what a client has: its name, its bearer key, and the code of its institution.
type Credentials struct {
	Name, Key, Institution string
}

// TokenLife is how long a token stands for its client's key.
const TokenLife = time.Hour

// tokenMark begins every token, so that none is taken for a key.
const tokenMark = "session_"

func tokenPurpose(d *Dialect) string { return "token of dialect " + d.Code }

// login answers a request for a token. Whatever is wrong with the credentials, the answer is one.
func (s *service) login(w http.ResponseWriter, r *http.Request, d *Dialect) (Reply, error) {
	content, err := s.content(w, r)
	if err != nil {
		return Reply{}, err
	}
	given, err := d.Login.Read(content)
	if err != nil {
		return Reply{}, err
	}
	refused := problem(http.StatusUnauthorized, "unauthorized", "the credentials are no client's")
	client, err := s.Plant.Store.ClientByKey(r.Context(), sumOf(given.Key))
	if errors.Is(err, store.ErrNotFound) {
		return Reply{}, refused
	}
	if err != nil {
		return Reply{}, err
	}
	c, err := s.callerFor(r.Context(), client)
	if err != nil {
		return Reply{}, err
	}
	settings, err := s.Plant.Settings(r.Context(), c.institution)
	if err != nil {
		return Reply{}, &internalError{err}
	}
	if _, declared := settings.Dialect(d.Code); !declared || client.Name != given.Name || c.institution.Code != given.Institution {
		return Reply{}, refused
	}
	if err := s.admit(r, &c, ""); err != nil {
		return Reply{}, err
	}
	traceOf(r.Context()).client = client.Name
	body := binary.BigEndian.AppendUint64(client.ID[:], uint64(s.Now().Add(TokenLife).Unix()))
	sealed, err := s.Secrets.Vault.Seal(card.KeyRef{Label: s.Secrets.Label}, tokenPurpose(d), body)
	if err != nil {
		return Reply{}, &internalError{err}
	}
	return d.Login.Answer(tokenMark + base64.RawURLEncoding.EncodeToString(sealed)), nil
}

// tokenHolder finds the client of a token; one that has no token is asked for its key.
func (s *service) tokenHolder(r *http.Request, d *Dialect) (store.Client, error) {
	given, _ := bearerKey(r.Header.Values("Authorization"))
	text, ok := strings.CutPrefix(given, tokenMark)
	if !ok {
		return s.keyHolder(r)
	}
	refused := unauthorizedBecause("unauthorized", "the token is none, or its hour is over: log in again")
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return store.Client{}, refused
	}
	body, err := s.Secrets.Vault.OpenSealed(s.Secrets.Label, tokenPurpose(d), sealed)
	if err != nil || len(body) != len(uuid.UUID{})+8 {
		return store.Client{}, refused
	}
	if !s.Now().Before(time.Unix(int64(binary.BigEndian.Uint64(body[len(uuid.UUID{}):])), 0)) {
		return store.Client{}, refused
	}
	return s.clientOfToken(r.Context(), uuid.UUID(body[:len(uuid.UUID{})]), refused)
}

func (s *service) clientOfToken(ctx context.Context, id uuid.UUID, refused error) (store.Client, error) {
	client, err := s.Plant.Store.ClientByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = refused // it was revoked
	}
	return client, err
}
