package firstvision

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"platen/api"
	"platen/batch"
	"platen/hsm"
	"platen/services/cards"
	"platen/services/pins"
)

// errWrongPIN says that a PIN that was presented is not the card's.
var errWrongPIN = errors.New("the PIN is wrong")

// The numbers of the PIN services.
var (
	validationCodes = vpl5{
		{errWrongPIN, "VPL5SVP26S", "incorrect PIN"},
		{pins.ErrLocked, "VPL5SVP27S", "PIN tries exceeded"},
		{cards.ErrStatus, "VPL5SVP11S", "the card's state does not allow it"},
	}
	changeCodes = vpl5{
		{cards.ErrStatus, "VPL5SCP21S", "the card is not eligible"},
	}
	reassignCodes = vpl5{
		{hsm.ErrWeakPIN, "VPL5SPA27S", "the requested PIN is not allowed"},
	}
)

// Association names the zone that a block is of: its code, in small letters.
type Association struct {
	Key string `json:"keyAssociation" pattern:"^[0-9A-Z]{1,3}$"`
}

// Numbered is Association as some operations call it.
type Numbered struct {
	Key string `json:"keyAssociationNumber" pattern:"^[0-9A-Z]{1,3}$"`
}

func presented(key, block string) (pins.Presented, error) {
	b, err := hex.DecodeString(block)
	if err != nil {
		return pins.Presented{}, hsm.ErrPINBlock
	}
	return pins.Presented{Zone: strings.ToLower(key), Block: b}, nil
}

type validation struct {
	OnCard
	Association
	Block string `json:"currentPinBlock" pattern:"^[0-9A-Fa-f]{16}$"`
}

func (s *service) validatePIN(ctx context.Context, c *api.Call, story *batch.Story, body validation) (api.Reply, error) {
	p, err := presented(body.Key, body.Block)
	if err != nil {
		return api.Reply{}, err
	}
	v, err := s.pins.Verify(ctx, act(c, story), p)
	if err == nil && !v.Verified {
		err = errWrongPIN
	}
	return named(story), err
}

// named tells which card something was done to.
func named(story *batch.Story) api.Reply {
	return done(http.StatusOK, map[string]string{"cardNumber": story.Token})
}

type attempts struct {
	Org
	CardNumber string `json:"cardNumber" pattern:"^[0-9A-Z]{19}$"`
	Sequence   string `json:"cardSequenceNumber,omitempty" pattern:"^(0{0,3}[01])$"`
}

func (a attempts) on() (Org, string) { return a.Org, a.CardNumber }

// Attempts is how often the PIN of a card was wrong.
type Attempts struct {
	Tries    string `json:"cardInvalidPinTries"`
	LastTry  string `json:"cardInvalidPinTryDate"`
	Max      string `json:"maxNumberInvalidPinTries"`
	Exceeded string `json:"exceededInvalidPinTries"` // D = it is declined, blank = it is not
	Blocked  string `json:"blockedIndicator"`        // B or N
}

func (s *service) invalidAttempts(ctx context.Context, c *api.Call, story *batch.Story, body attempts) (api.Reply, error) {
	v, err := s.pins.Look(ctx, act(c, story))
	if err != nil {
		return api.Reply{}, err
	}
	a := Attempts{Tries: fmt.Sprintf("%02d", v.Tries-v.TryLeft), Max: fmt.Sprintf("%02d", v.Tries), Exceeded: " ", Blocked: "N"}
	if v.LastTry != nil {
		a.LastTry = v.LastTry.UTC().Format("2006-01-02")
	}
	if v.TryLeft == 0 {
		a.Exceeded = "D"
	}
	if v.Status != pins.Open {
		a.Blocked = "B"
	}
	return done(http.StatusOK, a), nil
}

type pinChange struct {
	OnCard
	Numbered
	Channel string `json:"channel" enum:"A,I,W"`
	Current string `json:"currPinBlock" pattern:"^[0-9A-Fa-f]{16}$"`
	New     string `json:"reqdPinBlock" pattern:"^[0-9A-Fa-f]{16}$"`
}

func (s *service) changePIN(ctx context.Context, c *api.Call, story *batch.Story, body pinChange) (api.Reply, error) {
	old, err := presented(body.Key, body.Current)
	if err != nil {
		return api.Reply{}, err
	}
	next, err := presented(body.Key, body.New)
	if err != nil {
		return api.Reply{}, err
	}
	v, err := s.pins.Change(ctx, act(c, story), pins.Chosen{Zone: old.Zone, Old: old.Block, New: next.Block})
	if err == nil && !v.Verified {
		err = api.Refusal(http.StatusUnprocessableEntity, "pin_wrong", "the current PIN is incorrect; nothing was changed")
	}
	return named(story), err
}

type pinReassign struct {
	OnCard
	Numbered
	Channel string `json:"channel" enum:"A,B,C,F,I,W"`
	Block   string `json:"newPinBlock" pattern:"^[0-9A-Fa-f]{16}$"`
}

func (s *service) reassignPIN(ctx context.Context, c *api.Call, story *batch.Story, body pinReassign) (api.Reply, error) {
	p, err := presented(body.Key, body.Block)
	if err != nil {
		return api.Reply{}, err
	}
	_, err = s.pins.Set(ctx, act(c, story), p, "reassigned by channel "+body.Channel)
	return named(story), err
}

type pinStatus struct {
	OnCard
	Function string `json:"serviceFunctionCode" enum:"B,U"`
	Channel  string `json:"channel,omitempty" enum:"A,B,C,F,I,W"`
}

func (s *service) pinStatus(ctx context.Context, c *api.Call, story *batch.Story, body pinStatus) (api.Reply, error) {
	do, why := s.pins.Block, "blocked by channel "
	if body.Function == "U" {
		do, why = s.pins.Unblock, "unblocked by channel "
	}
	_, err := do(ctx, act(c, story), why+body.Channel)
	return named(story), err
}
