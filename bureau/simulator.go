package bureau

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/ssh"

	"platen/card"
	"platen/delivery"
	"platen/formats"
	"platen/hsm"
	"platen/programs"
)

// doneDir is where taken files lie, as ciphertext; no client of the server sees it.
const doneDir = "done"

// defaultPoll is how often the simulator looks for files by itself.
const defaultPoll = time.Second

// Config says what a simulator is.
type Config struct {
	Listen         string // host:port; port 0 takes a free one
	HostKey        []byte // private key in PEM
	AuthorizedKeys []byte // the keys that may log in, in the form of authorized_keys
	Root           string // directory that everything lies in

	Opener   *delivery.Opener  // nil only if the bureau takes plaintext
	Sealer   *delivery.Sealer  // its answers to the issuer; used, and needed, only where the bureau declares sealed returns
	Layouts  []*formats.Layout // of what it reads and of what it answers
	Bureau   programs.Bureau   // its directories, zone key, PIN-block format, answers and words
	Products map[string]card.Product
	Module   hsm.Module
	Dice     Dice
	Profile  Profile   // instead of the dice's two parts of a thousand; the zero value leaves them in force
	Begin    time.Time // when the profile began; zero = when the bureau was first started in this directory

	Poll time.Duration // how often it looks for files by itself; 0 = 1 s, less = never: only Process takes files
	Now  func() time.Time
	Log  zerolog.Logger
}

// Simulator is a running bureau.
type Simulator struct {
	config   Config
	root     *os.Root
	in       string
	out      string
	archive  string
	ack      answering
	status   answering
	further  map[formats.Kind]answering // of a bureau that tells everything
	ssh      *ssh.ServerConfig
	stranger *ssh.ServerConfig // with another host key
	begin    time.Time
	listener net.Listener

	stop    context.CancelFunc
	running sync.WaitGroup
	wake    chan struct{}

	taking sync.Mutex // one look at the directory at a time

	mu       sync.Mutex
	sessions map[net.Conn]bool
	parted   sync.Cond // a session has ended; holds mu
	closed   bool
	fresh    map[string]int // finished names whose sessions still run, and how many
	counts   Counts
}

// Counts are what a simulator has done since it started.
type Counts struct {
	Accepted  int64 // files
	Refused   int64 // files
	Repeated  int64 // files that came a second time; they get no second answer
	Records   int64 // of accepted files
	Produced  int64
	Rejected  int64
	Spoiled   int64
	Unhandled int64 // looks at a file that ended in a fault of the simulator itself
}

// Start opens the directories and the port and begins to take files. It ends when ctx does or with Close.
func Start(ctx context.Context, config Config) (*Simulator, error) {
	s := &Simulator{config: config, wake: make(chan struct{}, 1), sessions: map[net.Conn]bool{}, fresh: map[string]int{}}
	s.parted.L = &s.mu
	if err := s.prepare(); err != nil {
		return nil, fmt.Errorf("start bureau %s: %w", config.Bureau.Code, err)
	}
	var err error
	if s.listener, err = net.Listen("tcp", config.Listen); err != nil {
		_ = s.root.Close()
		return nil, fmt.Errorf("start bureau %s: %w", config.Bureau.Code, err)
	}
	ctx, s.stop = context.WithCancel(ctx)
	s.running.Go(s.accept)
	if config.Poll >= 0 {
		s.running.Go(func() { s.work(ctx) })
	}
	context.AfterFunc(ctx, s.hangUp)
	return s, nil
}

