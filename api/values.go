package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/card"
)

func (s *service) routeValues(api huma.API) {
	const one = cardPath + "/{token}"
	read(s, api, change("tell-security-values", http.MethodPost, one+"/security-values", "security values", "CVV, CVV2 and iCVV, encrypted to a client's key", http.StatusOK), s.tellValues)
	read(s, api, change("verify-cvv2", http.MethodPost, one+"/cvv2/verify", "security values", "Verify a CVV2", http.StatusOK), s.verifyCVV2)
}

// ZoneInput names a card and a zone.
type ZoneInput struct {
	CardInput
	Body struct {
		Zone string `json:"zone" minLength:"1" maxLength:"32" doc:"Code of a declared zone that has a public key"`
	}
}

// SecurityValues are the codes of a card, for the holder of a zone's private key only.
type SecurityValues struct {
	Issue         int        `json:"issue" doc:"The issue whose values they are"`
	JWE           string     `json:"jwe" doc:"JWE in compact form, RSA-OAEP-256 and A256GCM; its payload has issue, expiry, cvv, cvv2, icvv of a chip, and issued_at; of an American Express card csc5, csc4 and csc3, and cvv2 is csc4"`
	CVV2ExpiresAt *time.Time `json:"cvv2_expires_at,omitempty" doc:"When a dynamic CVV2 is followed by the next"`
}

// CVV2Input names a card and a CVV2.
type CVV2Input struct {
	CardInput
	Body struct {
		CVV2 string `json:"cvv2" pattern:"^[0-9]{3,4}$" doc:"What the holder typed: three digits, or the four on the front of an American Express card"`
	}
}

// CVV2Verdict tells whether a CVV2 is right.
type CVV2Verdict struct {
	Verified bool `json:"verified"`
}

func (s *service) tellValues(ctx context.Context, c caller, in *ZoneInput) (SecurityValues, error) {
	v, err := s.values.Tell(ctx, act(c, in.Token), in.Body.Zone)
	return SecurityValues{Issue: v.Issue, JWE: v.JWE, CVV2ExpiresAt: v.CVV2Until}, err
}

func (s *service) verifyCVV2(ctx context.Context, c caller, in *CVV2Input) (CVV2Verdict, error) {
	right, err := s.values.VerifyCVV2(ctx, act(c, in.Token), card.NewSecret([]byte(in.Body.CVV2)))
	return CVV2Verdict{Verified: right}, err
}
