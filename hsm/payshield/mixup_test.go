package payshield_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"platen/card"
	"platen/hsm"
	"platen/hsm/conformance"
	"platen/hsm/payshield"
	"platen/hsm/payshield/mock"
)

var long = flag.Bool("long", false, "a million commands instead of twenty thousand")

// misbehaving lets every twentieth answer go wrong, in one way after the other; the places wander so that no command meets the same fault for ever.
func misbehaving(counts *[16]atomic.Uint64) func(uint64) mock.Behaviour {
	all := mock.Misbehaviours()
	return func(number uint64) mock.Behaviour {
		group := number / 20
		if number%20 != group*7%20 {
			return mock.Honest
		}
		b := all[group%uint64(len(all))]
		counts[b].Add(1)
		return b
	}
}

// Answers are late, swapped, crossed, doubled, cut, under wrong headers: every card still gets its own values, each compared with what the
// algorithm packages compute. Blocks of twelve-digit PINs make any confusion of two cards visible.
func TestMisbehavingAnswersNeverReachAnotherCard(t *testing.T) {
	const perRound, commands = 1000, 5
	rounds := 20_000 / (perRound * commands)
	if *long {
		rounds = 1_000_000 / (perRound * commands)
	}
	var counts [16]atomic.Uint64
	const late = 150 * time.Millisecond
	server := mock.Start(t, mock.Options{LateBy: late + late/3, Behave: misbehaving(&counts)})
	m := newModule(t, payshield.Options{Transfer: transferKey, Connections: 16, InFlight: 4, Timeout: late, Attempts: 400}, server)
	mixed := 0
	for round := range rounds {
		mixed += mixedUp(t, m, round, perRound)
	}
	if mixed != 0 {
		t.Errorf("%d values belong to another card", mixed)
	}
	if got := server.Commands(); got < uint64(rounds*perRound*commands) {
		t.Errorf("only %d commands arrived", got)
	}
	for _, b := range mock.Misbehaviours() {
		if counts[b].Load() == 0 {
			t.Errorf("behaviour %d was not tried", b)
		}
	}
	t.Logf("%d commands over %d connections", server.Commands(), server.Connections())
}

// mixedUp runs five commands for each of n cards and counts the values that are not the card's own.
func mixedUp(t *testing.T, m *payshield.Module, round, n int) int {
	t.Helper()
	ctx := context.Background()
	pans, in := make([]card.PAN, n), make([]hsm.CodeRequest, n)
	for i := range pans {
		payload := fmt.Appendf(nil, "400000%09d", (round*n+i+1)*4_177%1_000_000_000)
		pan, err := card.NewPAN(append(payload, card.CheckDigit(payload)))
		if err != nil {
			t.Fatal(err)
		}
		pans[i], in[i] = pan, hsm.CodeRequest{PAN: pan, Expiry: card.Expiry{Year: 2030, Month: 1 + i%12}, ServiceCode: [3]byte{'2', '0', '1'}}
	}
	codes, blocks := card.NewSecrets(n, 3), card.NewSecrets(n, 8)
	pins, values, drawn := make([]hsm.PIN, n), make([]hsm.PVV, n), make([]hsm.PIN, n)
	scheme := hsm.IBM3624{DecTable: "3456789012345678", Validation: "1234567890AN", Length: 12}
	storage := card.KeyRef{Label: conformance.Storage}
	objects := make([]uint64, n)
	for what, err := range map[string]error{
		"codes":    m.Codes(ctx, card.KeyRef{Label: conformance.CVK}, in, codes),
		"derive":   m.DerivePINs(ctx, storage, card.KeyRef{Label: conformance.IBMPVK}, scheme, pans, pins),
		"PVVs":     m.PVVs(ctx, storage, card.KeyRef{Label: conformance.VisaPVK}, 1, pans, pins, values),
		"export":   m.ExportPINs(ctx, storage, card.KeyRef{Label: conformance.ZPK}, hsm.ISO0, pans, pins, pans, blocks),
		"generate": m.GeneratePINs(ctx, storage, 6, pans, objects, drawn),
	} {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	mixed := 0
	for i, pan := range pans {
		natural := conformance.Natural(t, scheme, pan)
		if string(codes.Reveal(i)) != conformance.Code(t, in[i]) || values[i] != conformance.PVV(t, 1, pan, natural) ||
			!bytes.Equal(blocks.Reveal(i), conformance.Block(t, hsm.ISO0, pan, natural)) {
			mixed++
		}
	}
	return mixed
}
