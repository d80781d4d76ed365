package payshield

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"platen/hsm/thales"
)

// pool is the connections. Each place has at most one, made when it is first needed and again after its end.
type pool struct {
	options Options
	places  []*place
	next    atomic.Uint64
	closed  context.Context
	close   context.CancelFunc
}

type place struct {
	lock    chan struct{} // held by whoever looks at line
	line    *line
	address int
}

func newPool(options Options) *pool {
	p := &pool{options: options}
	p.closed, p.close = context.WithCancel(context.Background())
	for i := range options.Connections {
		p.places = append(p.places, &place{lock: make(chan struct{}, 1), address: i})
	}
	return p
}

// do sends a command until it is answered, and returns the fields of a success. Only faults of transport are tried again: the answer to a lost
// command is never used, so a PIN that was drawn and lost is drawn anew.
func (p *pool) do(ctx context.Context, c command) (string, error) {
	var last error
	for attempt := range p.options.Attempts {
		reply, err := p.once(ctx, c, attempt)
		if err == nil {
			if reply.Error != "00" && (reply.Error != "02" || !c.warns) {
				return "", &Refusal{Command: c.name, Code: reply.Error}
			}
			return reply.Fields, nil
		}
		var transport *fault
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if !errors.As(err, &transport) {
			return "", err
		}
		last = err
	}
	return "", fmt.Errorf("%w after %d attempts: %w", ErrUnavailable, p.options.Attempts, last)
}

func (p *pool) once(ctx context.Context, c command, attempt int) (thales.Reply, error) {
	l, err := p.places[p.next.Add(1)%uint64(len(p.places))].connected(ctx, p)
	if err != nil {
		return thales.Reply{}, p.pause(ctx, attempt, err)
	}
	return l.do(ctx, c)
}

// pause waits a little after a connection that could not be made, and returns why it could not.
func (p *pool) pause(ctx context.Context, attempt int, err error) error {
	if attempt+1 >= p.options.Attempts || p.closed.Err() != nil {
		return err
	}
	timer := time.NewTimer(min(20*time.Millisecond<<min(attempt, 5), 500*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return err
}

// connected returns the connection of a place, made anew where it is gone.
func (s *place) connected(ctx context.Context, p *pool) (*line, error) {
	select {
	case s.lock <- struct{}{}:
		defer func() { <-s.lock }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.line != nil && s.line.alive() {
		return s.line, nil
	}
	if p.closed.Err() != nil {
		return nil, errors.New("payShield: the module was closed")
	}
	ctx, cancel := context.WithTimeout(ctx, p.options.DialTimeout)
	defer cancel()
	address := p.options.Addresses[s.address%len(p.options.Addresses)]
	var conn net.Conn
	var err error
	if p.options.TLS != nil {
		conn, err = (&tls.Dialer{Config: p.options.TLS}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		s.address++
		return nil, &fault{fmt.Sprintf("connect to %s: %v", address, err)}
	}
	s.line = newLine(p.closed, conn, &p.options) //nolint:contextcheck // a connection lives as long as its pool, not as long as the call that opened it
	return s.line, nil
}

// each does a job for 0 to n-1 with as many commands in flight as the connections hold. The first failure stops the rest.
func (p *pool) each(ctx context.Context, n int, job func(ctx context.Context, i int) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(n, p.options.Connections*p.options.InFlight) {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := job(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
