package ledger_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"platen/card"
	"platen/services/ledger"
	"platen/sql/store"
)

// movingFor is how long money is moved at random: go test ./services/ledger -run //AtRandom -args -moving 1m
var movingFor = flag.Duration("moving", 0, "move money at random for so long")

const (
	movers       = 64
	movedBetween = 100
	movesEach    = 6 // of one client, unless -moving says how long
)

// Sixty-four clients take from and give to each other's accounts, most of which hold little, and repeat what they have asked for.
func movesAtRandom(t *testing.T, s *site) {
	ctx := t.Context()
	var accounts []uuid.UUID
	var tokens []string
	pool := s.wallet("5000")
	for n := range movedBetween {
		if n%2 == 0 {
			accounts = append(accounts, s.open(s.mine, card.Wallet, "EUR"))
		}
	}
	tokens = s.cards(s.mine, movedBetween/2, s.product(s.mine, "plain", card.Prepaid{}), s.product(s.mine, "costs", card.Prepaid{Mode: card.OwnMoney, Category: card.Purchase, Retained: "0.50", FeeRate: 100}))
	for n, token := range tokens {
		_, _, err := s.OpenCard(ctx, s.act(s.mine), ledger.NewCardAccount{Card: token, Source: append(accounts, pool)[n%(len(accounts)+1)]})
		must(t, err)
	}
	accounts = append(accounts, pool)

	deadline := time.Now().Add(*movingFor)
	var all sync.WaitGroup
	accepted := make([]map[string]store.Operation, movers)
	for client := range movers {
		accepted[client] = map[string]store.Operation{}
		dice := rand.New(rand.NewPCG(uint64(client), 8))
		all.Go(func() {
			for n := 0; *movingFor == 0 && n < movesEach || time.Now().Before(deadline); n++ {
				reference := fmt.Sprintf("C%d-%d", client, n)
				move := s.draw(dice, accounts, tokens, reference)
				d, err := move()
				if err != nil {
					t.Errorf("%s: %v", reference, err)
					return
				}
				accepted[client][reference] = d.Operation
				if n%3 == 0 {
					if again, err := move(); err != nil || !again.Replay || again.Number != d.Number || again.State != d.State {
						t.Errorf("%s again: %+v, %v", reference, again, err)
					}
				}
			}
		})
	}
	all.Wait()

	counts := map[card.OperationState]int{}
	for client := range movers {
		for reference, want := range accepted[client] {
			got, err := s.Operation(ctx, s.mine, reference)
			if err != nil || got.Number != want.Number || got.State != want.State || got.Amount != want.Amount {
				t.Fatalf("%s was answered %+v and is %+v, %v", reference, want, got, err)
			}
			counts[got.State]++
		}
	}
	t.Logf("%d operations succeeded, %d failed", counts[card.OperationSuccess], counts[card.OperationFail])
	if counts[card.OperationSuccess] == 0 || counts[card.OperationFail] == 0 {
		t.Error("the draw tried only one side")
	}
}

// draw draws one operation, which can be repeated.
func (s *site) draw(dice *rand.Rand, accounts []uuid.UUID, tokens []string, reference string) func() (ledger.Done, error) {
	a := ledger.Act{Institution: s.mine, Actor: "mover", Reference: reference}
	sum := ledger.Sum{Amount: fmt.Sprintf("%d.%02d", dice.IntN(40), 2+dice.IntN(98))} // a cent would be eaten up by the fee
	from, to, token := accounts[dice.IntN(len(accounts))], accounts[dice.IntN(len(accounts))], tokens[dice.IntN(len(tokens))]
	if dice.IntN(3) == 0 {
		from = accounts[len(accounts)-1] // the one that is rich
	}
	ctx := s.t.Context()
	switch kind := dice.IntN(10); {
	case kind < 1:
		return func() (ledger.Done, error) { return s.Fund(ctx, a, to, sum) }
	case kind < 2:
		return func() (ledger.Done, error) { return s.PayOut(ctx, a, from, sum) }
	case kind < 4:
		return func() (ledger.Done, error) { return s.Deposit(ctx, a, token, sum) }
	case kind < 6:
		return func() (ledger.Done, error) { return s.Withdraw(ctx, a, token, sum) }
	}
	return func() (ledger.Done, error) {
		if from == to {
			return s.Fund(ctx, a, to, sum)
		}
		return s.Transfer(ctx, a, from, to, sum)
	}
}
