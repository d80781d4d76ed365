package api

import (
	"context"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/card"
)

func (s *service) routeValues(api huma.API) {
	const one = cardPath + "/{token}"
	read(s, api, change("tell-security-values", http.MethodPost, one+"/security-values", "security values", "CVV, CVV2 and iCVV, encrypted to a client's key", http.StatusOK), s.tellValues)
	read(s, api, change("seal-security-values", http.MethodPost, one+"/security-blocks", "security values", "CVV, CVV2 and iCVV as blocks under the data key of a zone", http.StatusOK), s.sealValues)
	read(s, api, change("tell-dynamic-cvv2", http.MethodPost, one+"/dynamic-cvv2", "security values", "The CVV2 that a card has now, encrypted to a client's key", http.StatusOK), s.tellDynamic)
	read(s, api, change("disable-dynamic-cvv2", http.MethodDelete, one+"/dynamic-cvv2", "security values", "Let the printed CVV2 of a card be valid, until the next dynamic one is asked for", http.StatusOK), s.disableDynamic)
	read(s, api, change("tell-card-number", http.MethodPost, one+"/number", "security values", "The card's number, encrypted to a client's key", http.StatusOK), s.tellNumber)
	read(s, api, change("find-card-by-number", http.MethodPost, "/v1/card-lookups", "security values", "The token that stands for the card of a number", http.StatusOK), s.findByNumber)
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

// DataZoneInput names a card and a zone that codes are told to as blocks.
type DataZoneInput struct {
	CardInput
	Body struct {
		Zone string `json:"zone" minLength:"1" maxLength:"32" doc:"Code of a declared zone that has a data key"`
	}
}

// SecurityBlocks are the codes of a card, each a block under the data key of a zone. What the card does not have is left out.
type SecurityBlocks struct {
	Issue         int        `json:"issue" doc:"The issue whose values they are"`
	CVV           string     `json:"cvv,omitempty" doc:"16 hexadecimal digits: double-length TDES, ECB, of the code from the left and the zone's fill behind it"`
	CVV2          string     `json:"cvv2,omitempty"`
	ICVV          string     `json:"icvv,omitempty"`
	CSC5          string     `json:"csc5,omitempty"`
	CSC4          string     `json:"csc4,omitempty"`
	CSC3          string     `json:"csc3,omitempty"`
	CVV2ExpiresAt *time.Time `json:"cvv2_expires_at,omitempty" doc:"When a dynamic CVV2 is followed by the next"`
}

func (s *service) sealValues(ctx context.Context, c caller, in *DataZoneInput) (SecurityBlocks, error) {
	v, err := s.values.Seal(ctx, act(c, in.Token), in.Body.Zone)
	text := func(block []byte) string { return strings.ToUpper(hex.EncodeToString(block)) }
	return SecurityBlocks{Issue: v.Issue, CVV: text(v.CVV), CVV2: text(v.CVV2), ICVV: text(v.ICVV), CSC5: text(v.CSC5), CSC4: text(v.CSC4), CSC3: text(v.CSC3), CVV2ExpiresAt: v.CVV2Until}, err
}

func (s *service) verifyCVV2(ctx context.Context, c caller, in *CVV2Input) (CVV2Verdict, error) {
	right, err := s.values.VerifyCVV2(ctx, act(c, in.Token), card.NewSecret([]byte(in.Body.CVV2)))
	return CVV2Verdict{Verified: right}, err
}

func (s *service) tellDynamic(ctx context.Context, c caller, in *ZoneInput) (SecurityValues, error) {
	v, err := s.values.TellDynamic(ctx, act(c, in.Token), in.Body.Zone)
	return SecurityValues{Issue: v.Issue, JWE: v.JWE, CVV2ExpiresAt: v.CVV2Until}, err
}

// CVV2State tells which CVV2 of a card is valid.
type CVV2State struct {
	Dynamic bool `json:"dynamic"`
}

func (s *service) disableDynamic(ctx context.Context, c caller, in *CardInput) (CVV2State, error) {
	return CVV2State{}, s.values.DisableDynamic(ctx, act(c, in.Token))
}

// SealedNumber is a card's number, for the holder of a zone's private key only.
type SealedNumber struct {
	JWE string `json:"jwe" doc:"JWE in compact form, RSA-OAEP-256 and A256GCM; its payload has card_number and issued_at"`
}

func (s *service) tellNumber(ctx context.Context, c caller, in *ZoneInput) (SealedNumber, error) {
	told, err := s.values.TellNumber(ctx, act(c, in.Token), in.Body.Zone)
	return SealedNumber{told}, err
}

// LookupInput is the number of a card.
type LookupInput struct {
	Body struct {
		Number string `json:"card_number" pattern:"^[0-9]{13,19}$"`
	}
}

// FoundCard is the card of a number.
type FoundCard struct {
	Token string            `json:"token"`
	Links map[string]string `json:"links"`
}

func (s *service) findByNumber(ctx context.Context, c caller, in *LookupInput) (FoundCard, error) {
	pan, err := card.ParsePAN(in.Body.Number)
	if err != nil {
		return FoundCard{}, invalid("body.card_number", "is no card number")
	}
	token, err := s.values.TokenOf(ctx, c.institution, c.actor(), pan)
	return FoundCard{Token: token, Links: map[string]string{"card": cardPath + "/" + token}}, err
}
