package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"platen/api"
	"platen/api/enfuce"
	"platen/batch"
	"platen/card"
	"platen/hsm"
	"platen/sql/store"
)

// set gives a card a PIN by a control, which is for the plastic that is made next.
func (h *holder) set(c client, digits string) answer {
	h.t.Helper()
	made := decode[api.PINControl](h.post(c, "controls", `{"scope":"SET_PIN","zone":"pad","reason":"app"}`).want(http.StatusCreated))
	return h.post1(c, "/v1/pin-controls/set", fmt.Sprintf(`{"control_id":%q,"pin_block":%q}`, made.ControlID, h.block("pad", digits)))
}

// verifies fails unless a PIN is the card's.
func (h *holder) verifies(c client, digits string, right bool) {
	h.t.Helper()
	if v := decode[api.PINVerdict](h.try(c, "pos", digits).want(http.StatusOK)); v.Verified != right {
		h.t.Errorf("a PIN is the card's: %v, want %v", v.Verified, right)
	}
}

// printed fails unless the plastic of an issue stands in a file, with a PIN.
func (h *holder) printed(number int, digits string) store.Issue {
	h.t.Helper()
	issue, err := h.plant.Store.Issue(h.t.Context(), h.id, number)
	if err != nil {
		h.t.Fatal(err)
	}
	if issue.File == nil || h.opened(issue.PIN) != digits {
		h.t.Errorf("issue %d is in file %v, with the right PIN: %v", number, issue.File != nil, h.opened(issue.PIN) == digits)
	}
	return issue
}

func (s *site) waits(token, productions string) {
	s.t.Helper()
	if got := s.productions(token); got != productions {
		s.t.Errorf("productions %q, want %q", got, productions)
	}
	if c := s.card(token); (c.Awaiting != nil) != strings.Contains(productions, "AWAITING_PIN") || c.Awaiting != nil && !c.Awaiting.Since.Equal(noon) {
		s.t.Errorf("awaiting a PIN: %+v, productions %q", c.Awaiting, productions)
	}
}

