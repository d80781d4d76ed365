package hsm_test

import (
	"bytes"
	"sync"
	"testing"

	"platen/hsm"
)

func draw(t *testing.T, e hsm.Entropy, purpose string, object uint64, n int) []byte {
	t.Helper()
	buf := make([]byte, n)
	if err := e.Draw(purpose, object, buf); err != nil {
		t.Fatal(err)
	}
	return buf
}

func TestSeededDrawsDependOnlyOnSeedPurposeAndObject(t *testing.T) {
	e := hsm.SeededEntropy("rehearsal")
	first := draw(t, e, "pin", 7, 40)
	draw(t, e, "key", 7, 100)
	draw(t, e, "pin", 8, 3)
	if !bytes.Equal(first, draw(t, e, "pin", 7, 40)) {
		t.Error("the same object drew other bytes after other draws")
	}
	if !bytes.Equal(first, draw(t, hsm.SeededEntropy("rehearsal"), "pin", 7, 40)) {
		t.Error("another source with the same seed drew other bytes")
	}
	if !bytes.Equal(first[:11], draw(t, e, "pin", 7, 11)) {
		t.Error("a shorter draw is not the beginning of a longer one")
	}
	others := map[string][]byte{
		"object":  draw(t, e, "pin", 6, 40),
		"purpose": draw(t, e, "pim", 7, 40),
		"seed":    draw(t, hsm.SeededEntropy("rehearsal2"), "pin", 7, 40),
	}
	for what, other := range others {
		if bytes.Equal(first, other) {
			t.Errorf("another %s drew the same bytes", what)
		}
	}
}

func TestSeededDrawsAgreeAcrossGoroutines(t *testing.T) {
	e := hsm.SeededEntropy("many")
	want := make([][]byte, 64)
	for i := range want {
		want[i] = draw(t, hsm.SeededEntropy("many"), "pin", uint64(i), 32)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range want {
				buf := make([]byte, 32)
				if err := e.Draw("pin", uint64(i), buf); err != nil || !bytes.Equal(buf, want[i]) {
					t.Errorf("object %d differs", i)
				}
			}
		})
	}
	group.Wait()
}

func TestSeededDrawsAllocateNothing(t *testing.T) {
	e := hsm.SeededEntropy("free")
	buf := make([]byte, 32)
	object := uint64(0)
	if n := testing.AllocsPerRun(200, func() { object++; _ = e.Draw("pin", object, buf) }); n > 0.5 {
		t.Errorf("%v allocations a draw", n)
	}
}

func TestSystemDrawsDiffer(t *testing.T) {
	e := hsm.SystemEntropy()
	if bytes.Equal(draw(t, e, "pin", 1, 32), draw(t, e, "pin", 1, 32)) {
		t.Error("two draws are equal")
	}
}
