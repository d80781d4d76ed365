package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"platen/api"
	"platen/hsm/pinopener"
)

func TestFinhubOpensAVirtualCard(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.finhub(s.mine.institution, everyRole)
		wallet := f.funded("500")
		card := f.open(virtualCards, `"amount":100`)
		f.is(card, "Normal", "100.00")
		f.holds(wallet, "399.00")
		told := f.on("/card/info/sensitive", card, "").done()
		k := fieldKeys(t)
		if k.open(t, told["cardNumber"].(string)) != s.numberOf(card) || len(k.open(t, told["cvv"].(string))) != 3 || k.open(t, told["expireDate"].(string)) != "11/2029" || told["activateUrl"] != nil {
			t.Errorf("told: %v", told)
		}
		d := f.on("/card/deposit", card, `"amount":"50.00","remark":"lunch"`).done()
		if d["amount"] != "50.00" || d["fee"] != "0.25" || d["receivedAmount"] != "49.75" || d["status"] != "success" || d["type"] != "deposit" {
			t.Errorf("deposited: %v", d)
		}
		f.on("/card/withdraw", card, `"amount":147.75`).done()
		if r := f.on("/card/withdraw", card, `"amount":1`).declined("balance_retained"); r["order"].(map[string]any)["status"] != "fail" {
			t.Errorf("on record: %v", r)
		}
		f.is(card, "Normal", "2.00")
		f.on("/card/v2/freeze", card, "").done()
		f.is(card, "Freeze", "2.00")
		f.on("/card/info/sensitive", card, "").declined("card_status")
		f.on("/card/v2/freeze", card, "").declined("card_status")
		f.on("/card/v2/unFreeze", card, "").done()
		f.on("/card/updateAttribute", card, `"blockedMcc":["7995"],"spendingControls":[{"interval":"DAILY","amount":20}]`).done()
		f.on("/card/note", card, `"note":"of the driver"`).done()
		if v := f.on("/card/info", card, "").done(); v["note"] != "of the driver" || fmt.Sprint(v["blockedMcc"]) != "[7995]" || v["cardTypeId"] != float64(virtualCards) {
			t.Errorf("%v", v)
		}
		f.on("/card/cancel", card, "").done()
		f.is(card, "cancel", "0.00")
		f.on("/card/v2/unfreeze", card, "").declined("card_status")
		f.on("/card/deposit", card, `"amount":"50.00"`).declined("card_status")
		f.holds(wallet, "498.75") // less price and fee
		var kinds []string
		for page := 1; page < 4; page++ {
			p := f.post("/card/v2/operation", fmt.Sprintf(`"cardNo":%q,"pageNum":%d,"pageSize":3`, card, page)).done()
			for _, o := range p["records"].([]any) {
				kinds = append(kinds, o.(map[string]any)["type"].(string))
			}
			if more := p["hasMore"].(bool); more != (page < 3) {
				t.Errorf("page %d: %v", page, p)
			}
		}
		if got := strings.Join(kinds, " "); got != "cancel card_update UnFreeze Freeze withdraw withdraw deposit create" {
			t.Errorf("history: %s", got)
		}
		s.balanced()
	})
}

