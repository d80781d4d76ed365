package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"platen/fault"
)

// What is negotiated with a bureau: authenticated encryption or counter mode with SHA-2, no SHA-1, no CBC, and no ChaCha20, whose
// stream can be cut at the front when one side lacks strict key exchange.
var (
	strongExchanges = []string{ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519, "curve25519-sha256@libssh.org",
		ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521, ssh.KeyExchangeDH16SHA512, ssh.KeyExchangeDH14SHA256}
	strongCiphers = []string{ssh.CipherAES256GCM, ssh.CipherAES128GCM, ssh.CipherAES256CTR, ssh.CipherAES192CTR, ssh.CipherAES128CTR}
	strongMACs    = []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM, ssh.HMACSHA256, ssh.HMACSHA512}
)

// Session is one login at a bureau. Its calls follow one another; a call whose context ends closes the session.
type Session struct {
	target   Target
	conn     net.Conn
	ssh      *ssh.Client
	sftp     *sftp.Client
	hostKey  string
	received *allowance
	stop     chan struct{}
	once     sync.Once
}

// What Dial was doing when it failed.
const (
	opConnect = "connect"
	opLogin   = "log in"
)

// Dial logs in. Until the server has shown a pinned host key it learns nothing but our version.
func Dial(ctx context.Context, t Target) (*Session, error) {
	const op = opConnect
	t, keys, err := t.checked()
	if err != nil {
		return nil, &Error{Op: op, Code: CodeConfig, Err: err}
	}
	methods, err := logins(t)
	if err != nil {
		return nil, &Error{Op: op, Code: CodeConfig, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, t.DialTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.Address)
	if err != nil {
		if e := failed(ctx, op, NotDelivered, CodeUnreachable, err); e.Code == CodeTimeout || e.Code == CodeCancelled {
			return nil, e
		}
		return nil, &Error{Op: op, Code: CodeUnreachable, Err: err}
	}
	fault.Point("login: connected")
	hangUp := context.AfterFunc(ctx, func() { _ = conn.Close() })
	s := &Session{target: t, conn: conn, received: &allowance{}, stop: make(chan struct{})}
	if err := s.login(ctx, keys, methods); err != nil {
		_ = conn.Close()
		return nil, err
	}
	if !hangUp() {
		_ = conn.Close()
		return nil, failed(ctx, op, NotDelivered, CodeTimeout, net.ErrClosed)
	}
	go s.keepAlive()
	fault.Point("login: done")
	return s, nil
}

func logins(t Target) ([]ssh.AuthMethod, error) {
	var methods []ssh.AuthMethod
	if !t.Identity.IsZero() {
		signer, err := ssh.ParsePrivateKey(t.Identity.Reveal())
		if err != nil {
			return nil, errors.New("our private key cannot be read")
		}
		methods = append(methods, ssh.PublicKeys(signer))
	}
	if !t.Password.IsZero() {
		methods = append(methods, ssh.Password(string(t.Password.Reveal())))
	}
	return methods, nil
}

// login runs the SSH handshake and starts SFTP.
func (s *Session) login(ctx context.Context, keys []ssh.PublicKey, methods []ssh.AuthMethod) error {
	const op = opLogin
	trusted, refused := false, false
	config := &ssh.ClientConfig{
		Config:            ssh.Config{KeyExchanges: strongExchanges, Ciphers: strongCiphers, MACs: strongMACs},
		User:              s.target.User,
		Auth:              methods,
		HostKeyAlgorithms: hostKeyAlgorithms(keys),
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			s.hostKey = ssh.FingerprintSHA256(key)
			if !pinned(keys, key) {
				refused = true
				return fmt.Errorf("the server shows the key %s, which is not pinned", s.hostKey)
			}
			trusted = true
			return nil
		},
	}
	c, channels, requests, err := ssh.NewClientConn(&watchedConn{Conn: s.conn, stall: s.target.Stall}, s.target.Address, config)
	if err != nil {
		return loginFailure(ctx, op, trusted, refused, err)
	}
	s.ssh = ssh.NewClient(c, channels, requests)
	if err := s.startSFTP(); err != nil {
		if ctx.Err() != nil {
			return failed(ctx, op, NotDelivered, CodeNoSFTP, net.ErrClosed)
		}
		return &Error{Op: op, Code: CodeNoSFTP, Err: err}
	}
	return nil
}

// loginFailure tells the ways apart in which a handshake can end.
func loginFailure(ctx context.Context, op string, trusted, refused bool, err error) *Error {
	var negotiation *ssh.AlgorithmNegotiationError
	var network net.Error
	switch {
	case refused:
		return &Error{Op: op, Code: CodeHostKeyMismatch, Err: err}
	case ctx.Err() != nil:
		return failed(ctx, op, NotDelivered, CodeTimeout, net.ErrClosed)
	case errors.As(err, &negotiation) && sharesNothing(negotiation):
		return &Error{Op: op, Code: CodeHostKeyMismatch, Err: err}
	case errors.As(err, &negotiation):
		return &Error{Op: op, Code: CodeAlgorithms, Err: err}
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), !trusted:
		return &Error{Op: op, Code: CodeUnreachable, Err: err}
	}
	return &Error{Op: op, Code: CodeAuthFailed, Err: err}
}

