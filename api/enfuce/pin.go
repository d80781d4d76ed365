package enfuce

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"platen/api"
	"platen/batch"
	"platen/services/pins"
	"platen/sql/store"
)

// The statuses of the PIN of a card's next plastic.
const (
	pinGenerated = "D" // by the rules of its product
	pinAwaited   = "W" // the plastic waits until one is set
	pinSet       = "S"
)

// pinStatus is how the PIN of a card's next plastic stands.
func pinStatus(story *batch.Story) string {
	if story.Awaiting != nil {
		return pinAwaited
	}
	for _, e := range slices.Backward(story.Events) {
		switch e.Kind {
		case "pin_set", "pin_changed":
			return pinSet
		case "pin_released":
			return pinGenerated
		}
	}
	return pinGenerated
}

// setPINStatus lets a card's next plastic wait for its PIN, or lets it go on without. That a PIN was set is what setting it says.
func (s *service) setPINStatus(ctx context.Context, c *api.Call, story *batch.Story, next string) error {
	now := pinStatus(story)
	switch {
	case next == pinAwaited:
		return s.pins.Await(ctx, act(c, story), "pinStatus W")
	case next == now:
		return nil
	case next == pinSet:
		return impossible("pin_status", "no PIN was set yet")
	case now == pinSet:
		return impossible("pin_status", "a PIN was set: none is generated in its place")
	}
	return s.pins.Release(ctx, act(c, story), "pinStatus D")
}

// zonePrefix begins the codes of the zones whose keys the service knows by numbers: the key of index 3 is that of zone enfuce-3.
const zonePrefix = "enfuce-"

// plasticPIN is a PIN for a plastic that is not made yet, as an ISO 9564-1 format 1 block under a zone key of an index.
type plasticPIN struct {
	ZPKIndex int32  `json:"zpkIndex" minimum:"0" maximum:"999"`
	PINBlock string `json:"pinBlock" pattern:"^[0-9A-Fa-f]{16}$"`
}

// setPlasticPIN gives a plastic that is in no file yet the PIN that its holder chose.
func (s *service) setPlasticPIN(ctx context.Context, c *api.Call, body plasticPIN) (api.Reply, error) {
	id := c.PathValue("plasticId")
	token, _, found := strings.Cut(id, "-")
	story, err := s.plant.ExplainCard(ctx, c.Institution, token)
	number := story.Card.NewestIssue
	if l := story.Awaiting; l != nil && !l.Instant() {
		number++
	}
	if err == nil && (!found || id != plasticID(&story, number)) {
		err = fmt.Errorf("plastic: %w", store.ErrNotFound)
	}
	if err != nil {
		return api.Reply{}, err
	}
	block, err := hex.DecodeString(body.PINBlock)
	if err != nil {
		return api.Reply{}, api.Invalid("body.pinBlock", "is no PIN block")
	}
	_, err = s.pins.SetUnprinted(ctx, act(c, &story), pins.Presented{Zone: fmt.Sprintf("%s%d", zonePrefix, body.ZPKIndex), Block: block}, "set by its holder")
	return done("PIN set", &story), err
}

// controlledPIN is a PIN for the card of a control, in the format and under the key of the control's zone.
type controlledPIN struct {
	ControlID string `json:"controlId" minLength:"1" maxLength:"64"`
	PINBlock  string `json:"pinBlock" minLength:"12" maxLength:"24"` // base64
}

// setControlledPIN uses a control up and gives its card a PIN.
func (s *service) setControlledPIN(ctx context.Context, c *api.Call, body controlledPIN) (api.Reply, error) {
	block, err := base64.StdEncoding.DecodeString(body.PINBlock)
	if err != nil {
		return api.Reply{}, api.Invalid("body.pinBlock", "is not base64")
	}
	_, token, err := s.pins.SetByControl(ctx, c.Institution, c.Actor, body.ControlID, block)
	return api.Reply{Status: http.StatusOK, Body: Resource{Description: "PIN set", ID: token}}, err
}