func TestFinhubBindsAndActivatesAPhysicalCard(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.finhub(s.mine.institution, everyRole)
		l, _, public := s.listen()
		wallet := f.funded("100")
		holder := f.audited(physicalCards, "ana@example.com")
		numbers := f.stock("STOCK", 2)
		asked := func(number string) string {
			return fmt.Sprintf(`"cardTypeId":%d,"amount":20,"holderId":%q,"cardNumber":%q`, physicalCards, holder, number)
		}
		f.post("/card/v2/openCard", asked(numbers[1])).declined("card_not_produced")
		f.post("/card/v2/openCard", asked("4012888888881881")).declined("card_number_unknown")
		f.post("/card/v2/openCard", asked(numbers[0][:15]+string('0'+('9'-numbers[0][15])))).declined("card_number_unknown")
		f.post("/card/v2/openCard", strings.Replace(asked(numbers[0]), `"amount":20`, `"amount":95.01`, 1)).declined("insufficient_funds")
		f.holds(wallet, "100.00")
		card := f.open(physicalCards, asked(numbers[0])[len(`"cardTypeId":111002,`):])
		f.is(card, "un_activated", "20.00")
		f.holds(wallet, "75.00")
		f.post("/card/v2/openCard", asked(numbers[0])).declined("card_bound")
		if told := f.on("/card/info/sensitive", card, "").done(); told["cardNumber"] != nil || told["cvv"] != nil || told["maskedCardNumber"] != numbers[0][:6]+"******"+numbers[0][12:] {
			t.Errorf("told before activation: %v", told)
		}
		f.on("/card/v2/freeze", card, "").declined("card_status")
		s.deliver()
		codes := l.told("card_3ds")
		if len(codes) != 1 || codes[0]["type"] != "activation_code" || codes[0]["cardNo"] != card {
			t.Fatalf("told %s", l.raw)
		}
		code := codes[0]["activeCode"].(string)
		wrong := "1" + code[1:]
		if code[0] == '1' {
			wrong = "2" + code[1:]
		}
		for pin, refusal := range map[string]string{"111222": "pin_weak", "123456": "pin_weak", "121212": "pin_weak", "135135": "pin_weak", "1357": "invalid_request", "13579a": "invalid_request"} {
			f.on("/card/activate", card, fmt.Sprintf(`"pin":%q,"activeCode":%q`, pin, code)).declined(refusal)
		}
		again := fmt.Sprintf(`"merchantOrderNo":%q,"pin":"135792","activeCode":%q`, f.number(), wrong)
		for range 2 { // a repetition is no try
			f.on("/card/activate", card, again).declined("activation_code_wrong")
		}
		f.on("/card/activate", card, fmt.Sprintf(`"pin":"135792","activationCode":%q,"noPinPaymentAmount":200`, code)).done()
		f.is(card, "Normal", "20.00")
		k := fieldKeys(t)
		if told := f.on("/card/sensitive", card, "").done(); k.open(t, told["cardNumber"].(string)) != numbers[0] || len(k.open(t, told["cvv"].(string))) != 3 {
			t.Errorf("told after activation: %v", told)
		}
		h := s.holderOf(card)
		if got := h.chosen(s, card); got != "135792" {
			t.Errorf("the PIN is %q", got)
		}
		f.post("/card/updatePin", fmt.Sprintf(`"cardId":%q,"pin":"864202"`, card)).done()
		if got := h.chosen(s, card); got != "864202" {
			t.Errorf("the changed PIN is %q", got)
		}
		f.on("/card/activate", card, fmt.Sprintf(`"pin":"135792","activeCode":%q`, code)).declined("card_status")

		// The other card is produced by now; five wrong codes lock it.
		s.step(s.mine, s.holderOf("STOCK%232").token, "produce").want(http.StatusOK)
		locked := f.open(physicalCards, asked(numbers[1])[len(`"cardTypeId":111002,`):])
		s.deliver()
		codes = l.told("card_3ds")
		code = codes[len(codes)-1]["activeCode"].(string)
		var all sync.WaitGroup
		var wrongs, refused atomic.Int64
		for range 12 { // at once: no more than five are looked at
			r := s.request(client{}, http.MethodPost, finhubBase+"/card/activate", strings.NewReader(fmt.Sprintf(`{"merchantOrderNo":%q,"cardNo":%q,"pin":"135792","activeCode":"00000"}`, f.number(), locked)),
				asJSON, header("Authorization", "Bearer "+f.token), header("X-Tenant-ID", f.tenant))
			all.Go(func() {
				switch a, err := s.send(r); {
				case err != nil:
					t.Error(err)
				case strings.Contains(string(a.body), `"activation_code_wrong"`):
					wrongs.Add(1)
				case strings.Contains(string(a.body), `"activation_locked"`):
					refused.Add(1)
				default:
					t.Errorf("%s", a.body)
				}
			})
		}
		all.Wait()
		if wrongs.Load() != 5 || refused.Load() != 7 {
			t.Errorf("%d codes were wrong, %d were not looked at", wrongs.Load(), refused.Load())
		}
		f.on("/card/activate", locked, fmt.Sprintf(`"pin":"135792","activeCode":%q`, code)).declined("activation_locked")
		f.is(locked, "un_activated", "20.00")
		f.on("/card/cancel", locked, "").done()
		f.holds(wallet, "70.00")
		s.deliver()
		l.verified(t, public)
		s.balanced()
	})
}

