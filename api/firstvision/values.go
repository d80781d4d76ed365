package firstvision

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"

	"platen/api"
	"platen/batch"
	"platen/card"
	"platen/services/pins"
	"platen/services/values"
	"platen/sql/store"
)

// zone is the code of the zone of a channel and an association: of both together where there is one, or of the association.
func (s *service) zone(ctx context.Context, c *api.Call, channel, association string) (string, error) {
	code := strings.ToLower(strings.TrimSpace(channel) + association)
	_, err := s.plant.Zone(ctx, c.Institution, code)
	if errors.Is(err, store.ErrNotFound) {
		return strings.ToLower(association), nil
	}
	return code, err
}

// securityCodes asks for the security values of a card.
type securityCodes struct {
	OnCard
	Association
	Channel string `json:"channel" enum:" ,I,A,W"`
}

// currentCodes is securityCodes as the current version has it.
type currentCodes struct {
	OnCard
	Association
	Channel string `json:"channelIndicator" enum:"A,I,W"`
}

// Codes are the security values of a card as its zone can read them.
type Codes struct {
	CardNumber string `json:"cardNumber"`
	Values     string `json:"securityValues,omitempty"` // JWE: CVV, CVV2 and iCVV; of a zone that has no data key
	CVV        string `json:"ud1ec,omitempty"`          // blocks under the zone's data key; of American Express the 3CSC
	CVV2       string `json:"ud2ec,omitempty"`          // 4CSC
	ICVV       string `json:"ud3ec,omitempty"`
	PIN        string `json:"pinEncrypt,omitempty"` // block under the zone's key
}

// CurrentCodes are Codes as the current version has them.
type CurrentCodes struct {
	CardNumber string      `json:"cardNumber"`
	Values     string      `json:"securityValues,omitempty"`
	Users      []UserValue `json:"usersDefined,omitempty"`
	Amex       *AmexValues `json:"cardSecurity,omitempty"`
	PIN        string      `json:"pinEncrypt,omitempty"`
}

// UserValue is a block by the name that the former version has for it.
type UserValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// AmexValues are the blocks of an American Express card: 5CSC of the stripe, 4CSC and 3CSC as they are printed.
type AmexValues struct {
	Magnetic string   `json:"magnetic"`
	Printed  []string `json:"printed"`
}

// told are the security values of a card as its zone can read them.
type told struct {
	jwe    string
	sealed values.Sealed
	pin    string
}

func text(block []byte) string { return strings.ToUpper(hex.EncodeToString(block)) }

func (s *service) securityCodes(ctx context.Context, c *api.Call, story *batch.Story, body securityCodes) (api.Reply, error) {
	v, err := s.codesFor(ctx, c, story, body.Channel, body.Key)
	if err != nil {
		return api.Reply{}, err
	}
	out := Codes{CardNumber: story.Token, Values: v.jwe, CVV: text(v.sealed.CVV), CVV2: text(v.sealed.CVV2), ICVV: text(v.sealed.ICVV), PIN: v.pin}
	if len(v.sealed.CSC4) > 0 {
		out.CVV, out.CVV2 = text(v.sealed.CSC3), text(v.sealed.CSC4)
	}
	return done(http.StatusOK, out), nil
}

func (s *service) currentCodes(ctx context.Context, c *api.Call, story *batch.Story, body currentCodes) (api.Reply, error) {
	v, err := s.codesFor(ctx, c, story, body.Channel, body.Key)
	if err != nil {
		return api.Reply{}, err
	}
	out := CurrentCodes{CardNumber: story.Token, Values: v.jwe, PIN: v.pin}
	for _, u := range []struct {
		key   string
		block []byte
	}{{"ud1ec", v.sealed.CVV}, {"ud2ec", v.sealed.CVV2}, {"ud3ec", v.sealed.ICVV}} {
		if len(u.block) > 0 {
			out.Users = append(out.Users, UserValue{u.key, text(u.block)})
		}
	}
	if len(v.sealed.CSC4) > 0 {
		out.Amex = &AmexValues{Magnetic: text(v.sealed.CSC5), Printed: []string{text(v.sealed.CSC4), text(v.sealed.CSC3)}}
	}
	return done(http.StatusOK, out), nil
}

