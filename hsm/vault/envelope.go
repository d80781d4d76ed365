package vault

import (
	"bytes"
	"encoding/base64"
	"fmt"

	"platen/card"
	"platen/hsm"
)

// envelopeHead begins every sealed text; the key's label follows it on the same line, and the sealed secret in base 64 on the next.
const envelopeHead = "platen-sealed-1 "

// IsSealed tells whether a text is one that SealText made.
func IsSealed(text []byte) bool { return bytes.HasPrefix(text, []byte(envelopeHead)) }

// SealText seals a secret text, such as a private key for a bureau, as a text. The name is bound to it: under another one it cannot be opened.
func (v *Vault) SealText(label card.KeyLabel, name string, text card.Secret) ([]byte, error) {
	sealed, err := v.Seal(card.KeyRef{Label: label}, textPurpose(name), text.Reveal())
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s%s\n%s\n", envelopeHead, label, base64.StdEncoding.EncodeToString(sealed)), nil
}

// OpenText inverts SealText under the same name. It fails with hsm.ErrSealed on any change.
func (v *Vault) OpenText(name string, text []byte) (card.Secret, error) {
	head, rest, _ := bytes.Cut(text, []byte("\n"))
	label, err := card.NewKeyLabel(string(bytes.TrimPrefix(head, []byte(envelopeHead))))
	if err != nil || !IsSealed(text) {
		return card.Secret{}, hsm.ErrSealed
	}
	sealed, err := base64.StdEncoding.Strict().DecodeString(string(bytes.TrimSpace(rest)))
	if err != nil {
		return card.Secret{}, hsm.ErrSealed
	}
	secret, err := v.OpenSealed(label, textPurpose(name), sealed)
	if err != nil {
		return card.Secret{}, err
	}
	return card.NewSecret(secret), nil
}

func textPurpose(name string) string { return "text " + name }
