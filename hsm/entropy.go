package hsm

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"runtime"
)

// SystemEntropy draws from the operating system's cryptographic source. It ignores purpose and object.
func SystemEntropy() Entropy { return systemEntropy{} }

type systemEntropy struct{}

// Draw implements Entropy.
func (systemEntropy) Draw(purpose string, _ uint64, buf []byte) error {
	if _, err := rand.Read(buf); err != nil {
		return fmt.Errorf("draw random bytes for %s: %w", purpose, err)
	}
	return nil
}

// SeededEntropy makes every draw a keyed function of (seed, purpose, object), so that a rehearsal can be repeated: HMAC-SHA256 in
// counter mode. A longer draw begins with the bytes of a shorter one. It is predictable to whoever knows the seed and is only for
// test card numbers.
func SeededEntropy(seed string) Entropy {
	key := []byte("platen seeded entropy\x00" + seed)
	return &seededEntropy{key: key, free: make(chan *seededState, runtime.GOMAXPROCS(0))}
}

// seededEntropy keeps the states that no goroutine uses at the moment.
type seededEntropy struct {
	key  []byte
	free chan *seededState
}

// seededState is one goroutine's working storage.
type seededState struct {
	mac   hash.Hash
	input []byte
	block []byte
}

// Draw implements Entropy.
func (e *seededEntropy) Draw(purpose string, object uint64, buf []byte) error {
	var state *seededState
	select {
	case state = <-e.free:
	default:
		state = &seededState{mac: hmac.New(sha256.New, e.key)}
	}
	for counter := uint32(0); len(buf) > 0; counter++ {
		// The counter leads and the purpose's length follows, so that no two inputs are alike.
		state.input = binary.BigEndian.AppendUint32(state.input[:0], counter)
		state.input = binary.BigEndian.AppendUint32(state.input, uint32(len(purpose)))
		state.input = append(state.input, purpose...)
		state.input = binary.BigEndian.AppendUint64(state.input, object)
		state.mac.Reset()
		state.mac.Write(state.input)
		state.block = state.mac.Sum(state.block[:0])
		buf = buf[copy(buf, state.block):]
	}
	clear(state.block)
	select {
	case e.free <- state:
	default:
	}
	return nil
}
