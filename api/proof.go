package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"platen/api/signature"
	"platen/sql/store"
)

// Proof is what a request that is signed with a secret, which its client shares, shows of who sends it.
type Proof struct {
	Client    string // id
	Request   string // the request's own id, 1 to 64 characters, which its client never used before
	At        time.Time
	Message   []byte // all that is signed
	Signature []byte // HMAC-SHA256 of Message
}

// proved finds out who sends a request that is signed with a shared secret. It is held against the same window as a signature by RFC 9421, and taken once.
func (s *service) proved(r *http.Request, d *Dialect, content []byte) (caller, error) {
	ctx := r.Context()
	p, err := d.Proof(r, content)
	if err != nil {
		return caller{}, err
	}
	client, err := s.signer(ctx, p.Client)
	if err == nil && client.Method != store.SecretClient {
		err = signature.ErrUnknown
	}
	if err != nil {
		return caller{}, badSignature(err)
	}
	secret, err := s.Secrets.open(client)
	if err != nil {
		return caller{}, fmt.Errorf("secret of client %s: %w", client.Name, err)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(p.Message)
	if !hmac.Equal(mac.Sum(nil), p.Signature) {
		return caller{}, badSignature(signature.ErrMismatch)
	}
	if age := s.Now().Sub(p.At); age > signature.Window || age < -signature.Skew {
		return caller{}, badSignature(signature.ErrTime)
	}
	err = s.Plant.Store.InTx(ctx, func(tx *store.Tx) error { return tx.UseRequestID(ctx, client.ID, p.Request, s.Now()) })
	if errors.Is(err, store.ErrConflict) {
		return caller{}, unauthorizedBecause("replayed", "this request id was used before: give each request one of its own")
	}
	if err != nil {
		return caller{}, err
	}
	return s.callerFor(ctx, client)
}