// codesFor tells the codes of a card as blocks where the zone has a data key, else as a JWE, and its PIN where the zone has a key for that.
func (s *service) codesFor(ctx context.Context, c *api.Call, story *batch.Story, channel, association string) (told, error) {
	var v told
	code, err := s.zone(ctx, c, channel, association)
	if err != nil {
		return v, err
	}
	if v.sealed, err = s.values.Seal(ctx, act(c, story), code); errors.Is(err, values.ErrDataKey) {
		var t values.Told
		t, err = s.values.Tell(ctx, act(c, story), code)
		v.jwe = t.JWE
	}
	noKey := errors.Is(err, values.ErrZone)
	if err != nil && !noKey {
		return v, err
	}
	block, err := s.pins.Export(ctx, act(c, story), code, "security codes by channel "+strings.TrimSpace(channel))
	switch {
	case errors.Is(err, pins.ErrZone) && noKey:
		return v, values.ErrZone
	case err != nil && !errors.Is(err, pins.ErrZone) && !errors.Is(err, batch.ErrNoPIN):
		return v, err
	case err == nil:
		v.pin = text(block.Block)
	}
	return v, nil
}

// dynamicCodes are the numbers of the dynamic values service (VPL5SGD).
var dynamicCodes = vpl5{{values.ErrNoDynamic, "VPL5SGD20S", "the card is not in use, or its product has no dynamic CVV2"}}

type dynamicValues struct {
	OnCard
	Association
	Channel string `json:"channel" enum:"I,A,W"`
	Disable string `json:"disableDCVV2" enum:"Y,N"`
}

// Dynamic is the CVV2 that a card has now.
type Dynamic struct {
	CardNumber string `json:"cardNumber"`
	CVV2       string `json:"dcvv2,omitempty"` // a block under the zone's data key; of a zone without one a JWE
	Account    string `json:"accountType"`     // Credit where the account has a credit limit, Debit elsewhere
	Minutes    int    `json:"dcvv2ExpiryMinutes,omitempty"`
	At         string `json:"dcvv2GenerationTime,omitempty"`
}

func (s *service) dynamicValues(ctx context.Context, c *api.Call, story *batch.Story, body dynamicValues) (api.Reply, error) {
	account, err := s.customers.OfCard(ctx, c.Institution, story.Card)
	if err != nil {
		return api.Reply{}, err
	}
	v := Dynamic{CardNumber: story.Token, Account: "Debit"}
	if account != nil && account.CreditLimit > 0 {
		v.Account = "Credit"
	}
	if body.Disable == "Y" {
		return done(http.StatusOK, v), s.values.DisableDynamic(ctx, act(c, story))
	}
	code, err := s.zone(ctx, c, body.Channel, body.Key)
	if err != nil {
		return api.Reply{}, err
	}
	sealed, err := s.values.SealDynamic(ctx, act(c, story), code)
	value, until := text(sealed.CVV2), sealed.CVV2Until
	if errors.Is(err, values.ErrDataKey) {
		var told values.Told
		told, err = s.values.TellDynamic(ctx, act(c, story), code)
		value, until = told.JWE, told.CVV2Until
	}
	if err != nil {
		return api.Reply{}, err
	}
	now := s.plant.Now()
	v.CVV2, v.Minutes, v.At = value, int(math.Ceil(until.Sub(now).Minutes())), now.UTC().Format("2006-01-02T15:04:05Z")
	return done(http.StatusOK, v), nil
}

// cardPAN asks for the token of a card number (P), or for the number of a token (C), which is told to the holder of a zone's private key only.
type cardPAN struct {
	Org
	CardNumber  string `json:"cardNumber" pattern:"^[0-9A-Z]{12,32}$"`
	Sequence    string `json:"cardSequence,omitempty" pattern:"^(0{0,3}[01])$"`
	Function    string `json:"functionType,omitempty" enum:"P,C"`
	Association string `json:"keyAssociation,omitempty" pattern:"^[0-9A-Z]{1,3}$"`
}

func (s *service) cardPAN(ctx context.Context, c *api.Call, body cardPAN) (api.Reply, error) {
	if err := body.known(c); err != nil {
		return api.Reply{}, err
	}
	answer := map[string]string{"organizationNumber": body.Organization}
	if body.Function == "P" {
		pan, err := card.ParsePAN(body.CardNumber)
		if err != nil {
			return api.Reply{}, api.Invalid("body.cardNumber", "is no card number")
		}
		token, err := s.values.TokenOf(ctx, c.Institution, c.Actor, pan)
		if err == nil {
			_, err = s.card(ctx, c, body.Org, token)
		}
		answer["cardNumber"] = token
		return done(http.StatusOK, answer), err
	}
	story, err := s.card(ctx, c, body.Org, body.CardNumber)
	if err != nil {
		return api.Reply{}, err
	}
	told, err := s.values.TellNumber(ctx, act(c, &story), strings.ToLower(body.Association))
	if err != nil {
		return api.Reply{}, fmt.Errorf("card number: %w", err)
	}
	answer["cardNumber"] = told
	return done(http.StatusOK, answer), nil
}
