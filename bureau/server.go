package bureau

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// handshakeTime bounds how long a stranger may take to log in.
const handshakeTime = 15 * time.Second

// serverConfig shows a host key and lets exactly the authorized keys in, under the bureau's user name where one is set.
func serverConfig(c *Config, hostKey []byte) (*ssh.ServerConfig, error) {
	host, err := ssh.ParsePrivateKey(hostKey)
	if err != nil {
		return nil, errors.New("its host key cannot be read")
	}
	var allowed []ssh.PublicKey
	for rest := bytes.TrimSpace(c.AuthorizedKeys); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		var key ssh.PublicKey
		if key, _, _, rest, err = ssh.ParseAuthorizedKey(rest); err != nil {
			return nil, fmt.Errorf("its authorized keys: %w", err)
		}
		allowed = append(allowed, key)
	}
	if len(allowed) == 0 {
		return nil, errors.New("it lets nobody in: authorized keys are missing")
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(who ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		for _, k := range allowed {
			if bytes.Equal(k.Marshal(), key.Marshal()) && (c.Bureau.SFTP.User == "" || who.User() == c.Bureau.SFTP.User) {
				return &ssh.Permissions{}, nil
			}
		}
		return nil, errors.New("unknown key or user")
	}}
	config.AddHostKey(host)
	return config, nil
}

func (s *Simulator) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		if s.admit(conn) {
			s.running.Go(func() { s.serve(conn) })
		}
	}
}

// admit notes a connection, unless the simulator is closing.
func (s *Simulator) admit(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.dials().Down {
		_ = conn.Close()
		return false
	}
	s.sessions[conn] = true
	return true
}

// serve is one client's login. Files that it brings are taken after it has gone, so that it can look at what it delivered.
func (s *Simulator) serve(conn net.Conn) {
	admitted := conn
	v := &visit{sim: s, dials: s.dials()}
	config := s.ssh
	if v.dials.NewHostKey {
		config = s.stranger
	}
	if v.dials.ResetAfter > 0 {
		conn = &shortLived{Conn: conn, left: v.dials.ResetAfter}
	}
	defer func() {
		_ = conn.Close()
		v.leave()
		s.mu.Lock()
		delete(s.sessions, admitted)
		s.mu.Unlock()
		s.parted.Broadcast()
	}()
	_ = conn.SetDeadline(time.Now().Add(handshakeTime))
	client, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		s.config.Log.Debug().Err(err).Str("bureau", s.config.Bureau.Code).Msg("a login failed")
		return
	}
	_ = conn.SetDeadline(time.Time{})
	defer func() { _ = client.Close() }()
	var inner sync.WaitGroup
	defer inner.Wait()
	inner.Go(func() { answerRequests(requests) })
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		inner.Go(func() { v.session(channel, requests) })
	}
}

// answerRequests says yes to the requests that ask for a sign of life.
func answerRequests(requests <-chan *ssh.Request) {
	for r := range requests {
		if r.WantReply {
			_ = r.Reply(r.Type == "keepalive@openssh.com", nil)
		}
	}
}

// session serves SFTP and nothing else.
func (v *visit) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer func() { _ = channel.Close() }()
	var inner sync.WaitGroup
	defer inner.Wait()
	started := false
	for r := range requests {
		wanted := r.Type == "subsystem" && string(r.Payload[min(4, len(r.Payload)):]) == "sftp" && !started
		if r.WantReply {
			_ = r.Reply(wanted, nil)
		}
		if !wanted {
			continue
		}
		started = true
		inner.Go(func() {
			server := sftp.NewRequestServer(channel, sftp.Handlers{FileGet: v, FilePut: v, FileCmd: v, FileList: v})
			_ = server.Serve()
			_ = server.Close()
			_ = channel.Close()
		})
	}
}

// shortLived is a connection that is reset when a client has sent so much.
type shortLived struct {
	net.Conn
	left int64
}

func (c *shortLived) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, errors.Join(io.ErrUnexpectedEOF, c.Close())
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, err
}
