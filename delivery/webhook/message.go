package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"platen/hsm/rsasign"
)

// secretPrefix marks a secret in what people copy.
const secretPrefix = "whsec_"

// SecretSize is the length of a secret in bytes; the specification asks for 24 to 64.
const SecretSize = 32

// Secret signs what a subscriber gets. It masks itself.
type Secret struct{ key []byte }

// NewSecret takes the bytes of a secret.
func NewSecret(key []byte) Secret { return Secret{key} }

const mask = "[webhook secret]"

// Format masks the secret under every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(mask)) }

// MarshalText masks the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }

// Reveal is the text that the subscriber is given, once.
func (s Secret) Reveal() string { return secretPrefix + base64.StdEncoding.EncodeToString(s.key) }

// Message is one message of a subscriber. A repetition has the same ID and the same Body.
type Message struct {
	ID     string
	Body   []byte      // JSON
	Header http.Header // beside those of its signature

	// Confirms tells whether what a subscriber answered with success takes the message. nil = its status is enough.
	Confirms func(answer []byte) bool
}

// Signer proves to a subscriber from whom a message is.
type Signer interface {
	// Sign puts the headers of the proof on a request that is sent now.
	Sign(h http.Header, m Message, now time.Time) error
}

// Sign implements Signer: the three headers of the specification.
func (s Secret) Sign(h http.Header, m Message, now time.Time) error {
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(m.ID + "." + at + "."))
	mac.Write(m.Body)
	h.Set("Webhook-Id", m.ID)
	h.Set("Webhook-Timestamp", at)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return nil
}

// KeyPair signs the body alone, for subscribers who hold a public key: SHA256withRSA in base 64, in one header.
type KeyPair struct {
	Key    rsasign.Key
	Header string
}

// Sign implements Signer.
func (k KeyPair) Sign(h http.Header, m Message, _ time.Time) error {
	signature, err := k.Key.Sign(m.Body)
	if err != nil {
		return err
	}
	h.Set(k.Header, signature)
	return nil
}
