package api

import (
	"context"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"platen/services/pins"
)

func (s *service) routePINControls(api huma.API) {
	made := change("make-pin-control", http.MethodPost, cardPath+"/{token}/pin/controls", "pins", "The right to look at or set a PIN, once, within 30 seconds", http.StatusCreated)
	made.Description = "Whoever has the control may use it, in the institution's name and with the role pin. A PIN is set before its plastic is in a file, and never after."
	read(s, api, made, s.makeControl)
	read(s, api, change("view-pin", http.MethodPost, "/v1/pin-controls/view", "pins", "The PIN that a control is for, under the key of its zone", http.StatusOK), s.viewPIN)
	read(s, api, change("set-pin-by-control", http.MethodPost, "/v1/pin-controls/set", "pins", "Set the PIN that a control is for", http.StatusOK), s.setByControl)
}

// PINControlInput names a card and what a control of its PIN is for.
type PINControlInput struct {
	CardInput
	Body struct {
		Scope  string `json:"scope" enum:"VIEW_PIN,SET_PIN"`
		Zone   string `json:"zone" minLength:"1" maxLength:"32" doc:"Code of a declared zone that has a key: the PIN is told, or comes in, under it"`
		Reason string `json:"reason" minLength:"1" maxLength:"64" doc:"Why, for the card's history: printable ASCII, no personal data"`
	}
}

// PINControl is a right to look at or set one PIN, once.
type PINControl struct {
	ControlID string    `json:"control_id" doc:"The right itself: it is not shown again"`
	ExpiresAt time.Time `json:"expires_at"`
}

// UsedControlInput uses a control.
type UsedControlInput struct {
	Body struct {
		ControlID string `json:"control_id" minLength:"1" maxLength:"64"`
	}
}

// SetByControlInput uses a control and presents the PIN that its card is to have.
type SetByControlInput struct {
	Body struct {
		ControlID string `json:"control_id" minLength:"1" maxLength:"64"`
		PINBlock  string `json:"pin_block" pattern:"^([0-9A-Fa-f]{16}|[0-9A-Fa-f]{32})$" doc:"ISO 9564-1 block in the format of the control's zone, hexadecimal"`
	}
}

// ViewedPIN is the PIN of a control's card under the key of the control's zone.
type ViewedPIN struct {
	Token string `json:"token" doc:"The card"`
	ExportedPIN
}

// SetPINState is how the PIN of a control's card stands after it was set.
type SetPINState struct {
	Token string `json:"token" doc:"The card"`
	PINState
}

func (s *service) makeControl(ctx context.Context, c caller, in *PINControlInput) (PINControl, error) {
	v, err := s.pins.NewControl(ctx, act(c, in.Token), pins.Asked{Scope: pins.Scope(in.Body.Scope), Zone: in.Body.Zone, Reason: in.Body.Reason})
	return PINControl{ControlID: v.ID, ExpiresAt: v.Expires.UTC()}, err
}

func (s *service) viewPIN(ctx context.Context, c caller, in *UsedControlInput) (ViewedPIN, error) {
	v, err := s.pins.View(ctx, c.institution, c.actor(), in.Body.ControlID)
	return ViewedPIN{Token: v.Card, ExportedPIN: ExportedPIN{Issue: v.Issue, PINBlock: strings.ToUpper(hex.EncodeToString(v.Block))}}, err
}

func (s *service) setByControl(ctx context.Context, c caller, in *SetByControlInput) (SetPINState, error) {
	block, err := pinBlock(in.Body.PINBlock)
	if err != nil {
		return SetPINState{}, err
	}
	v, token, err := s.pins.SetByControl(ctx, c.institution, c.actor(), in.Body.ControlID, block)
	return SetPINState{Token: token, PINState: showPIN(v)}, err
}
