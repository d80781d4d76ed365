package delivery

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/gopenpgp/v3/crypto"

	"platen/card"
)

// ring is some keys in their written form. The library's parsed keys remember what they looked up and so serve one goroutine at a time:
// every message gets keys of its own.
type ring struct {
	text         card.Secret
	fingerprints []string
}

func (r ring) open() (*crypto.KeyRing, error) {
	keys, err := crypto.NewKeyRingFromBinary(r.text.Reveal())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPGPKey, err)
	}
	return keys, nil
}

func keepKeys(keys []*crypto.Key) (ring, error) {
	var r ring
	var all []byte
	for _, k := range keys {
		text, err := k.Serialize()
		if err != nil {
			return ring{}, fmt.Errorf("%w: %w", ErrPGPKey, err)
		}
		all = append(all, text...)
		r.fingerprints = append(r.fingerprints, k.GetFingerprint())
	}
	r.text = card.NewSecret(all)
	return r, nil
}

// readKeys reads every key of a text, binary or in one or more armored blocks. Where private ones are wanted, public ones and those with a passphrase are refused;
// otherwise the private half of a key is not looked at.
func readKeys(text []byte, private bool) ([]*crypto.Key, error) {
	body, err := unarmored(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPGPKey, err)
	}
	all, err := crypto.NewKeyRingFromBinary(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPGPKey, err)
	}
	if all.CountEntities() == 0 {
		return nil, fmt.Errorf("there is no key: %w", ErrPGPKey)
	}
	keys := all.GetKeys()
	if !private {
		return keys, nil
	}
	for _, k := range keys {
		if !k.IsPrivate() {
			return nil, fmt.Errorf("it is a public key: %w", ErrPGPKey)
		}
		if open, err := k.IsUnlocked(); err != nil || !open {
			return nil, fmt.Errorf("it is protected by a passphrase: %w", ErrPGPKey)
		}
	}
	return keys, nil
}

// maxKeyText bounds a key file.
const maxKeyText = 1 << 20

// unarmored joins the contents of all armored blocks; binary text is itself.
func unarmored(text []byte) ([]byte, error) {
	if len(text) > maxKeyText {
		return nil, errors.New("the text is too long for keys")
	}
	begin := []byte("-----BEGIN PGP")
	if !bytes.Contains(text, begin) {
		return text, nil
	}
	var all []byte
	for at := bytes.Index(text, begin); at >= 0; at = bytes.Index(text, begin) {
		text = text[at:]
		block, err := armor.Decode(bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(block.Body)
		if err != nil {
			return nil, err
		}
		all, text = append(all, body...), text[len(begin):]
	}
	return all, nil
}
