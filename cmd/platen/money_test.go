package main_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"platen/testbed"
)

// How long the service is used between two kills, and how often it is killed: go test ./cmd/platen -run TestKillingTheServiceLosesNoMoney -args -money-kills 10 -money-round 6s
var (
	moneyKills = flag.Int("money-kills", 2, "how often the service is killed while money is moved")
	moneyRound = flag.Duration("money-round", 0, "for how long at least money is moved before each kill")
)

const (
	moneyClients  = 64
	moneyAccounts = 100
	moneyAnswers  = 40 // that are awaited before each kill
)

// mover is a client that moves money at random. What it got no answer to it asks for again, with the same reference.
type mover struct {
	dice     *rand.Rand
	number   int
	asked    int
	pending  [2]string         // path and body
	answered map[string]string // reference → state
}

// next is what the client asks for: what it waits for, or something new.
func (m *mover) next(wallets []string) (path, body string) {
	if m.pending[0] != "" {
		return m.pending[0], m.pending[1]
	}
	m.asked++
	from, to := m.dice.IntN(len(wallets)), m.dice.IntN(len(wallets)-1)
	if m.dice.IntN(3) == 0 {
		from = 0 // the one that is rich
	}
	if to >= from {
		to++
	}
	head := fmt.Sprintf(`{"reference":"C%d-%d","amount":"%d.%02d"`, m.number, m.asked, m.dice.IntN(40), 1+m.dice.IntN(99))
	switch m.dice.IntN(8) {
	case 0:
		m.pending = [2]string{"/v1/ledger/accounts/" + wallets[to] + "/funds", head + "}"}
	case 1:
		m.pending = [2]string{"/v1/ledger/accounts/" + wallets[from] + "/payouts", head + "}"}
	default:
		m.pending = [2]string{"/v1/ledger/transfers", fmt.Sprintf(`%s,"from":%q,"to":%q}`, head, wallets[from], wallets[to])}
	}
	return m.pending[0], m.pending[1]
}

// move asks until the service is gone.
func (m *mover) move(t *testing.T, s *service, wallets []string, answers *atomic.Int64) {
	for {
		path, body := m.next(wallets)
		a, err := s.try(http.MethodPost, path, map[string]string{"Content-Type": "application/json"}, strings.NewReader(body))
		if err != nil {
			return // it was killed; whether it was carried out is asked again
		}
		reference := fmt.Sprintf("C%d-%d", m.number, m.asked)
		switch {
		case a.status == http.StatusCreated || a.status == http.StatusOK:
			m.answered[reference] = "SUCCESS"
		case a.status == http.StatusConflict && strings.Contains(a.body, "insufficient_funds"):
			m.answered[reference] = "FAIL"
		default:
			t.Errorf("%s: %d %s", reference, a.status, a.body)
			return
		}
		m.pending = [2]string{}
		answers.Add(1)
	}
}

// Whatever the service was doing when it was killed, what it answered holds, what it did not answer was done once or not at all, and nothing is lost, made or overdrawn.
func TestKillingTheServiceLosesNoMoney(t *testing.T) {
	for name, database := range map[string]func() []string{
		"SQLite": func() []string { return nil }, "PostgreSQL": func() []string { return []string{"--database", testbed.Postgres(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "bank")
			platen(t, append([]string{"init", dir}, database()...)...)
			platen(t, "db", "migrate", config(dir))
			platen(t, "apply", config(dir), "-f", filepath.Join(dir, "programs"))
			key := loose[struct{ Key string }](t, platen(t, "client", "create", "money", "--roles", "money,fund", "--rate", "1000000", "--json", config(dir))).Key
			begin := func() *service {
				s := serving(t, dir, nil, "--no-schedules")
				s.key = key
				return s
			}
			s := begin()
			post := func(path, body string) string {
				a := s.do(http.MethodPost, "/v1/ledger/"+path, map[string]string{"Content-Type": "application/json"}, strings.NewReader(body))
				if a.status != http.StatusCreated {
					t.Fatalf("%s: %d %s", path, a.status, a.body)
				}
				return loose[struct{ ID string }](t, a.body).ID
			}
			var wallets []string
			for n := range moneyAccounts {
				wallets = append(wallets, post("accounts", fmt.Sprintf(`{"reference":"W-%d","kind":"WALLET","currency":"EUR"}`, n)))
			}
			post("accounts/"+wallets[0]+"/funds", `{"reference":"RICH","amount":"10000"}`)
			movers := make([]*mover, moneyClients)
			for n := range movers {
				movers[n] = &mover{dice: rand.New(rand.NewPCG(uint64(n), 3)), number: n, answered: map[string]string{}}
			}
			for range *moneyKills {
				var answers atomic.Int64
				var all sync.WaitGroup
				for _, m := range movers {
					all.Go(func() { m.move(t, s, wallets, &answers) })
				}
				enough := time.Now().Add(*moneyRound)
				until(t, "as many answers", func() bool { return answers.Load() >= moneyAnswers && !time.Now().Before(enough) })
				s.process.kill()
				all.Wait()
				s = begin()
			}
			proveMoney(t, s, movers)
			s.process.kill()
			if out := platen(t, "check", config(dir)); !strings.Contains(out, " 0 breaches found") {
				t.Error(out)
			}
		})
	}
}

// proveMoney holds what the service knows of every operation against what its client was answered.
func proveMoney(t *testing.T, s *service, movers []*mover) {
	t.Helper()
	counts := map[string]int{}
	for _, m := range movers {
		for reference, want := range m.answered {
			a := s.get("/v1/ledger/operations/" + reference)
			if got := loose[struct{ State string }](t, a.body).State; got != want {
				t.Errorf("%s was answered %s and is %s %s", reference, want, got, a.body)
			}
			counts[want]++
		}
		if m.pending[0] != "" {
			unanswered := s.get(fmt.Sprintf("/v1/ledger/operations/C%d-%d", m.number, m.asked))
			counts[fmt.Sprintf("unanswered %d", unanswered.status)]++
			if unanswered.status != http.StatusOK && unanswered.status != http.StatusNotFound {
				t.Errorf("%d %s", unanswered.status, unanswered.body)
			}
		}
	}
	t.Logf("operations: %v", counts)
	if counts["SUCCESS"] == 0 || counts["FAIL"] == 0 {
		t.Error("the draw tried only one side")
	}
}