// sharesNothing tells whether the negotiation failed over the kind of host key: the server has no key of a pinned kind.
func sharesNothing(e *ssh.AlgorithmNegotiationError) bool {
	for _, offered := range e.SupportedAlgorithms {
		for _, kind := range ssh.SupportedAlgorithms().HostKeys {
			if offered == kind {
				return true
			}
		}
	}
	return false
}

func (s *Session) startSFTP() error {
	channel, err := s.ssh.NewSession()
	if err != nil {
		return err
	}
	in, err := channel.StdinPipe()
	if err != nil {
		return err
	}
	out, err := channel.StdoutPipe()
	if err != nil {
		return err
	}
	if err := channel.RequestSubsystem("sftp"); err != nil {
		return err
	}
	s.received.from = out
	s.received.left.Store(handshakeBytes)
	s.sftp, err = sftp.NewClientPipe(s.received, in, sftp.MaxConcurrentRequestsPerFile(s.target.Concurrency),
		sftp.UseConcurrentReads(s.target.Concurrency > 1 && !s.target.NoStat)) // concurrent ones begin with a stat
	if err == nil && s.isOpenSSH() {
		err = sftp.MaxPacketUnchecked(openSSHPacket)(s.sftp)
	}
	return err
}

// openSSHPacket is the most content of one request that OpenSSH takes and gives (limits@openssh.com: 256 KiB less 1 KiB). Other servers get 32 KiB, which all take
// (draft-ietf-secsh-filexfer-02 3): some answer larger reads with a part.
const openSSHPacket = 261_120

// isOpenSSH tells whether the server is an OpenSSH that says its limits.
func (s *Session) isOpenSSH() bool {
	_, limits := s.sftp.HasExtension("limits@openssh.com")
	return limits && strings.HasPrefix(string(s.ssh.ServerVersion()), "SSH-2.0-OpenSSH_")
}

// Close ends the login at once, without a goodbye that a dead server would never answer. It may be called again.
func (s *Session) Close() error {
	s.once.Do(func() {
		close(s.stop)
		_ = s.conn.Close()
		_ = s.sftp.Close()
	})
	return nil
}

// HostKey is the SHA-256 fingerprint of the key that the server showed.
func (s *Session) HostKey() string { return s.hostKey }

// begin binds ctx, the deadline of one call and what the call may receive to the connection; end it with the returned function.
func (s *Session) begin(ctx context.Context, receive int64) (context.Context, func()) {
	ctx, cancel := context.WithTimeout(ctx, s.target.Deadline)
	hangUp := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	s.received.left.Store(receive)
	return ctx, func() {
		hangUp()
		cancel()
	}
}

// lookAt asks what stands under a name. fs.ErrNotExist is the answer for a free one.
func (s *Session) lookAt(ctx context.Context, full string) (fs.FileInfo, error) {
	fault.Point("look: at a name")
	if !s.target.NoStat {
		return s.sftp.Lstat(full)
	}
	found, err := s.sftp.ReadDirContext(ctx, path.Dir(full))
	if err != nil {
		return nil, err
	}
	for _, info := range found {
		if info.Name() == path.Base(full) {
			return info, nil
		}
	}
	return nil, fs.ErrNotExist
}

// remove deletes a file. pkg/sftp asks for the file's attributes before it says why it could not; where that is not answered the listing says it.
func (s *Session) remove(ctx context.Context, full string) error {
	fault.Point("look: before a removal")
	err := s.sftp.Remove(full)
	fault.Point("look: removed")
	if err == nil || !s.target.NoStat || !answered(err) {
		return err
	}
	if _, gone := s.lookAt(ctx, full); gone != nil {
		return gone
	}
	return err
}

// keepAlive asks the server for a sign of life often enough that watchedConn sees one before it gives up.
func (s *Session) keepAlive() {
	tick := time.NewTicker(max(s.target.Stall/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			if _, _, err := s.ssh.SendRequest("keepalive@openssh.com", true, nil); err != nil {
				return
			}
		}
	}
}

// watchedConn gives up on a peer that neither sends nor takes a byte for stall.
type watchedConn struct {
	net.Conn
	stall time.Duration
}

func (c *watchedConn) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *watchedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// What calls may receive beside the content of files: answers to requests, and listings, which a hostile server could make endless.
const (
	handshakeBytes = 1 << 20
	answerBytes    = 64 << 20
	listingBytes   = 32 << 20
)

// errTooMuch ends a connection whose server sends more than the call can use.
var errTooMuch = errors.New("the server sent more than was asked for")

// allowance is what a server may still send.
type allowance struct {
	from io.Reader
	left atomic.Int64
}

func (a *allowance) Read(b []byte) (int, error) {
	n, err := a.from.Read(b)
	if a.left.Add(-int64(n)) < 0 {
		return 0, errTooMuch
	}
	return n, err
}
