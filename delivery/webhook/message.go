package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"
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
	ID   string
	Body []byte // JSON
}

// sign puts the three headers of the specification on a request that is sent now.
func (m Message) sign(h http.Header, secret Secret, now time.Time) {
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, secret.key)
	mac.Write([]byte(m.ID + "." + at + "."))
	mac.Write(m.Body)
	h.Set("Webhook-Id", m.ID)
	h.Set("Webhook-Timestamp", at)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