// A plastic that waits for its PIN is left out of every file until one is set, and is made with that; others of the same cut-off, and of the same order, are not held up.
func TestAPlasticWaitsForItsPIN(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		desk := s.pinDesk(s.mine.institution)
		s.post1(s.mine, "/v1/cards", `{"reference":"LATER","await_pin":true,`+namedCard+`}`).refused(http.StatusConflict, "no_plastic")
		token := decode[api.OrderedCard](s.post1(s.mine, "/v1/cards", `{"reference":"A","instant":true,"await_pin":true,`+namedCard+`}`).want(http.StatusCreated)).Card.Token
		other := decode[api.OrderedCard](s.post1(s.mine, "/v1/cards", `{"reference":"B","instant":true,`+namedCard+`}`).want(http.StatusCreated)).Card.Token
		h := s.holderOf(token)
		s.waits(token, "1 AWAITING_PIN")
		s.act(s.mine, token, "pin/await", "again").want(http.StatusOK)
		s.act(s.theirs, token, "pin/await", "x").refused(http.StatusNotFound, "not_found")
		s.act(s.theirs, token, "pin/release", "x").refused(http.StatusNotFound, "not_found")
		s.act(desk, token, "pin/release", "x").refused(http.StatusForbidden, "forbidden")
		s.act(s.mine, other, "pin/release", "x").refused(http.StatusConflict, "pin_not_awaited")
		s.produce(s.mine)
		s.waits(token, "1 AWAITING_PIN")
		s.waits(other, "1 IN_FILE, 1.1 IN_FILE")
		s.act(s.mine, other, "pin/await", "too late").refused(http.StatusConflict, "no_plastic")
		if files := s.produce(s.mine); len(files) != 0 {
			t.Errorf("%d files", len(files))
		}
		h.set(desk, "1111").refused(http.StatusUnprocessableEntity, "pin_weak")
		s.waits(token, "1 AWAITING_PIN")
		s.balanced()

		h.set(desk, "2580").want(http.StatusOK)
		s.waits(token, "1 AWAITING_FILE")
		s.sent(s.produce(s.mine))
		h.printed(1, "2580")
		h.verifies(desk, "2580", true)
		s.act(s.mine, token, "activate", "").want(http.StatusOK)

		// A reissue: the PIN that is set is its own. The one in use stays until it is.
		s.replace(s.mine, token, `{"reference":"L","reason":"LOST","await_pin":true}`).refused(http.StatusConflict, "no_plastic")
		s.act(s.mine, token, "pin/await", "nothing is ordered").refused(http.StatusConflict, "no_plastic")
		s.replace(s.mine, token, `{"reference":"D1","reason":"DAMAGED","await_pin":true}`).want(http.StatusCreated)
		s.produce(s.mine)
		s.waits(token, "1 SENT_TO_BUREAU, 1.1 SENT_TO_BUREAU, next AWAITING_PIN")
		h.set(desk, "8317").want(http.StatusOK)
		s.waits(token, "1 SENT_TO_BUREAU, 1.1 SENT_TO_BUREAU, next AWAITING_FILE")
		s.act(s.mine, token, "pin/await", "once more").want(http.StatusOK)
		h.set(desk, "7391").want(http.StatusOK)
		h.verifies(desk, "2580", true)
		h.verifies(desk, "7391", false)
		s.sent(s.produce(s.mine))
		h.printed(2, "7391")
		h.verifies(desk, "2580", true)
		s.act(s.mine, token, "activate", "").want(http.StatusOK)
		h.verifies(desk, "7391", true)
		h.verifies(desk, "2580", false)

		// Let go without: the plastic keeps the PIN. One that the holder chooses meanwhile for the card is the plastic's, too.
		s.replace(s.mine, token, `{"reference":"D2","reason":"DAMAGED","await_pin":true}`).want(http.StatusCreated)
		s.act(s.mine, token, "pin/release", "nobody chose").want(http.StatusOK)
		s.act(s.mine, token, "pin/release", "nobody chose").refused(http.StatusConflict, "pin_not_awaited")
		s.sent(s.produce(s.mine))
		h.printed(3, "7391")
		s.act(s.mine, token, "activate", "").want(http.StatusOK)
		s.replace(s.mine, token, `{"reference":"D3","reason":"DAMAGED"}`).want(http.StatusCreated)
		s.act(s.mine, token, "pin/await", "asked for by phone").want(http.StatusOK)
		h.post(desk, "set", fmt.Sprintf(`{"zone":"pad","pin_block":%q,"reason":"branch"}`, h.block("pad", "4826"))).want(http.StatusOK)
		h.verifies(desk, "4826", true)
		s.sent(s.produce(s.mine))
		h.verifies(desk, "4826", true)
		h.printed(4, "4826")
		s.act(s.mine, token, "activate", "").want(http.StatusOK)

		// A holder who knows the PIN of a card that was made at once changes it.
		changed := s.holderOf(decode[api.OrderedCard](s.post1(s.mine, "/v1/cards", `{"reference":"C","instant":true,"await_pin":true,`+namedCard+`}`).want(http.StatusCreated)).Card.Token)
		change := func(old string) {
			t.Helper()
			changed.post(desk, "change", fmt.Sprintf(`{"zone":"pad","pin_block":%q,"new_pin_block":%q}`, changed.block("pad", old), changed.block("pad", "4826"))).want(http.StatusOK)
		}
		change(changed.wrong())
		s.waits(changed.token, "1 AWAITING_PIN")
		change(changed.pin)
		s.waits(changed.token, "1 AWAITING_FILE")
		s.sent(s.produce(s.mine))
		changed.printed(1, "4826")

		// What waits is taken back like everything else.
		s.replace(s.mine, token, `{"reference":"D4","reason":"DAMAGED","await_pin":true}`).want(http.StatusCreated)
		s.takeBack(s.mine, token, "next").want(http.StatusOK)
		if c := s.card(token); c.Awaiting != nil {
			t.Errorf("%+v", c.Awaiting)
		}
		s.act(s.mine, token, "close", "done").want(http.StatusOK)
		kinds := make([]string, 0, 40)
		for _, e := range s.card(token).Events {
			kinds = append(kinds, e.Kind)
		}
		for _, kind := range []string{"pin_awaited", "pin_set", "pin_released"} {
			if !slices.Contains(kinds, kind) {
				t.Errorf("no event %s: %v", kind, kinds)
			}
		}
		s.balanced()
	})
}

