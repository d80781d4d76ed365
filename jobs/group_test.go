package jobs_test

import (
	"errors"
	"sync"

	"platen/card"
	"platen/delivery"
)

// errGroup runs functions side by side and keeps every error.
type errGroup struct {
	all sync.WaitGroup
	mu  sync.Mutex
	err error
}

func (g *errGroup) run(f func() error) {
	g.all.Go(func() {
		err := f()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.err = errors.Join(g.err, err)
	})
}

func (g *errGroup) wait() error {
	g.all.Wait()
	return g.err
}

// newHostKey is the public half of a host key that no bureau has.
func newHostKey() (public, private card.Secret, err error) {
	priv, pub, err := delivery.NewSSHKeyPair("stranger")
	return card.NewSecret(pub), card.NewSecret(priv), err
}
