//go:build pkcs11

package pkcs11

import (
	"context"
	"fmt"
	"sync"

	p11 "github.com/miekg/pkcs11"
)

// randomness is the token's random numbers as an hsm.Entropy. They are asked for in advance, since a network module takes a round trip for each
// answer; what was given out is wiped here.
type randomness struct {
	token *token
	mu    sync.Mutex
	ahead []byte
}

const randomAhead = 4096

// Draw implements hsm.Entropy. It ignores purpose and object.
func (r *randomness) Draw(purpose string, _ uint64, buf []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(buf) > 0 {
		if len(r.ahead) == 0 {
			err := r.token.do(context.Background(), func(s p11.SessionHandle) (err error) {
				if r.ahead, err = r.token.lib.GenerateRandom(s, randomAhead); err == nil && len(r.ahead) != randomAhead {
					err = errShort
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("draw random bytes for %s: %w", purpose, err)
			}
		}
		n := copy(buf, r.ahead)
		clear(r.ahead[:n])
		buf, r.ahead = buf[n:], r.ahead[n:]
	}
	return nil
}
