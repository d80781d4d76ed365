package api_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"platen/api"
	"platen/api/enfuce"
	"platen/hsm/pinblock"
)

// A control is a right to look at or set one PIN: once, within half a minute, for one purpose, in one institution. A PIN is set before its plastic is in a file, and the
// plastic is made with it.
func TestAPINIsSeenAndSetByAControlOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		desk, strangers := s.pinDesk(s.mine.institution), s.pinDesk(s.theirs.institution)
		token := decode[api.OrderedCard](s.post1(s.mine, "/v1/cards", `{"reference":"A","instant":true,`+namedCard+`}`).want(http.StatusCreated)).Card.Token
		h := s.holderOf(token)
		asks := func(c client, scope, zone, reason string) answer {
			return h.post(c, "controls", fmt.Sprintf(`{"scope":%q,"zone":%q,"reason":%q}`, scope, zone, reason))
		}
		control := func(scope, zone string) string {
			t.Helper()
			v := decode[api.PINControl](asks(desk, scope, zone, "shown in the app").want(http.StatusCreated))
			if len(v.ControlID) != 43 || !v.ExpiresAt.Equal(noon.Add(30*time.Second)) {
				t.Fatalf("%+v", v)
			}
			return v.ControlID
		}
		view := func(c client, id string) answer {
			return s.post1(c, "/v1/pin-controls/view", fmt.Sprintf(`{"control_id":%q}`, id))
		}
		set := func(c client, id, zone, digits string) answer {
			return s.post1(c, "/v1/pin-controls/set", fmt.Sprintf(`{"control_id":%q,"pin_block":%q}`, id, h.block(zone, digits)))
		}

		asks(desk, "CHANGE_PIN", "pos", "x").refused(http.StatusUnprocessableEntity, "invalid_request")
		asks(desk, "VIEW_PIN", "none", "x").refused(http.StatusUnprocessableEntity, "unknown_zone")
		asks(desk, "VIEW_PIN", "pad", "x").refused(http.StatusUnprocessableEntity, "zone_takes_only")
		asks(desk, "SET_PIN", "pad", "ümlaut").refused(http.StatusUnprocessableEntity, "bad_reason")
		asks(s.mine, "SET_PIN", "pad", "x").refused(http.StatusForbidden, "forbidden")
		asks(strangers, "SET_PIN", "pad", "x").refused(http.StatusNotFound, "not_found")

		// Seen: by many at once, once, and by none who has another's, another kind, or comes late.
		id := control("VIEW_PIN", "pos")
		view(strangers, id).refused(http.StatusNotFound, "no_control")
		view(s.mine, id).refused(http.StatusForbidden, "forbidden")
		set(desk, id, "pos", "2580").refused(http.StatusNotFound, "no_control")
		view(desk, strings.ToLower(id)).refused(http.StatusNotFound, "no_control")
		var all sync.WaitGroup
		var seen atomic.Int64
		for range 8 {
			all.Go(func() {
				a, err := s.send(s.request(desk, http.MethodPost, "/v1/pin-controls/view", strings.NewReader(fmt.Sprintf(`{"control_id":%q}`, id)), asJSON))
				if err != nil {
					t.Error(err)
				}
				if a.status == http.StatusOK {
					seen.Add(1)
					h.holds(a, "pos", h.pin)
				}
			})
		}
		all.Wait()
		if seen.Load() != 1 {
			t.Errorf("a control was used %d times", seen.Load())
		}
		id = control("VIEW_PIN", "app")
		s.plant.Now = func() time.Time { return noon.Add(30 * time.Second) }
		view(desk, id).refused(http.StatusNotFound, "no_control")
		s.plant.Now = func() time.Time { return noon }
		h.holds(view(desk, id).want(http.StatusOK), "app", h.pin)

		// Set: what cannot be the PIN uses the control up, and changes nothing.
		weak := control("SET_PIN", "pad")
		set(desk, weak, "pad", "1111").refused(http.StatusUnprocessableEntity, "pin_weak")
		set(desk, weak, "pad", "2580").refused(http.StatusNotFound, "no_control")
		late := control("SET_PIN", "pad")
		id = control("SET_PIN", "pad")
		if v := decode[api.SetPINState](set(desk, id, "pad", "2580").want(http.StatusOK)); v.Token != token || v.Issue != 1 || v.AttemptsLeft != 3 {
			t.Errorf("%+v", v)
		}
		if v := decode[api.PINVerdict](h.try(desk, "pos", "2580").want(http.StatusOK)); !v.Verified {
			t.Error("the PIN is another")
		}

		// The plastic is made with it, and from then on it is only changed.
		s.sent(s.produce(s.mine))
		printed, err := s.plant.Store.Issue(t.Context(), h.id, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.opened(printed.PIN); got != "2580" || printed.File == nil {
			t.Error("the plastic has another PIN")
		}
		set(desk, late, "pad", "7391").refused(http.StatusConflict, "card_in_file")
		asks(desk, "SET_PIN", "pad", "x").refused(http.StatusConflict, "card_in_file")
		if v := decode[api.PINVerdict](h.try(desk, "pos", "2580").want(http.StatusOK)); !v.Verified {
			t.Error("the PIN changed after its plastic was made")
		}
		if text := s.log.String(); strings.Contains(text, id) || strings.Contains(text, "2580") {
			t.Error("the log shows a control or a PIN")
		}
		told := ""
		for _, e := range s.card(token).Events {
			told += e.Kind + " "
		}
		for _, kind := range []string{"pin_control_made", "pin_told", "pin_set"} {
			if !strings.Contains(told, kind) {
				t.Errorf("no event %s: %s", kind, told)
			}
		}
	})
}

