// Package mock is a protocol test server: it speaks the host interface of a payShield well enough to test a client of one, knows the public test
// LMKs, and misbehaves on request. It is a mock and protects nothing; only tests import it.
package mock

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"platen/hsm/thales"
)

// Behaviour is what the server does with an answer.
type Behaviour int

// The behaviours.
const (
	Honest      Behaviour = iota
	Late                  // sent after Options.LateBy
	Swapped               // sent after the next answer of the connection
	Crossed               // its content goes under the header of the next answer, and the other way round
	Doubled               // sent twice
	Cut                   // half a frame, then the connection is closed
	Short                 // a whole frame that lacks the last characters
	Clipped               // a whole frame that lacks a character of its fields
	WrongHeader           // under a header that nobody sent
	OtherReply            // answers another command
	Silent                // never sent
	HungUp                // the connection is closed
	behaviours
)

// Misbehaviours are all behaviours but Honest.
func Misbehaviours() []Behaviour {
	var out []Behaviour
	for b := Late; b < behaviours; b++ {
		out = append(out, b)
	}
	return out
}

// Options are how the server behaves.
type Options struct {
	Address string // where to listen; a free port of this machine when it is empty
	Header  int    // characters of a message header; 4
	TLS     *tls.Config
	LateBy  time.Duration
	// Behave chooses for each command, numbered from 1 over all connections; nil is always Honest.
	Behave func(number uint64) Behaviour
	// Refuse answers commands of a name with an error code instead of doing them.
	Refuse map[string]string
	// PerSecond is how many commands the server does in a second over all connections; 0 is as many as it can.
	PerSecond int
}

// Server is a running mock.
type Server struct {
	options  Options
	listener net.Listener
	commands atomic.Uint64
	names    sync.Map // of the commands that arrived
	accepted atomic.Uint64
	mu       sync.Mutex
	open     map[net.Conn]bool
	all      sync.WaitGroup

	pace sync.Mutex
	next time.Time // when the next command may be done
}

const trailerMark = "\x19"

// Start runs a mock until the test ends or it is stopped.
func Start(t testing.TB, options Options) *Server {
	t.Helper()
	if options.Header == 0 {
		options.Header = 4
	}
	if options.Address == "" {
		options.Address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", options.Address)
	if err != nil {
		t.Fatal(err)
	}
	if options.TLS != nil {
		l = tls.NewListener(l, options.TLS)
	}
	s := &Server{options: options, listener: l, open: map[net.Conn]bool{}}
	s.all.Go(s.accept)
	t.Cleanup(s.Stop)
	return s
}

// Address is where the server listens.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Commands is how many commands arrived, Connections how many connections.
func (s *Server) Commands() uint64    { return s.commands.Load() }
func (s *Server) Connections() uint64 { return s.accepted.Load() }

// Asked tells whether a command of a name arrived.
func (s *Server) Asked(name string) bool {
	_, found := s.names.Load(name)
	return found
}

// Stop closes everything.
func (s *Server) Stop() {
	_ = s.listener.Close()
	s.mu.Lock()
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.accepted.Add(1)
		s.mu.Lock()
		s.open[c] = true
		s.mu.Unlock()
		s.all.Go(func() {
			(&session{server: s, conn: c}).serve()
			s.mu.Lock()
			delete(s.open, c)
			s.mu.Unlock()
			_ = c.Close()
		})
	}
}

// session is one connection.
type session struct {
	server *Server
	conn   net.Conn
	mu     sync.Mutex // of writing
	held   *answer    // waits for the next
	cross  bool
}

type answer struct{ header, text string }

func (c *session) serve() {
	r := bufio.NewReader(c.conn)
	var size [2]byte
	for {
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(r, message); err != nil || len(message) < c.server.options.Header+2 {
			return
		}
		header, text := string(message[:c.server.options.Header]), string(message[c.server.options.Header:])
		c.server.names.Store(text[:2], true)
		behaviour := Honest
		if number := c.server.commands.Add(1); c.server.options.Behave != nil {
			behaviour = c.server.options.Behave(number)
		}
		c.server.wait()
		if !c.answer(answer{header, c.server.reply(text)}, behaviour) {
			return
		}
	}
}

// catchUp is how much time of its pace the server makes up for.
const catchUp = 10 * time.Millisecond

// wait holds a command until its turn, as a module with a licensed speed does.
func (s *Server) wait() {
	if s.options.PerSecond == 0 {
		return
	}
	s.pace.Lock()
	// A turn that came late, for sleep is coarse, is made up for. An idle time is not, so no run is faster than the pace.
	if now := time.Now(); s.next.Before(now.Add(-catchUp)) {
		s.next = now
	}
	turn := s.next
	s.next = s.next.Add(time.Second / time.Duration(s.options.PerSecond))
	s.pace.Unlock()
	time.Sleep(time.Until(turn))
}

// reply does a command with its suffixes.
func (s *Server) reply(text string) string {
	command, trailer, trailed := strings.Cut(text, trailerMark)
	if at := len(command) - 3; at > 2 && command[at] == '%' {
		command = command[:at]
	}
	out := thales.ReplyTo(command[:2])
	if code, refused := s.options.Refuse[command[:2]]; refused {
		out += code
	} else {
		out = Do(command)
	}
	if trailed {
		out += trailerMark + trailer
	}
	return out
}

// answer sends an answer as a behaviour wants, and tells whether the connection goes on.
func (c *session) answer(a answer, behaviour Behaviour) bool {
	fields, trailer, _ := strings.Cut(a.text, trailerMark)
	switch behaviour {
	case Late:
		time.AfterFunc(c.server.options.LateBy, func() { c.send(a) })
		return true
	case Swapped, Crossed:
		if c.held == nil {
			c.held, c.cross = &a, behaviour == Crossed
			return true
		}
	case Doubled:
		c.send(a)
	case Cut:
		frame, err := thales.Frame(a.header, a.text)
		if err == nil {
			c.write(frame[:len(frame)/2])
		}
		return false
	case Short:
		a.text = a.text[:len(a.text)-3]
	case Clipped:
		a.text = fields[:len(fields)-1] + trailerMark + trailer
	case WrongHeader:
		a.header = strings.Repeat("~", len(a.header))
	case OtherReply:
		a.text = "ZZ" + a.text[2:]
	case Silent:
		return true
	case HungUp:
		return false
	}
	if held := c.held; held != nil {
		c.held = nil
		if c.cross {
			held.header, a.header = a.header, held.header
		}
		c.send(a)
		a = *held
	}
	c.send(a)
	return true
}

func (c *session) send(a answer) {
	if frame, err := thales.Frame(a.header, a.text); err == nil {
		c.write(frame)
	}
}

func (c *session) write(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.conn.Write(b)
}
