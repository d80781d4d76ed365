package api_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"platen/api"
	"platen/card"
	"platen/fault"
	"platen/hsm"
	"platen/hsm/keyblock"
	"platen/hsm/pin"
	"platen/hsm/pinblock"
	"platen/sql/store"
)

// pinModule counts the PINs that are tried, and breaks on request.
type pinModule struct {
	hsm.Module
	tried  atomic.Int64
	broken atomic.Bool
}

func (m *pinModule) Ready(ctx context.Context) error {
	if m.broken.Load() {
		return errors.New("no connection")
	}
	return m.Module.Ready(ctx)
}

func (m *pinModule) ImportPINs(ctx context.Context, zpk card.KeyRef, format hsm.PINFormat, use hsm.PINUse, length int, pans []card.PAN, blocks card.Secrets, storage card.KeyRef, out []hsm.PIN) error {
	if use == hsm.PresentedPIN {
		m.tried.Add(1)
	}
	return m.Module.ImportPINs(ctx, zpk, format, use, length, pans, blocks, storage, out)
}

// zones are the zones of every institution of a site, by format.
var zones = map[string]struct {
	key    card.KeyLabel
	format hsm.PINFormat
}{"pos": {"zpk-pos", hsm.ISO0}, "app": {"zpk-app", hsm.ISO4}, "swipe": {"zpk-pos", hsm.ISO1}, "pad": {"zpk-pos", hsm.ISO3}}

// holder is a card whose PIN a test knows.
type holder struct {
	*site
	token string
	id    card.ID
	pan   card.PAN
	pin   string
}

