package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"platen/api/signature"
	"platen/card"
	"platen/hsm"
	"platen/sql/store"
)

// Secrets keeps the secrets of clients in the database, sealed by the vault under one of its keys.
type Secrets struct {
	Vault hsm.Vault
	Label card.KeyLabel
}

func purposeOf(client uuid.UUID) string { return "api client " + client.String() }

// Seal encrypts a client's secret for its row.
func (s Secrets) Seal(client uuid.UUID, secret []byte) ([]byte, error) {
	return s.Vault.Seal(card.KeyRef{Label: s.Label}, purposeOf(client), secret)
}

func (s Secrets) open(c store.Client) ([]byte, error) {
	if s.Vault == nil {
		return nil, errors.New("this process holds no key for the secrets of clients")
	}
	return s.Vault.OpenSealed(s.Label, purposeOf(c.ID), c.Secret)
}

// signedBy finds the client that signed a request (RFC 9421). The signature must cover method and target, and Content-Digest where there is a body, which
// from then on ends with an error if it is another. A request that changes something is carried out once: its signature covers an Idempotency-Key, or
// carries a nonce that this client never used before.
func (s *service) signedBy(r *http.Request) (store.Client, error) {
	var client store.Client
	signed, err := signature.Verify(r, signature.Policy{Public: s.PublicURL, Now: s.Now(), Lookup: func(ctx context.Context, id string) (signature.Key, error) {
		var err error
		client, err = s.signer(ctx, id)
		if err != nil {
			return signature.Key{}, err
		}
		return s.verifyingKey(client)
	}})
	if err != nil {
		return client, badSignature(err)
	}
	if r.ContentLength != 0 {
		if r.Body, err = signature.Body(r); err != nil {
			return client, badSignature(err)
		}
	}
	return client, s.onlyOnce(r, client, signed)
}

// signer finds the client whose id a signature names.
func (s *service) signer(ctx context.Context, keyID string) (store.Client, error) {
	id, err := uuid.Parse(keyID)
	if err != nil || id.String() != keyID {
		return store.Client{}, signature.ErrUnknown
	}
	c, err := s.Plant.Store.ClientByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && c.Method == store.BearerClient {
		return c, signature.ErrUnknown
	}
	return c, err
}

func (s *service) verifyingKey(c store.Client) (signature.Key, error) {
	if c.Method == store.KeyPairClient {
		return signature.PublicKey(c.PublicKey)
	}
	secret, err := s.Secrets.open(c)
	if err != nil {
		return signature.Key{}, fmt.Errorf("secret of client %s: %w", c.Name, err)
	}
	return signature.SecretKey(secret), nil
}

// maxNonce is how long a nonce may be.
const maxNonce = 64

func (s *service) onlyOnce(r *http.Request, c store.Client, signed signature.Signed) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || signed.Covers("idempotency-key") {
		return nil
	}
	if signed.Nonce == "" || len(signed.Nonce) > maxNonce {
		return badSignature(signature.ErrCoverage)
	}
	ctx := r.Context()
	err := s.Plant.Store.InTx(ctx, func(tx *store.Tx) error { return tx.UseRequestID(ctx, c.ID, signed.Nonce, s.Now()) })
	if errors.Is(err, store.ErrConflict) {
		return unauthorizedBecause("replayed", "this nonce was used before: sign each request with one of its own")
	}
	return err
}

// badSignature answers what is wrong with a signature; errors that are not about signatures pass.
func badSignature(err error) error {
	for _, known := range []error{signature.ErrNone, signature.ErrForm, signature.ErrUnknown, signature.ErrMismatch, signature.ErrTime, signature.ErrComponent, signature.ErrDigest} {
		if errors.Is(err, known) {
			return unauthorizedBecause("bad_signature", known.Error())
		}
	}
	if errors.Is(err, signature.ErrCoverage) {
		return unauthorizedBecause("bad_signature", "a signature covers @method, @target-uri, content-digest where there is a body, and for what changes something idempotency-key, or carries a nonce")
	}
	return err
}

func unauthorizedBecause(code, detail string) *Problem {
	p := problem(http.StatusUnauthorized, code, detail)
	p.header = http.Header{"Www-Authenticate": {`Bearer realm="platen"`}}
	return p
}