// One line of an order waits, and the others are made; the order is open until the last is, and what waits for long is a person's.
func TestAnOrderGoesOnWhileOneOfItsCardsWaitsForItsPIN(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		desk := s.pinDesk(s.mine.institution)
		tokens := s.inUse(3)
		s.submit(s.mine, "ALL", "card,reason\n"+tokens[0]+",DAMAGED\n"+tokens[1]+",DAMAGED\n"+tokens[2]+",DAMAGED\n").want(http.StatusCreated)
		s.act(s.mine, tokens[1], "pin/await", "chooses its PIN").want(http.StatusOK)
		s.sent(s.produce(s.mine))
		s.waits(tokens[0], "1 SENT_TO_BUREAU, 2 SENT_TO_BUREAU")
		s.waits(tokens[1], "1 SENT_TO_BUREAU, next AWAITING_PIN")
		s.waits(tokens[2], "1 SENT_TO_BUREAU, 2 SENT_TO_BUREAU")
		o, err := s.plant.Store.OrderByReference(t.Context(), s.mine.institution.ID, "ALL")
		if err != nil {
			t.Fatal(err)
		}
		if p, err := s.plant.Store.ProgressOf(t.Context(), o.Number); err != nil || p.PINHeld != 1 || p.Sent != 2 {
			t.Errorf("%+v, %v", p, err)
		}
		alarms := func() (all []batch.Item) {
			t.Helper()
			items, err := s.plant.Attention(t.Context(), s.mine.institution)
			if err != nil {
				t.Fatal(err)
			}
			return slices.DeleteFunc(items, func(x batch.Item) bool { return x.What != batch.AlarmPIN })
		}
		if all := alarms(); len(all) != 0 {
			t.Errorf("%+v", all)
		}
		s.plant.Now = func() time.Time { return noon.Add(8 * 24 * time.Hour) }
		if all := alarms(); len(all) != 1 || !all[0].Since.Equal(noon) || !strings.Contains(all[0].Detail, tokens[1]+" with order ALL") {
			t.Errorf("%+v", all)
		}
		s.plant.Now = func() time.Time { return noon }
		h := s.holderOf(tokens[1])
		h.set(desk, "2580").want(http.StatusOK)
		s.sent(s.produce(s.mine))
		h.printed(2, "2580")
		s.act(s.mine, tokens[1], "activate", "").want(http.StatusOK)
		h.verifies(desk, "2580", true)
		s.balanced()

		// An order is cancelled with what waits of it.
		s.submit(s.mine, "TWO", "card,reason\n"+tokens[0]+",RENEWAL\n"+tokens[2]+",RENEWAL\n").want(http.StatusCreated)
		s.act(s.mine, tokens[0], "pin/await", "chooses its PIN").want(http.StatusOK)
		two, err := s.plant.Store.OrderByReference(t.Context(), s.mine.institution.ID, "TWO")
		if err != nil {
			t.Fatal(err)
		}
		w, err := s.plant.CancelOrder(t.Context(), s.mine.institution, two.Number, "not wanted", "test")
		if err != nil || w.Cancelled != 2 {
			t.Errorf("cancelled %d, %v", w.Cancelled, err)
		}
		s.waits(tokens[0], "1 SENT_TO_BUREAU, 2 SENT_TO_BUREAU")
		s.balanced()
	})
}

// Enfuce's clients let a new card, a reissue and a replacement wait by pinStatus W; it is S by itself when a PIN is set, and D lets go without.
func TestEnfuceLetsPlasticsWaitForTheirPINs(t *testing.T) {
	onBoth(t, func(t *testing.T, plain *site) {
		s := plain.withEnfuce()
		desk := s.pinDesk(s.mine.institution)
		status := func(id, next string) answer {
			return s.call(s.desk, http.MethodPatch, "/v4/VISA_CARD/"+id+audited, `{"pinStatus":"`+next+`"}`)
		}
		shows := func(id, want string) {
			t.Helper()
			if got := decode[enfuce.Card](s.call(s.desk, http.MethodGet, "/v3/"+id+audited, "").want(http.StatusOK)).PINStatus; got != want {
				t.Errorf("pinStatus %s, want %s", got, want)
			}
		}
		plastic := func(h *holder, number int, digits string) answer {
			return s.call(desk, http.MethodPost, fmt.Sprintf("/pin/v2/%s-%d%s", h.token, number, audited), fmt.Sprintf(`{"zpkIndex":1,"pinBlock":%q}`, h.block("swipe", digits)))
		}
		s.call(s.desk, http.MethodPost, createPhysical+audited, `{"pinStatus":"S"}`).refusedBy(http.StatusConflict, dynamicError, "pin_status")
		id := s.made(s.call(s.desk, http.MethodPost, createPhysical+audited, `{"pinStatus":"W"}`))
		h := s.holderOf(id)
		shows(id, "W")
		status(id, "S").refusedBy(http.StatusConflict, dynamicError, "pin_status")
		status(id, "X").refusedBy(http.StatusBadRequest, staticError, "invalid_request")
		s.call(s.desk, http.MethodPatch, "/v4/VISA_CARD/"+id+audited, `{}`).refusedBy(http.StatusBadRequest, staticError, "invalid_request")
		s.call(s.desk, http.MethodPatch, "/v4/VISA_CARD/"+id+audited, `{"pinStatus":"D","status":"Card OK"}`).refusedBy(http.StatusBadRequest, staticError, "invalid_request")
		if files := s.produce(s.mine); len(files) != 0 {
			t.Errorf("%d files", len(files))
		}
		status(id, "D").want(http.StatusOK)
		shows(id, "D")
		status(id, "D").want(http.StatusOK)
		status(id, "W").want(http.StatusOK)
		plastic(h, 1, "2580").want(http.StatusOK)
		shows(id, "S")
		status(id, "S").want(http.StatusOK)
		status(id, "D").refusedBy(http.StatusConflict, dynamicError, "pin_status")
		s.sent(s.produce(s.mine))
		h.printed(1, "2580")
		status(id, "W").refusedBy(http.StatusConflict, dynamicError, "no_plastic")

		// A reissue, on the same id: the PIN is set for the plastic that is not made yet.
		s.call(s.desk, http.MethodPost, "/v3/"+id+"/update/REISSUE_CARD"+audited, "").want(http.StatusOK)
		plastic(h, 2, "8317").refusedBy(http.StatusNotFound, dynamicError, "not_found")
		status(id, "W").want(http.StatusOK)
		shows(id, "W")
		if files := s.produce(s.mine); len(files) != 0 {
			t.Errorf("%d files", len(files))
		}
		plastic(h, 1, "8317").refusedBy(http.StatusNotFound, dynamicError, "not_found")
		plastic(h, 2, "8317").want(http.StatusOK)
		shows(id, "S")
		s.sent(s.produce(s.mine))
		h.printed(2, "8317")

		// A replacement, on the new id.
		next := decode[enfuce.Resource](s.call(s.desk, http.MethodPost, "/v3/"+id+"/update/REPLACE_CARD"+audited, "").want(http.StatusOK)).ID
		shows(next, "D")
		status(next, "W").want(http.StatusOK)
		if files := s.produce(s.mine); len(files) != 0 {
			t.Errorf("%d files", len(files))
		}
		replaced := s.holderOf(next)
		plastic(replaced, 1, "4826").want(http.StatusOK)
		shows(next, "S")
		s.sent(s.produce(s.mine))
		replaced.printed(1, "4826")
		s.balanced()
	})
}