// holderOf finds out the PIN of a card.
func (s *site) holderOf(name string) *holder {
	s.t.Helper()
	h := &holder{site: s, token: decode[api.Card](s.get(s.mine, "/v1/cards/"+name).want(http.StatusOK)).Token}
	ctx := s.t.Context()
	var err error
	if h.id, err = s.plant.FindCard(ctx, s.mine.institution, h.token); err != nil {
		s.t.Fatal(err)
	}
	ranges, err := s.plant.Store.Ranges(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range ranges {
		if r.Number == h.id.Range() {
			out := make([]card.PAN, 1)
			if err := s.plant.Vault.PANs(r.Range, r.PermutationKey, []int64{h.id.Sequence()}, out, card.NewPANs(1)); err != nil {
				s.t.Fatal(err)
			}
			h.pan = out[0]
		}
	}
	issue, err := s.plant.Store.Issue(ctx, h.id, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	h.pin = h.opened(issue.PIN)
	return h
}

// opened is a stored PIN in the clear.
func (h *holder) opened(stored []byte) string {
	h.t.Helper()
	kept, err := hsm.NewPIN(stored)
	if err != nil {
		h.t.Fatal(err)
	}
	out, pans := card.NewSecrets(1, 16), []card.PAN{h.pan}
	if err := h.plant.Module.ExportPINs(h.t.Context(), card.KeyRef{Label: "pin-storage"}, card.KeyRef{Label: "zpk-pos"}, hsm.ISO0, pans, []hsm.PIN{kept}, pans, out); err != nil {
		h.t.Fatal(err)
	}
	var clearPIN pin.Clear
	h.withZone("pos", func(k pinblock.Key) error {
		var err error
		clearPIN, err = pinblock.Open(hsm.ISO0, k, out.Reveal(0), string(h.pan.Reveal()))
		return err
	})
	return clearPIN.Reveal()
}

func (s *site) withZone(zone string, do func(pinblock.Key) error) {
	s.t.Helper()
	algorithm, make := keyblock.TDES, pinblock.NewTDESKey
	if zones[zone].format == hsm.ISO4 {
		algorithm, make = keyblock.AES, pinblock.NewAESKey
	}
	err := s.keys.Use(card.KeyRef{Label: zones[zone].key}, keyblock.ZPK, algorithm, func(raw []byte) error {
		k, err := make(raw)
		if err != nil {
			return err
		}
		return do(k)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// block is the block of a PIN under a zone's key.
func (h *holder) block(zone, digits string) string {
	h.t.Helper()
	p, err := pin.Parse(digits)
	if err != nil {
		h.t.Fatal(err)
	}
	var block []byte
	h.withZone(zone, func(k pinblock.Key) error {
		block, err = pinblock.Seal(zones[zone].format, k, p, string(h.pan.Reveal()), [16]byte{10, 11, 12, 13, 14, 15, 10, 11, 12, 13, 14, 15, 10, 11, 12, 13})
		return err
	})
	return hex.EncodeToString(block)
}

// wrong is a PIN that differs from the right one in every digit.
func (h *holder) wrong() string {
	out := []byte(h.pin)
	for i := range out {
		out[i] = '0' + (out[i]-'0'+5)%10
	}
	return string(out)
}

func (h *holder) post(c client, what, body string) answer {
	h.t.Helper()
	return h.do(c, http.MethodPost, "/v1/cards/"+h.token+"/pin/"+what, strings.NewReader(body), asJSON)
}

func (h *holder) try(c client, zone, digits string) answer {
	h.t.Helper()
	return h.post(c, "verify", fmt.Sprintf(`{"zone":%q,"pin_block":%q}`, zone, h.block(zone, digits)))
}

// stands holds the state of a PIN against what is wanted.
func (h *holder) stands(c client, status string, left int) {
	h.t.Helper()
	if v := decode[api.PINState](h.get(c, "/v1/cards/"+h.token+"/pin").want(http.StatusOK)); v.Status != status || v.AttemptsLeft != left || v.MaxTries != 3 {
		h.t.Fatalf("the PIN stands as %+v, want %s with %d tries left", v, status, left)
	}
}

// pinDesk is a client with the role for PINs.
func (s *site) pinDesk(institution store.Institution) client {
	return client{institution: institution, key: s.addBearer(store.Client{Institution: institution.ID, Name: "pins of " + institution.Code, Roles: "pin", Rate: 1_000_000})}
}

func TestAPINIsTriedAsOftenAsTheProductAllows(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		module := &pinModule{Module: s.plant.Module}
		s.plant.Module = module
		bulk := "product,first_name,last_name,address1,city,country\nvisa-debit-chip,Ana,Muller,Calle 2,Madrid,ES\nprepaid-mag,Ana,Muller,Calle 2,Madrid,ES\n"
		s.submit(s.mine, "P", bulk).want(http.StatusCreated)
		s.produce(s.mine)
		desk, strangers := s.pinDesk(s.mine.institution), s.pinDesk(s.theirs.institution)
		for name, zone := range map[string]string{"P%231": "app", "P%232": "pos"} {
			h := s.holderOf(name)
			h.stands(desk, "OPEN", 3)
			verdict := func(a answer, right bool, left int) {
				t.Helper()
				if v := decode[api.PINVerdict](a.want(http.StatusOK)); v.Verified != right || v.AttemptsLeft != left {
					t.Fatalf("%s, want %v with %d left", a.body, right, left)
				}
			}
			verdict(h.try(desk, zone, h.pin), true, 3)
			verdict(h.try(desk, zone, h.wrong()), false, 2)
			verdict(h.try(desk, zone, h.wrong()), false, 1)
			verdict(h.try(desk, zone, h.pin), true, 3)
			verdict(h.try(desk, zone, h.wrong()), false, 2)
			h.try(desk, zone, h.pin+"0").refused(http.StatusUnprocessableEntity, "pin_block")
			verdict(h.try(desk, zone, h.wrong()), false, 0)
			before := module.tried.Load()
			h.try(desk, zone, h.pin).refused(http.StatusConflict, "pin_locked")
			h.stands(desk, "LOCKED", 0)
			if module.tried.Load() != before {
				t.Error("the module saw a PIN that is locked")
			}
			h.post(desk, "unblock", `{"reason":"the holder called"}`).want(http.StatusOK)
			verdict(h.try(desk, zone, h.pin), true, 3)
			h.post(desk, "block", `{"reason":"fraud desk"}`).want(http.StatusOK)
			h.post(desk, "block", `{"reason":"fraud desk"}`).want(http.StatusOK)
			h.stands(desk, "BLOCKED", 3)
			h.try(desk, zone, h.pin).refused(http.StatusConflict, "pin_blocked")
			h.post(desk, "unblock", `{"reason":"cleared"}`).want(http.StatusOK)

			var kinds []string
			for _, e := range decode[api.Card](s.get(s.mine, "/v1/cards/"+h.token).want(http.StatusOK)).Events {
				if strings.HasPrefix(e.Kind, "pin_") {
					kinds = append(kinds, strings.TrimPrefix(e.Kind, "pin_"))
				}
			}
			if got := strings.Join(kinds, " "); got != "verified refused refused verified refused refused refused locked unblocked verified blocked unblocked" {
				t.Errorf("events %s", got)
			}

			// What is refused costs no try and tells nothing.
			right := h.block(zone, h.pin)
			for body, code := range map[string]string{
				`{"zone":"bank","pin_block":"` + right + `"}`: "unknown_zone", `{"zone":"` + zone + `","pin_block":"` + right[:15] + `"}`: "invalid_request",
				`{"zone":"` + zone + `","pin_block":"` + strings.Repeat("G", len(right)) + `"}`: "invalid_request", `{"zone":"` + zone + `"}`: "invalid_request", `{}`: "invalid_request",
				`{"zone":"` + zone + `","pin_block":"` + strings.Repeat("0", 48-len(right)) + `"}`: "pin_block", `{"zone":"` + zone + `","pin_block":1234}`: "invalid_request",
				`{"zone":"` + zone + `","pin_block":"` + right + `","pin":"1234"}`: "invalid_request",
			} {
				if p := h.post(desk, "verify", body).refused(http.StatusUnprocessableEntity, code); strings.Contains(fmt.Sprint(p), right) {
					t.Errorf("%s: the block is shown", code)
				}
			}
			h.try(s.mine, zone, h.pin).refused(http.StatusForbidden, "forbidden")
			s.get(s.mine, "/v1/cards/"+h.token+"/pin").refused(http.StatusForbidden, "forbidden")
			module.broken.Store(true)
			h.try(desk, zone, h.pin).refused(http.StatusServiceUnavailable, "module_down")
			module.broken.Store(false)
			h.try(strangers, zone, h.pin).refused(http.StatusNotFound, "not_found")
			s.get(strangers, "/v1/cards/"+h.token+"/pin").refused(http.StatusNotFound, "not_found")
			for _, what := range []string{"block", "unblock"} {
				h.post(strangers, what, `{"reason":"x"}`).refused(http.StatusNotFound, "not_found")
				h.post(desk, what, `{"reason":"ümlaut"}`).refused(http.StatusUnprocessableEntity, "bad_reason")
			}
			s.act(s.mine, h.token, "block", "asked").want(http.StatusOK)
			h.try(desk, zone, h.pin).refused(http.StatusConflict, "card_status")
			s.act(s.mine, h.token, "unblock", "asked").want(http.StatusOK)
			h.stands(desk, "OPEN", 3)
		}
	})
}

func TestNoMoreTriesThanTheLimitReachTheModule(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		module := &pinModule{Module: s.plant.Module}
		s.plant.Module = module
		s.submit(s.mine, "P", massCSV(2)).want(http.StatusCreated)
		s.produce(s.mine)
		desk := s.pinDesk(s.mine.institution)

		// 64 at once.
		h := s.holderOf("P%231")
		body := fmt.Sprintf(`{"zone":"pos","pin_block":%q}`, h.block("pos", h.wrong()))
		var all sync.WaitGroup
		var seen, locked atomic.Int64
		for range 64 {
			r := s.request(desk, http.MethodPost, "/v1/cards/"+h.token+"/pin/verify", strings.NewReader(body), asJSON)
			all.Go(func() {
				a, err := s.send(r)
				switch {
				case err != nil:
					t.Error(err)
				case a.status == http.StatusOK && strings.Contains(string(a.body), `"verified":false`):
					seen.Add(1)
				case a.status == http.StatusConflict && strings.Contains(string(a.body), "pin_locked"):
					locked.Add(1)
				default:
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
		all.Wait()
		if module.tried.Load() != 3 || seen.Load() != 3 || locked.Load() != 61 {
			t.Errorf("the module saw %d tries; %d were answered and %d refused", module.tried.Load(), seen.Load(), locked.Load())
		}

		// Whoever dies after the commit has used up a try: before the module is asked, and after it answered.
		h = s.holderOf("P%232")
		module.tried.Store(0)
		for _, place := range []string{"PIN try: committed", "PIN try: answered", "PIN try: committed"} {
			disarm, err := fault.Arm(func(_ int64, point string) {
				if strings.HasPrefix(point, place) {
					panic("died here")
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			h.try(desk, "pos", h.pin).refused(http.StatusInternalServerError, "internal")
			disarm()
		}
		h.stands(desk, "LOCKED", 0)
		h.try(desk, "pos", h.pin).refused(http.StatusConflict, "pin_locked")
		if module.tried.Load() != 1 {
			t.Errorf("the module saw %d tries", module.tried.Load())
		}
		events := decode[api.Card](s.get(s.mine, "/v1/cards/"+h.token).want(http.StatusOK)).Events
		if last := events[len(events)-1].Kind; last != "pin_locked" {
			t.Errorf("the last event is %s", last)
		}
	})
}

func TestAHolderChoosesAPINAndTheNextCardHasIt(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		module := &pinModule{Module: s.plant.Module}
		s.plant.Module = module
		bulk := "product,first_name,last_name,address1,city,country\nvisa-debit-chip,Ana,Muller,Calle 2,Madrid,ES\nprepaid-mag,Ana,Muller,Calle 2,Madrid,ES\n"
		s.submit(s.mine, "P", bulk).want(http.StatusCreated)
		s.sent(s.produce(s.mine))
		desk, strangers := s.pinDesk(s.mine.institution), s.pinDesk(s.theirs.institution)
		held := map[string]*holder{"app": s.holderOf("P%231"), "pos": s.holderOf("P%232")}
		renewals := "card,reason\n"
		for zone, h := range held {
			change := func(old, next string) answer {
				return h.post(desk, "change", fmt.Sprintf(`{"zone":%q,"pin_block":%q,"new_pin_block":%q}`, zone, h.block(zone, old), h.block(zone, next)))
			}
			verified := func(a answer, right bool, left int) {
				t.Helper()
				if v := decode[api.PINVerdict](a.want(http.StatusOK)); v.Verified != right || v.AttemptsLeft != left {
					t.Fatalf("%s: %s, want %v with %d left", zone, a.body, right, left)
				}
			}
			s.act(s.mine, h.token, "activate", "").want(http.StatusOK)
			verified(change(h.wrong(), "8317"), false, 2)
			verified(h.try(desk, zone, "8317"), false, 1)
			change(h.pin, "1111").refused(http.StatusUnprocessableEntity, "pin_weak")
			change(h.pin, "83175").refused(http.StatusUnprocessableEntity, "pin_block")
			verified(change(h.pin, "8317"), true, 3)
			verified(h.try(desk, zone, h.pin), false, 2)
			verified(h.try(desk, zone, "8317"), true, 3)
			renewals += h.token + ",RENEWAL\n"
		}

		// The next issue takes it over, and works once it is in use; a change while it waits is one of both.
		s.submit(s.mine, "RENEW", renewals).want(http.StatusCreated)
		s.sent(s.produce(s.mine))
		for zone, h := range held {
			second, err := s.plant.Store.Issue(t.Context(), h.id, 2)
			if err != nil {
				t.Fatal(err)
			}
			if got := h.opened(second.PIN); got != "8317" {
				t.Errorf("%s: the next issue has another PIN", zone)
			}
			first, err := s.plant.Store.Issue(t.Context(), h.id, 1)
			if err != nil {
				t.Fatal(err)
			}
			if got := h.opened(first.PIN); got != h.pin {
				t.Errorf("%s: what was printed of the first issue has changed", zone)
			}
			set := func(c client, next, reason string) answer {
				return h.post(c, "set", fmt.Sprintf(`{"zone":%q,"pin_block":%q,"reason":%q}`, zone, h.block(zone, next), reason))
			}
			for range 3 {
				h.try(desk, zone, h.pin).want(http.StatusOK)
			}
			h.stands(desk, "LOCKED", 0)
			before := module.tried.Load()
			h.post(desk, "change", fmt.Sprintf(`{"zone":%q,"pin_block":%q,"new_pin_block":%q}`, zone, h.block(zone, "8317"), h.block(zone, "2580"))).refused(http.StatusConflict, "pin_locked")
			set(desk, "2580", "ümlaut").refused(http.StatusUnprocessableEntity, "bad_reason")
			set(desk, "4321", "identified").refused(http.StatusUnprocessableEntity, "pin_weak")
			set(strangers, "2580", "identified").refused(http.StatusNotFound, "not_found")
			set(s.mine, "2580", "identified").refused(http.StatusForbidden, "forbidden")
			set(desk, "2580", "identified").want(http.StatusOK)
			if module.tried.Load() != before {
				t.Errorf("%s: to set a PIN was a try", zone)
			}
			h.stands(desk, "OPEN", 3)
			s.act(s.mine, h.token, "activate", "").want(http.StatusOK)
			if v := decode[api.PINVerdict](h.try(desk, zone, "2580").want(http.StatusOK)); !v.Verified || v.Issue != 2 {
				t.Errorf("%s: the new card does not have the PIN: %+v", zone, v)
			}
			export := func(c client, zone string) answer {
				return h.post(c, "export", fmt.Sprintf(`{"zone":%q,"reason":"shown in the app"}`, zone))
			}
			for to := range zones {
				if zones[to].format == hsm.ISO1 || zones[to].format == hsm.ISO3 { // whose fill is random: PINs only come in
					export(desk, to).refused(http.StatusUnprocessableEntity, "zone_takes_only")
					h.post(desk, "set", fmt.Sprintf(`{"zone":%q,"pin_block":%q,"reason":"identified"}`, to, h.block(to, "2580"))).want(http.StatusOK)
					if v := decode[api.PINVerdict](h.try(desk, to, "2580").want(http.StatusOK)); !v.Verified {
						t.Errorf("zone %s: the PIN is another", to)
					}
					h.try(desk, to, "4444").want(http.StatusOK)
					h.post(desk, "set", fmt.Sprintf(`{"zone":%q,"pin_block":%q,"reason":"identified"}`, to, h.block(to, "1234"))).refused(http.StatusUnprocessableEntity, "pin_weak")
					continue
				}
				told := decode[api.ExportedPIN](export(desk, to).want(http.StatusOK))
				block, err := hex.DecodeString(told.PINBlock)
				if err != nil || told.Issue != 2 {
					t.Fatalf("%+v, %v", told, err)
				}
				h.withZone(to, func(k pinblock.Key) error {
					p, err := pinblock.Open(zones[to].format, k, block, string(h.pan.Reveal()))
					if err == nil && p.Reveal() != "2580" {
						t.Errorf("zone %s gets another PIN", to)
					}
					return err
				})
			}
			export(desk, "bank").refused(http.StatusUnprocessableEntity, "unknown_zone")
			export(strangers, zone).refused(http.StatusNotFound, "not_found")
			export(s.mine, zone).refused(http.StatusForbidden, "forbidden")
			h.post(desk, "export", `{"zone":"pos","reason":"ümlaut"}`).refused(http.StatusUnprocessableEntity, "bad_reason")
			h.post(desk, "block", `{"reason":"fraud"}`).want(http.StatusOK)
			export(desk, zone).refused(http.StatusConflict, "pin_blocked")
			set(desk, "7391", "identified").refused(http.StatusConflict, "pin_blocked")
			h.post(desk, "change", `{"zone":"`+zone+`","pin_block":"00"}`).refused(http.StatusUnprocessableEntity, "invalid_request")
		}
		for key, want := range map[card.KeyRef]bool{{Label: "pvk-visa", Version: 1}: true, {Label: "pvk-prepaid", Version: 1}: true, {Label: "pvk-visa", Version: 2}: false,
			{Label: "pvk-mastercard", Version: 1}: false} {
			if got, err := s.plant.ChosenUnder(t.Context(), s.mine.institution.ID, key); err != nil || got != want {
				t.Errorf("chosen PINs need %s: %v, %v", key, got, err)
			}
		}
		if got, err := s.plant.ChosenUnder(t.Context(), s.theirs.institution.ID, card.KeyRef{Label: "pvk-visa", Version: 1}); err != nil || got {
			t.Errorf("another institution's chosen PINs: %v, %v", got, err)
		}
		s.noPIN("8317", "2580")
	})
}

// noPIN looks for PINs in the log.
func (s *site) noPIN(digits ...string) {
	s.t.Helper()
	for _, d := range digits {
		if strings.Contains(s.log.String(), `"`+d+`"`) {
			s.t.Errorf("the log shows a PIN")
		}
	}
}
