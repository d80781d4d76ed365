package vault

import (
	"bytes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"platen/card"
	"platen/hsm"
)

// envelopeHead begins every sealed text; the key's label and version follow it on the same line.
const envelopeHead = "platen-sealed-1 "

// ErrEnvelope says that a sealed text was changed, belongs to another name, or is none.
var ErrEnvelope = errors.New("the sealed text cannot be opened")

// IsSealed tells whether a text is one that SealText made.
func IsSealed(text []byte) bool { return bytes.HasPrefix(text, []byte(envelopeHead)) }

// SealText encrypts a secret text, such as a private key for a bureau, under an AES data key of the keystore: AES-GCM (NIST SP 800-38D) with a random nonce. The name is
// bound to it: under another one it cannot be opened.
func (v *Vault) SealText(label card.KeyLabel, name string, text card.Secret, entropy hsm.Entropy) ([]byte, error) {
	key, err := v.pin(card.KeyRef{Label: label})
	if err != nil {
		return nil, err
	}
	sealer, err := v.sealerOf(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, sealer.NonceSize())
	if err := entropy.Draw("sealed text", 0, nonce); err != nil {
		return nil, err
	}
	head := fmt.Appendf(nil, "%s%s %d\n", envelopeHead, key.Label, key.Version)
	body := sealer.Seal(nonce, nonce, text.Reveal(), append(head[:len(head):len(head)], name...))
	return fmt.Appendf(head, "%s\n", base64.StdEncoding.EncodeToString(body)), nil
}

// OpenText inverts SealText under the same name. It fails with ErrEnvelope on any change.
func (v *Vault) OpenText(name string, sealed []byte) (card.Secret, error) {
	head, rest, found := bytes.Cut(sealed, []byte("\n"))
	fields := bytes.Fields(bytes.TrimPrefix(head, []byte(envelopeHead)))
	if !IsSealed(sealed) || !found || len(fields) != 2 {
		return card.Secret{}, ErrEnvelope
	}
	version, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return card.Secret{}, ErrEnvelope
	}
	key, err := v.pin(card.KeyRef{Label: card.KeyLabel(fields[0]), Version: version})
	if err != nil {
		return card.Secret{}, err
	}
	sealer, err := v.sealerOf(key)
	if err != nil {
		return card.Secret{}, err
	}
	body, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(rest)))
	if err != nil || len(body) < sealer.NonceSize() {
		return card.Secret{}, ErrEnvelope
	}
	text, err := sealer.Open(nil, body[:sealer.NonceSize()], body[sealer.NonceSize():], fmt.Appendf(nil, "%s\n%s", head, name))
	if err != nil {
		return card.Secret{}, ErrEnvelope
	}
	return card.NewSecret(text), nil
}

func (v *Vault) sealerOf(pinned card.KeyRef) (cipher.AEAD, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	block, err := v.cipherOf(pinned)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