// The key that PINs are verified with may get another version while a plastic waits: its PIN is verified all the same. The value on a reissue is of the key that its file names.
func TestAPINIsRightWhateverBecameOfItsKeyWhileAPlasticWaited(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		desk := s.pinDesk(s.mine.institution)
		order := func(reference string) *holder {
			return s.holderOf(decode[api.OrderedCard](s.post1(s.mine, "/v1/cards", `{"reference":"`+reference+`","instant":true,"await_pin":true,`+namedCard+`}`).want(http.StatusCreated)).Card.Token)
		}
		reissued := order("A")
		s.act(s.mine, reissued.token, "pin/release", "as it is").want(http.StatusOK)
		s.sent(s.produce(s.mine))
		s.act(s.mine, reissued.token, "activate", "").want(http.StatusOK)
		s.replace(s.mine, reissued.token, `{"reference":"D","reason":"DAMAGED","await_pin":true}`).want(http.StatusCreated)
		reissued.set(desk, "8317").want(http.StatusOK)
		chosen, released := order("B"), order("C")
		chosen.set(desk, "2580").want(http.StatusOK)
		if err := s.keys.Rotate("pvk-visa", s.plant.Entropy); err != nil {
			t.Fatal(err)
		}
		s.act(s.mine, released.token, "pin/release", "as it is").want(http.StatusOK)
		s.sent(s.produce(s.mine))
		for _, c := range []struct {
			h      *holder
			issue  int
			digits string
		}{{reissued, 2, "8317"}, {chosen, 1, "2580"}, {released, 1, released.pin}} {
			s.act(s.mine, c.h.token, "activate", "").want(http.StatusOK)
			c.h.verifies(desk, c.digits, true)
			if issue := c.h.printed(c.issue, c.digits); c.issue == 2 && *issue.PVV != c.h.pvv("pvk-visa", 2, issue.PIN) {
				t.Error("the value on the plastic is of another key")
			}
		}
	})
}

// pvv is the verification value of a PIN under a version of a key.
func (h *holder) pvv(label card.KeyLabel, version int, stored []byte) int {
	h.t.Helper()
	pin, err := hsm.NewPIN(stored)
	if err != nil {
		h.t.Fatal(err)
	}
	var out [1]hsm.PVV
	err = h.plant.Module.PVVs(h.t.Context(), card.KeyRef{Label: h.plant.PINStorage}, card.KeyRef{Label: label, Version: version}, 1, []card.PAN{h.pan}, []hsm.PIN{pin}, out[:])
	if err != nil {
		h.t.Fatal(err)
	}
	n, err := strconv.Atoi(string(out[0][:]))
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}
