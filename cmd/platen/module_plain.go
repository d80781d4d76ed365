//go:build !pkcs11

package main

import (
	"errors"

	"platen/card"
	"platen/hsm"
)

// errNoPKCS11 says that this program has no cgo in it.
var errNoPKCS11 = errors.New("this platen was built without PKCS#11: build it with CGO_ENABLED=1 go build -tags pkcs11 ./cmd/platen")

func openToken(PKCS11Config, string, hsm.Entropy) (hsm.Module, carrier, error) {
	return nil, nil, errNoPKCS11
}

func tokenKBPK(PKCS11Config, string) (card.Secret, error) { return card.Secret{}, errNoPKCS11 }

func ensureTokenKBPK(PKCS11Config, string) (card.Secret, error) { return card.Secret{}, errNoPKCS11 }