// prepare checks the configuration and makes the directories.
func (s *Simulator) prepare() error {
	c := &s.config
	switch {
	case c.Opener == nil && !c.Bureau.PGP.Plaintext:
		return errors.New("it has no OpenPGP key and does not say plaintext: true")
	case c.Sealer == nil && c.Bureau.PGP.SealedReturns:
		return errors.New("it declares sealed returns and has no OpenPGP keys to seal them with")
	case c.Module == nil:
		return errors.New("it has no security module")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	var err error
	if s.ssh, err = serverConfig(c, c.HostKey); err != nil {
		return err
	}
	other, _, err := delivery.NewSSHKeyPair("stranger")
	if err != nil {
		return err
	}
	if s.stranger, err = serverConfig(c, other); err != nil {
		return err
	}
	if s.ack, err = s.answers(formats.Ack); err != nil {
		return err
	}
	if s.status, err = s.answers(formats.Status); err != nil {
		return err
	}
	s.further = map[formats.Kind]answering{}
	for _, kind := range []formats.Kind{formats.Production, formats.Stock, formats.Dispatch, formats.Delivery, formats.Destruction, formats.PINStatus} {
		if how, err := s.answers(kind); err == nil { // what is not declared is not told
			s.further[kind] = how
		}
	}
	if err := os.MkdirAll(c.Root, 0o700); err != nil {
		return err
	}
	if s.root, err = os.OpenRoot(c.Root); err != nil {
		return err
	}
	for dir, configured := range map[*string]string{&s.in: c.Bureau.SFTP.In, &s.out: c.Bureau.SFTP.Out, &s.archive: c.Bureau.SFTP.Archive} {
		*dir = inside(configured)
		if *dir == "." || slices.Contains(hidden, *dir) {
			_ = s.root.Close()
			return fmt.Errorf("%q cannot be one of its directories", configured)
		}
	}
	for _, dir := range append([]string{s.in, s.out, s.archive}, hidden...) {
		if err := s.root.MkdirAll(dir, 0o700); err != nil {
			_ = s.root.Close()
			return err
		}
	}
	if err := s.takeUpProfile(); err != nil {
		_ = s.root.Close()
		return err
	}
	return nil
}

// hidden are the directories that no client sees.
var hidden = []string{doneDir, laterDir, grabbedDir, eatenDir}

// takeUpProfile finds out when the profile began: a bureau that is started again goes on with it.
func (s *Simulator) takeUpProfile() error {
	c := &s.config
	if c.Profile.Name == "" {
		c.Profile.Dials.Reject, c.Profile.Dials.Spoil = c.Dice.RejectPermille, c.Dice.SpoilPermille
	}
	if c.Profile.Seed != "" {
		c.Dice.Seed = c.Profile.Seed
	}
	s.begin = c.Begin
	if len(c.Profile.Script) == 0 || !c.Begin.IsZero() {
		return nil
	}
	const begun = "begun"
	text, err := s.root.ReadFile(begun)
	if errors.Is(err, fs.ErrNotExist) {
		s.begin = c.Now().UTC()
		return s.root.WriteFile(begun, []byte(s.begin.Format(time.RFC3339Nano)), 0o600)
	}
	if err == nil {
		s.begin, err = time.Parse(time.RFC3339Nano, string(text))
	}
	return err
}

// dials are how the bureau behaves now.
func (s *Simulator) dials() Dials {
	if len(s.config.Profile.Script) == 0 {
		return s.config.Profile.Dials
	}
	return s.config.Profile.at(s.config.Bureau.Code, s.config.Now().Sub(s.begin))
}

// inside turns a path of the server into one below the root.
func inside(name string) string { return path.Clean(strings.TrimPrefix(path.Clean("/"+name), "/")) }

// Addr is where the simulator listens.
func (s *Simulator) Addr() string { return s.listener.Addr().String() }

// Counts returns what was done so far.
func (s *Simulator) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

func (s *Simulator) count(change func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.counts)
}

// Quiet returns when nobody is logged in any more and every file that was brought may be taken.
func (s *Simulator) Quiet() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.sessions) > 0 {
		s.parted.Wait()
	}
}

// Close ends all sessions and waits for the work in hand.
func (s *Simulator) Close() error {
	s.stop()
	s.running.Wait()
	return s.root.Close()
}

// hangUp ends the listener and every session.
func (s *Simulator) hangUp() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for conn := range s.sessions {
		_ = conn.Close()
	}
}

// work takes files whenever a session that brought one ends, and from time to time.
func (s *Simulator) work(ctx context.Context) {
	tick := time.NewTicker(s.config.Poll)
	defer tick.Stop()
	for {
		if err := s.Process(ctx); err != nil && ctx.Err() == nil {
			s.config.Log.Error().Err(err).Str("bureau", s.config.Bureau.Code).Msg("the simulator cannot take files")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// Process takes every finished file that lies in the input directory and answers it. A file is finished when its name is final and the session
// that brought it has ended. Files that fail for a reason of the simulator's own stay; the error tells of them.
func (s *Simulator) Process(ctx context.Context) error {
	s.taking.Lock()
	defer s.taking.Unlock()
	if s.dials().Down {
		return nil
	}
	var faults []error
	for _, dir := range []string{grabbedDir, s.in} {
		entries, err := readDir(s.root, dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || !delivery.ValidName(e.Name()) || delivery.Unfinished(e.Name()) || s.isFresh(e.Name()) {
				continue
			}
			if err := s.takeOrTell(ctx, dir, e.Name()); err != nil {
				s.count(func(c *Counts) { c.Unhandled++ })
				faults = append(faults, fmt.Errorf("file %s: %w", e.Name(), err))
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return errors.Join(append(faults, s.release())...)
}

// takeOrTell takes a file, and makes a fault of ours in doing so an error of this file: the other files, and the other bureaus of the process, go on.
func (s *Simulator) takeOrTell(ctx context.Context, dir, name string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errors.New("a fault of the simulator itself")
			s.config.Log.Error().Str("bureau", s.config.Bureau.Code).Str("file", name).Str("panic", fmt.Sprintf("%T", v)).Bytes("stack", debug.Stack()).
				Msg("the simulator panicked over a file")
		}
	}()
	return s.take(ctx, dir, name)
}

func (s *Simulator) isFresh(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fresh[name] > 0
}

// readDir lists a directory by name.
func readDir(root *os.Root, dir string) ([]os.DirEntry, error) {
	f, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}
