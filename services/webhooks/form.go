package webhooks

import (
	"context"
	"errors"
	"fmt"

	"platen/card"
	"platen/delivery/webhook"
	"platen/hsm"
	"platen/hsm/rsasign"
	"platen/sql/store"
)

// ErrForm says that messages have no form of this name.
var ErrForm = errors.New("messages have no form of this name")

// Form is how another service tells its subscribers what happened. Its messages are signed with an RSA key of the subscription's own.
type Form interface {
	// Objects are the kinds of objects that its subscribers are told of.
	Objects() []string
	// Header is where the signature stands.
	Header() string
	// Render makes a message, the same each time. store.ErrNotFound: what it tells of is gone.
	Render(ctx context.Context, i store.Institution, m store.Message) (webhook.Message, error)
}

// signer opens what a subscriber's messages are signed with.
func (s *Service) signer(w store.Webhook) (webhook.Signer, error) {
	key, err := s.Plant.Vault.OpenSealed(s.Label, purposeOf(w.ID), w.Secret)
	if err != nil {
		return nil, fmt.Errorf("secret of webhook %s: %w", w.ID, err)
	}
	if w.Form == "" {
		return webhook.NewSecret(key), nil
	}
	form, ok := s.Forms[w.Form]
	if !ok {
		return nil, fmt.Errorf("webhook %s: %w", w.ID, ErrForm)
	}
	pair, err := rsasign.ParseKey(card.NewSecret(key))
	if err != nil {
		return nil, fmt.Errorf("key of webhook %s: %w", w.ID, err)
	}
	return webhook.KeyPair{Key: pair, Header: form.Header()}, nil
}

// publicKey is what messages of a form are verified with; empty for Platen's own, which are signed with a shared secret.
func (s *Service) publicKey(w store.Webhook) (string, error) {
	if w.Form == "" {
		return "", nil
	}
	signer, err := s.signer(w)
	if err != nil {
		return "", err
	}
	pair, ok := signer.(webhook.KeyPair)
	if !ok {
		return "", fmt.Errorf("webhook %s is signed with a secret", w.ID)
	}
	return pair.Key.Public()
}

// newSecret makes what messages of a form are signed with: the bytes that are kept, sealed, and the secret that a subscriber is told where it is shared.
func newSecret(form string) ([]byte, webhook.Secret, error) {
	if form != "" {
		_, text, err := rsasign.Generate()
		return text.Reveal(), webhook.Secret{}, err
	}
	key := make([]byte, webhook.SecretSize)
	err := hsm.SystemEntropy().Draw("webhook", 0, key)
	return key, webhook.NewSecret(key), err
}
