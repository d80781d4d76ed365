package enfuce

import (
	"errors"
	"fmt"

	"platen/api"
	"platen/batch"
	"platen/card"
	"platen/hsm/jwe"
	"platen/programs"
)

// ownNumber opens the card number that a client sends of its own, encrypted to the institution's certificate; nil where it sends none. What it was encrypted as is forgotten.
func (s *service) ownNumber(c *api.Call, body *newCard) (*card.PAN, error) {
	sealed := body.EncryptedData
	if sealed == "" {
		return nil, nil
	}
	body.EncryptedData = ""
	if c.Dialect.Numbers == (programs.Numbers{}) {
		return nil, batch.ErrNoOwnNumbers
	}
	key, err := s.plant.ResolveKey(c.Dialect.Numbers.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("key of card numbers: %w", err)
	}
	defer key.Wipe()
	opener, err := jwe.NewOpener(c.Dialect.Numbers.Certificate, key)
	if err != nil {
		return nil, fmt.Errorf("key of card numbers: %w", err)
	}
	pan, err := opener.Number(sealed)
	switch {
	case errors.Is(err, jwe.ErrForeign):
		return nil, api.Invalid("body.encryptedData", "x5t#S256 in its header must name the institution's certificate")
	case err != nil:
		return nil, api.Invalid("body.encryptedData", "must be a JWE in compact form, RSA-OAEP-256 and A256GCM, of {\"cardNumber\": \"...\"}")
	}
	return &pan, nil
}
