package api

import (
	"context"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/hsm"
	"platen/services/pins"
)

func (s *service) routePINs(api huma.API) {
	const one = cardPath + "/{token}/pin"
	read(s, api, operation("get-pin", one, "pins", "How the PIN of a card stands"), s.getPIN)
	read(s, api, change("verify-pin", http.MethodPost, one+"/verify", "pins", "Try a PIN", http.StatusOK), s.verifyPIN)
	read(s, api, change("change-pin", http.MethodPost, one+"/change", "pins", "Change a PIN whose holder knows the old one", http.StatusOK), s.changePIN)
	read(s, api, change("set-pin", http.MethodPost, one+"/set", "pins", "Set a PIN without the old one", http.StatusOK), s.setPIN)
	read(s, api, change("export-pin", http.MethodPost, one+"/export", "pins", "The PIN as a block under the key of a zone", http.StatusOK), s.exportPIN)
	read(s, api, change("block-pin", http.MethodPost, one+"/block", "pins", "Stop a PIN until it is unblocked", http.StatusOK), s.blockPIN)
	s.routePINControls(api)
	read(s, api, change("unblock-pin", http.MethodPost, one+"/unblock", "pins", "Give a PIN all its tries again", http.StatusOK), s.unblockPIN)
}

// PINState is how the PIN of a card stands. No part of the PIN is ever shown.
type PINState struct {
	Status       string     `json:"status" enum:"OPEN,LOCKED,BLOCKED" doc:"LOCKED: no try is left. BLOCKED: by somebody"`
	Issue        int        `json:"issue" doc:"The issue whose PIN it is"`
	MaxTries     int        `json:"max_tries" doc:"Wrong PINs in a row that are looked at"`
	AttemptsLeft int        `json:"attempts_left"`
	LastTryAt    *time.Time `json:"last_try_at,omitempty"`
}

// PINVerdict is what a try came to. A PIN is changed if, and only if, it is verified.
type PINVerdict struct {
	Verified bool `json:"verified"`
	PINState
}

// PresentedPIN is a PIN block under the key of a zone.
type PresentedPIN struct {
	Zone     string `json:"zone" minLength:"1" maxLength:"32" doc:"Code of a declared zone, whose key the block is under"`
	PINBlock string `json:"pin_block" pattern:"^([0-9A-Fa-f]{16}|[0-9A-Fa-f]{32})$" doc:"ISO 9564-1 block in the zone's format, hexadecimal: 16 digits for formats 0, 1 and 3, 32 for format 4"`
}

// PresentedPINInput names a card and presents a PIN.
type PresentedPINInput struct {
	CardInput
	Body PresentedPIN
}

// ChangedPINInput names a card, presents its PIN and the one that is to take its place.
type ChangedPINInput struct {
	CardInput
	Body struct {
		PresentedPIN
		NewPINBlock string `json:"new_pin_block" pattern:"^([0-9A-Fa-f]{16}|[0-9A-Fa-f]{32})$" doc:"The new PIN, in the same zone"`
	}
}

// SetPINInput names a card and the PIN that it is to have.
type SetPINInput struct {
	CardInput
	Body struct {
		PresentedPIN
		Reason string `json:"reason" minLength:"1" maxLength:"64" doc:"Why, for the card's history: printable ASCII, no personal data"`
	}
}

// ExportPINInput names a card and the zone that its PIN goes to.
type ExportPINInput struct {
	CardInput
	Body struct {
		Zone   string `json:"zone" minLength:"1" maxLength:"32" doc:"Code of a declared zone that has a key"`
		Reason string `json:"reason" minLength:"1" maxLength:"64" doc:"Why, for the card's history: printable ASCII, no personal data"`
	}
}

// ExportedPIN is a PIN under the key of a zone.
type ExportedPIN struct {
	Issue    int    `json:"issue" doc:"The issue whose PIN it is"`
	PINBlock string `json:"pin_block" doc:"ISO 9564-1 block in the zone's format, hexadecimal, bound to the card's number"`
}

// pinBlock reads what the document's pattern has let pass.
func pinBlock(text string) ([]byte, error) {
	block, err := hex.DecodeString(text)
	if err != nil {
		return nil, hsm.ErrPINBlock
	}
	return block, nil
}

func (p PresentedPIN) presented() (pins.Presented, error) {
	block, err := pinBlock(p.PINBlock)
	return pins.Presented{Zone: p.Zone, Block: block}, err
}

func showPIN(v pins.State) PINState {
	out := PINState{Status: string(v.Status), Issue: v.Issue, MaxTries: v.Tries, AttemptsLeft: v.TryLeft}
	if v.LastTry != nil {
		at := v.LastTry.UTC()
		out.LastTryAt = &at
	}
	return out
}

func (s *service) getPIN(ctx context.Context, c caller, in *CardInput) (PINState, error) {
	v, err := s.pins.Look(ctx, act(c, in.Token))
	return showPIN(v), err
}

func (s *service) verifyPIN(ctx context.Context, c caller, in *PresentedPINInput) (PINVerdict, error) {
	p, err := in.Body.presented()
	if err != nil {
		return PINVerdict{}, err
	}
	v, err := s.pins.Verify(ctx, act(c, in.Token), p)
	return PINVerdict{Verified: v.Verified, PINState: showPIN(v)}, err
}

func (s *service) changePIN(ctx context.Context, c caller, in *ChangedPINInput) (PINVerdict, error) {
	old, err := in.Body.presented()
	if err != nil {
		return PINVerdict{}, err
	}
	block, err := pinBlock(in.Body.NewPINBlock)
	if err != nil {
		return PINVerdict{}, err
	}
	v, err := s.pins.Change(ctx, act(c, in.Token), pins.Chosen{Zone: old.Zone, Old: old.Block, New: block})
	return PINVerdict{Verified: v.Verified, PINState: showPIN(v)}, err
}

func (s *service) setPIN(ctx context.Context, c caller, in *SetPINInput) (PINState, error) {
	p, err := in.Body.presented()
	if err != nil {
		return PINState{}, err
	}
	v, err := s.pins.Set(ctx, act(c, in.Token), p, in.Body.Reason)
	return showPIN(v), err
}

func (s *service) exportPIN(ctx context.Context, c caller, in *ExportPINInput) (ExportedPIN, error) {
	v, err := s.pins.Export(ctx, act(c, in.Token), in.Body.Zone, in.Body.Reason)
	return ExportedPIN{Issue: v.Issue, PINBlock: strings.ToUpper(hex.EncodeToString(v.Block))}, err
}

func (s *service) blockPIN(ctx context.Context, c caller, in *ReasonInput) (PINState, error) {
	v, err := s.pins.Block(ctx, act(c, in.Token), in.Body.Reason)
	return showPIN(v), err
}

func (s *service) unblockPIN(ctx context.Context, c caller, in *ReasonInput) (PINState, error) {
	v, err := s.pins.Unblock(ctx, act(c, in.Token), in.Body.Reason)
	return showPIN(v), err
}