// holds opens the PIN of an answer as the holder of a zone's key does.
func (h *holder) holds(a answer, zone, digits string) {
	h.t.Helper()
	v := decode[api.ViewedPIN](a)
	block, err := hex.DecodeString(v.PINBlock)
	if err != nil || v.Token != h.token || v.Issue != 1 {
		h.t.Errorf("%+v, %v", v, err)
	}
	h.withZone(zone, func(k pinblock.Key) error {
		p, err := pinblock.Open(zones[zone].format, k, block, string(h.pan.Reveal()))
		if err == nil && p.Reveal() != digits {
			h.t.Error("another PIN is told")
		}
		return err
	})
}

// Enfuce's clients set the PIN of a plastic that is not made yet, by the number of a key or by a control.
func TestEnfuceSetsAPINBeforeItsPlasticIsMade(t *testing.T) {
	onBoth(t, func(t *testing.T, plain *site) {
		s := plain.withEnfuce()
		desk := s.pinDesk(s.mine.institution)
		id := s.made(s.call(s.desk, http.MethodPost, createPhysical+audited, `{"embossing":{"manufacturer":"NORTH","physical":true}}`))
		h := s.holderOf(id)
		plastic := func(name, body string) answer {
			return s.call(desk, http.MethodPost, "/pin/v2/"+name+audited, body)
		}
		block := func(digits string) string {
			return fmt.Sprintf(`{"zpkIndex":1,"pinBlock":%q}`, h.block("swipe", digits))
		}
		plastic(id+"-2", block("2580")).refusedBy(http.StatusNotFound, dynamicError, "not_found")
		plastic(id, block("2580")).refusedBy(http.StatusNotFound, dynamicError, "not_found")
		plastic(id+"-1", `{"zpkIndex":2,"pinBlock":"0123456789ABCDEF"}`).refusedBy(http.StatusBadRequest, staticError, "unknown_zone")
		plastic(id+"-1", `{"zpkIndex":1,"pinBlock":"0123"}`).refusedBy(http.StatusBadRequest, staticError, "invalid_request")
		plastic(id+"-1", `{"zpkIndex":1,"pinBlock":"0123456789ABCDEF"}`).refusedBy(http.StatusBadRequest, staticError, "pin_block")
		plastic(id+"-1", `{"zpkIndex":1,"pinBlock":"0123456789ABCDEF","encryptedKey":"x"}`).refusedBy(http.StatusBadRequest, staticError, "invalid_request")
		plastic(id+"-1", block("1111")).refusedBy(http.StatusBadRequest, staticError, "pin_weak")
		plastic(id+"-1", block("2580")).want(http.StatusOK)
		byControl := func() answer {
			made := decode[api.PINControl](h.post(desk, "controls", `{"scope":"SET_PIN","zone":"swipe","reason":"app"}`).want(http.StatusCreated))
			raw, err := hex.DecodeString(h.block("swipe", "8317"))
			if err != nil {
				t.Fatal(err)
			}
			body := fmt.Sprintf(`{"controlId":%q,"pinBlock":%q}`, made.ControlID, base64.StdEncoding.EncodeToString(raw))
			a := s.call(desk, http.MethodPost, "/pin/v3/set"+audited, body)
			s.call(desk, http.MethodPost, "/pin/v3/set"+audited, body).refusedBy(http.StatusNotFound, dynamicError, "no_control")
			return a
		}
		if got := decode[enfuce.Resource](byControl().want(http.StatusOK)).ID; got != id {
			t.Errorf("the PIN of %s was set", got)
		}
		s.call(desk, http.MethodPost, "/pin/v3/set"+audited, `{"controlId":"x","pinBlock":"!!!!!!!!!!!!"}`).refusedBy(http.StatusBadRequest, staticError, "invalid_request")
		s.sent(s.produce(s.mine))
		printed, err := s.plant.Store.Issue(t.Context(), h.id, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.opened(printed.PIN); got != "8317" {
			t.Error("the plastic has another PIN")
		}
		plastic(id+"-1", block("2580")).refusedBy(http.StatusConflict, dynamicError, "card_in_file")
	})
}