// numberOf is the number of a card.
func (s *site) numberOf(token string) string {
	s.t.Helper()
	id, err := s.plant.FindCard(s.t.Context(), s.mine.institution, token)
	if err != nil {
		s.t.Fatal(err)
	}
	number, err := s.plant.CardNumber(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(number.Reveal())
}

// chosen is the PIN that is kept of a card, in the clear.
func (h *holder) chosen(s *site, token string) string {
	s.t.Helper()
	ctx := s.t.Context()
	id, err := s.plant.FindCard(ctx, s.mine.institution, token)
	if err != nil {
		s.t.Fatal(err)
	}
	chosen, err := s.plant.Store.ChosenPINs(ctx, id)
	if err != nil || len(chosen) != 1 {
		s.t.Fatalf("%d PINs, %v", len(chosen), err)
	}
	return pinopener.Stored(s.t, s.keys, "pin-storage", h.pan, chosen[0].PIN).PIN
}

func TestFinhubAllocatesAPoolToSharedCards(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.finhub(s.mine.institution, everyRole)
		wallet := f.funded("1000")
		pool := f.do("/account/create", `"currency":"EUR","accountName":"drivers"`)
		if pool["accountType"] != "MARGIN" {
			t.Fatalf("made: %v", pool)
		}
		id := pool["accountId"].(string)
		f.post("/card/v2/openCard", fmt.Sprintf(`"cardTypeId":%d,"amount":0`, sharedCards)).declined("account_kind")
		f.post("/card/v2/openCard", fmt.Sprintf(`"cardTypeId":%d,"amount":0,"accountId":%q`, sharedCards, wallet)).declined("account_kind")
		f.do("/account/transfer", fmt.Sprintf(`"merchantOrderNo":"TRANSFER-OF-TWENTY-1","fromAccountId":%q,"toAccountId":%q,"amount":300,"type":"TRANSFER"`, wallet, id))
		first, second := f.open(sharedCards, fmt.Sprintf(`"amount":0,"accountId":%q`, id)), f.open(sharedCards, fmt.Sprintf(`"amount":0,"accountId":%q`, id))
		f.on("/card/deposit", first, `"amount":200`).done()
		f.on("/card/deposit", second, `"amount":100.01`).declined("insufficient_funds")
		f.on("/card/deposit", second, `"amount":100`).done()
		f.on("/card/withdraw", first, `"amount":150`).done()
		f.is(first, "Normal", "50.00")
		f.is(second, "Normal", "100.00")
		f.holds(id, "150.00")
		f.holds(wallet, "700.00")
		if v := f.on("/card/info", first, "").done(); v["accountId"] != id || v["mode"] != "BUDGET_CARD" {
			t.Errorf("%v", v)
		}
		if p := f.post("/account/transaction", fmt.Sprintf(`"accountId":%q,"pageSize":2`, id)).done(); !p["hasMore"].(bool) || p["records"].([]any)[0].(map[string]any)["amount"] != "150.00" {
			t.Errorf("entries: %v", p)
		}
		if p := f.post("/account/list", `"accountType":"MARGIN"`).done(); len(p["records"].([]any)) != 1 {
			t.Errorf("accounts: %v", p)
		}
		f.post("/account/list", `"pageSize":11`).declined("invalid_request")
		f.on("/card/cancel", second, "").done()
		f.holds(id, "250.00")
		s.balanced()
	})
}

func TestFinhubGivesNothingOfAGiftCardButItsAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := s.finhub(s.mine.institution, everyRole)
		wallet := f.funded("100")
		card := f.open(giftCards, `"amount":"25.00"`)
		f.holds(wallet, "74.50")
		told := f.on("/card/info/sensitive", card, "").done()
		if len(told) != 1 || !strings.HasPrefix(told["activateUrl"].(string), "https://gifts.example.com/redeem/") {
			t.Errorf("told: %v", told)
		}
		_, code, _ := strings.Cut(told["activateUrl"].(string), "/redeem/")
		redeem := func(c client, code string) answer {
			return s.do(c, http.MethodPost, "/v1/redemptions", strings.NewReader(fmt.Sprintf(`{"code":%q}`, code)), asJSON)
		}
		if r := decode[api.Redemption](redeem(client{key: f.key}, code).want(http.StatusOK)); r.Card != card || r.Balance != "25.00" || r.Status != "ACTIVE" || r.CardType != "gift-virtual" {
			t.Errorf("redeemed: %+v", r)
		}
		for _, wrong := range []string{code[1:], code + "A", "x", card, strings.ToLower(code)} {
			redeem(client{key: f.key}, wrong).refused(http.StatusNotFound, "not_found")
		}
		redeem(client{key: s.finhub(s.theirs.institution, everyRole).key}, code).refused(http.StatusNotFound, "not_found")
		for _, path := range []string{"/card/deposit", "/card/withdraw"} {
			f.on(path, card, `"amount":10`).declined("feature_disabled")
		}
		for _, path := range []string{"/card/v2/freeze", "/card/v2/unfreeze"} {
			f.on(path, card, "").declined("feature_disabled")
		}
		f.on("/card/activate", card, `"pin":"135792","activeCode":"123456"`).declined("activation_automatic")
		f.on("/card/updatePin", card, `"pin":"135792"`).declined("no_pin")
		f.is(card, "Normal", "")
		f.on("/card/cancel", card, "").done()
		f.is(card, "cancel", "")
		f.holds(wallet, "99.50")
		s.balanced()
	})
}
