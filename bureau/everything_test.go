package bureau_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"platen/formats"
	"platen/programs"
)

// everything makes the house one that tells everything, in the sample layouts of an encoding.
func (h *house) everything(encoding string) (pass func(time.Duration)) {
	h.t.Helper()
	for _, kind := range []string{"production", "dispatch", "delivery", "stock", "destruction", "pin-status"} {
		l := h.use(filepath.Join("..", "samples", "layouts", kind+encoding+".yaml"))
		h.config.Layouts = append(h.config.Layouts, l)
		pattern := "*." + kind
		if kind == "delivery" || kind == "stock" || kind == "destruction" {
			pattern = "north_" + kind + "_*.txt"
		}
		h.config.Bureau.Returns = append(h.config.Bureau.Returns, programs.Return{Pattern: pattern, Layout: l.Name()})
	}
	return h.behave("name: full\nseed: full\ndials: {reject: 40, spoil: 60, everything: true, dispatch: 4h, deliver: 24h, return: 100, lose: 50}")
}

// archive takes everything that lies in the output, as an issuer does, and tells what it was.
func (h *house) archive() (all []string) {
	h.t.Helper()
	for _, name := range h.names("out") {
		h.must(os.Rename(filepath.Join(h.config.Root, "out", name), filepath.Join(h.config.Root, "archive", name)))
		all = append(all, name)
	}
	return all
}

func TestABureauTellsEverythingInItsTime(t *testing.T) {
	for _, encoding := range []string{"", "-fixed", "-jsonl"} {
		t.Run("sample layouts"+encoding, func(t *testing.T) {
			h := newHouse(t)
			pass := h.everything(encoding)
			h.put(cardFile, h.seal(h.file(formats.CardFile, h.cards(250))))
			h.process()
			h.wantNames("out", ackName, "demo_42.emb.production", statusName, "north_stock_demo_42.emb.txt")
			made := h.told(t, formats.Status, statusName, formats.ReturnStatus)
			production := h.answers(formats.Production, "demo_42.emb.production")
			if len(production) != 1 || production[0][formats.ProductionProduced] != fmt.Sprint(made["MADE"]) || production[0][formats.ProductionSpoiled] != fmt.Sprint(made["SPOILED"]) {
				t.Errorf("of %v it reports %v", made, production)
			}
			stock := h.answers(formats.Stock, "north_stock_demo_42.emb.txt")
			if left := 10_000 - made["MADE"] - made["SPOILED"]; len(stock) != 1 || stock[0][formats.StockPlastic] != "BLUE" || stock[0][formats.StockClosing] != fmt.Sprint(left) {
				t.Errorf("of %d plastics left it tells %v", left, stock)
			}
			pass(5 * time.Hour)
			h.process()
			h.wantNames("out", ackName, "demo_42.emb.production", statusName, "north_stock_demo_42.emb.txt") // the issuer has not taken what comes first
			h.archive()
			h.process()
			h.wantNames("out", "demo_42.emb.dispatch")
			pass(25 * time.Hour)
			h.process()
			h.wantNames("out", "demo_42.emb.dispatch")
			h.archive()
			h.process()
			h.wantNames("out", "north_delivery_demo_42.emb.txt")
			courier := h.told(t, formats.Delivery, "north_delivery_demo_42.emb.txt", formats.ReturnStatus)
			h.archive()
			h.process()
			destroyed := h.told(t, formats.Destruction, "north_destruction_demo_42.emb.txt", formats.DestructionWhat)
			if courier["DELIVERED"] != 2 || courier["RETURNED"] == 0 || courier["LOST_IN_TRANSIT"] == 0 || destroyed["CARD"] != made["SPOILED"]+courier["RETURNED"] || destroyed["DATA"] != 1 {
				t.Errorf("of %v the courier tells %v, and %v were destroyed", made, courier, destroyed)
			}
			journal, err := h.sim.Journal()
			h.must(err)
			for _, e := range journal {
				if e.Did == "told on" && (e.Dispatched != int64(made["MADE"]) || e.Returned != int64(courier["RETURNED"]) || e.Destroyed != int64(destroyed["CARD"]) || e.Shipments != 2) {
					t.Errorf("its journal says %+v", e)
				}
			}
			h.archive()
			h.process()
			h.wantNames("later")
		})
	}
}

// told counts the lines of an answer by what one of their fields says.
func (h *house) told(t *testing.T, kind formats.Kind, name string, by formats.Field) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, line := range h.answers(kind, name) {
		n[line[by]]++
	}
	return n
}

func TestABureauThatTellsEverythingTellsOfMailersApart(t *testing.T) {
	h := newHouse(t)
	pass := h.everything("")
	h.put("demo_42.pin.pgp", h.seal(h.file(formats.PINMailer, h.mailers(100))))
	var all []string
	for range 4 {
		h.process()
		all = append(all, h.archive()...)
		pass(30 * time.Hour)
	}
	if got := strings.Join(all, " "); got != "demo_42.pin.ack demo_42.pin.status demo_42.pin-sent.pin-status demo_42.pin-arrived.pin-status north_destruction_demo_42.pin.txt" {
		t.Errorf("it tells %s", got)
	}
}

// TestFollowUpsSurviveEveryBreak lets a bureau find its file again after it has told part of what follows, as after a death, and expects the same answers, once.
func TestFollowUpsSurviveEveryBreak(t *testing.T) {
	whole := func(breaks func(h *house)) map[string]string {
		h := newHouse(t)
		pass := h.everything("")
		other := h.seal(h.file(formats.CardFile, h.cards(30)))
		h.put(cardFile, h.seal(h.file(formats.CardFile, h.cards(250))))
		h.process()
		breaks(h)
		h.put("a_other_43.emb.pgp", other)
		for range 8 {
			h.process()
			h.archive()
			pass(10 * time.Hour)
		}
		all := map[string]string{}
		for _, name := range h.names("archive") {
			all[name] = string(h.content("archive", name))
		}
		return all
	}
	want := whole(func(*house) {})
	for _, lost := range []string{"ack", "production", "status", "dispatch", "delivery", "stock", "destruction"} {
		got := whole(func(h *house) {
			for _, dir := range []string{"out", "later"} {
				for _, name := range h.names(dir) {
					if strings.Contains(name, lost) {
						h.must(os.Remove(filepath.Join(h.config.Root, dir, name)))
					}
				}
			}
			h.must(os.Rename(filepath.Join(h.config.Root, "done", cardFile), filepath.Join(h.config.Root, "in", cardFile)))
			h.must(h.sim.Close())
			h.start()
		})
		if len(got) != len(want) || len(want) != 14 {
			t.Errorf("without its %s it gives %d answers in all, undisturbed %d", lost, len(got), len(want))
		}
		for name, body := range want {
			if got[name] != body && !strings.Contains(name, "a_other_43") {
				t.Errorf("without its %s, %s is another", lost, name)
			}
		}
	}
}
