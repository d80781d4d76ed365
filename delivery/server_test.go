package delivery_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"platen/card"
	"platen/delivery"
)

// faultyServer is an SFTP server in this process that can be told to misbehave. Like OpenSSH its rename refuses a name that exists.
type faultyServer struct {
	addr     string
	root     string
	hostKey  string
	identity []byte

	mu     sync.Mutex
	faults faults
}

// faults are what a server does wrong. The zero value is a good server.
type faults struct {
	cutAt          int           // the message number (1 = first) at which the connection is cut; 0 = never
	cutAfter       bool          // the message is carried out and its answer withheld, instead of being lost
	refuseRename   bool          // every rename fails
	renameReplaces bool          // a rename replaces a name that exists, as pkg/sftp's own server does
	noStat         bool          // no question about one file is answered
	loseRename     bool          // every rename is confirmed and not done
	doAndRefuse    bool          // every rename is done and refused
	eatRenamed     bool          // every renamed file is gone at once
	diskBytes      int64         // room for one file; 0 = unlimited
	storeLess      bool          // writes are confirmed and not stored
	flipBit        bool          // the first byte that is written is changed
	noReading      bool          // no file may be read
	silentAt       int           // the message number at which the server falls silent
	endlessListing bool          // directories have no end
	silence        chan struct{} // closed when a silent server may end
}

func startFaultyServer(t *testing.T) *faultyServer {
	t.Helper()
	hostPEM, hostLine, err := delivery.NewSSHKeyPair("host")
	if err != nil {
		t.Fatal(err)
	}
	identity, login, err := delivery.NewSSHKeyPair("platen")
	if err != nil {
		t.Fatal(err)
	}
	s := &faultyServer{root: t.TempDir(), hostKey: strings.TrimSpace(string(hostLine)), identity: identity}
	for _, dir := range []string{"in", "out", "archive"} {
		if err := os.Mkdir(filepath.Join(s.root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	signer, err := ssh.ParsePrivateKey(hostPEM)
	if err != nil {
		t.Fatal(err)
	}
	allowed, _, _, _, err := ssh.ParseAuthorizedKey(login)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(allowed.Marshal()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.serve(conn, config) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return s
}

func (s *faultyServer) target() delivery.Target {
	return delivery.Target{
		Address: s.addr, User: "platen", HostKeys: []string{s.hostKey}, Identity: card.NewSecret(append([]byte(nil), s.identity...)),
		In: "/in", Out: "/out", Archive: "/archive", Concurrency: 1,
	}
}

// misbehave sets the faults of connections from now on.
func (s *faultyServer) misbehave(f faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

func (s *faultyServer) serve(conn net.Conn, config *ssh.ServerConfig) {
	defer func() { _ = conn.Close() }()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go func() {
		for r := range requests {
			_ = r.Reply(true, nil)
		}
	}()
	s.mu.Lock()
	f := s.faults
	s.mu.Unlock()
	offered, ok := <-channels
	if !ok {
		return
	}
	channel, asked, err := offered.Accept()
	if err != nil {
		return
	}
	go func() {
		for r := range asked {
			_ = r.Reply(r.Type == "subsystem", nil)
		}
	}()
	h := &handlers{root: s.root, faults: f}
	server := sftp.NewRequestServer(&meddler{channel: channel, conn: conn, faults: f}, sftp.Handlers{FileGet: h, FilePut: h, FileCmd: h, FileList: h})
	_ = server.Serve()
	_ = server.Close()
}

// meddler counts the SFTP messages from the client and cuts the connection at one of them.
type meddler struct {
	channel ssh.Channel
	conn    net.Conn
	faults  faults

	ready    []byte // the rest of the message that is being read
	messages int
	mu       sync.Mutex
	awaited  bool // the next answer is the one to withhold
}

func (m *meddler) Read(b []byte) (int, error) {
	if len(m.ready) == 0 {
		var length [4]byte
		if _, err := io.ReadFull(m.channel, length[:]); err != nil {
			return 0, err
		}
		m.ready = make([]byte, 4+binary.BigEndian.Uint32(length[:]))
		copy(m.ready, length[:])
		if _, err := io.ReadFull(m.channel, m.ready[4:]); err != nil {
			return 0, err
		}
		m.messages++
		if m.messages == m.faults.silentAt {
			<-m.faults.silence
			return 0, io.EOF
		}
		if m.messages == m.faults.cutAt {
			if !m.faults.cutAfter {
				_ = m.conn.Close()
				return 0, io.EOF
			}
			m.mu.Lock()
			m.awaited = true
			m.mu.Unlock()
		}
	}
	n := copy(b, m.ready)
	m.ready = m.ready[n:]
	return n, nil
}

func (m *meddler) Write(b []byte) (int, error) {
	m.mu.Lock()
	withhold := m.awaited
	m.mu.Unlock()
	if withhold {
		_ = m.conn.Close()
		return 0, io.ErrClosedPipe
	}
	return m.channel.Write(b)
}

func (m *meddler) Close() error { return m.channel.Close() }

// handlers are the server's file system.
type handlers struct {
	root   string
	faults faults
}

func (h *handlers) path(name string) string { return filepath.Join(h.root, filepath.Clean("/"+name)) }

func (h *handlers) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	if h.faults.noReading {
		return nil, sftp.ErrSSHFxPermissionDenied
	}
	return os.Open(h.path(r.Filepath))
}

func (h *handlers) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	flags := os.O_WRONLY
	if r.Pflags().Creat {
		flags |= os.O_CREATE
	}
	if r.Pflags().Excl {
		flags |= os.O_EXCL
	}
	f, err := os.OpenFile(h.path(r.Filepath), flags, 0o600)
	if err != nil {
		return nil, err
	}
	return &disk{File: f, faults: h.faults}, nil
}

// disk is a file on a disk with faults.
type disk struct {
	*os.File
	faults faults
}

func (d *disk) WriteAt(b []byte, at int64) (int, error) {
	switch {
	case d.faults.storeLess:
		return len(b), nil
	case d.faults.diskBytes > 0 && at+int64(len(b)) > d.faults.diskBytes:
		return 0, syscall.ENOSPC
	case d.faults.flipBit && at == 0:
		b = append([]byte{b[0] ^ 1}, b[1:]...)
	}
	return d.File.WriteAt(b, at)
}

func (h *handlers) Filecmd(r *sftp.Request) error {
	from := h.path(r.Filepath)
	switch r.Method {
	case "Remove":
		return os.Remove(from)
	case "Rename":
		return h.rename(from, h.path(r.Target))
	}
	return sftp.ErrSSHFxOpUnsupported
}

func (h *handlers) rename(from, to string) error {
	if h.faults.refuseRename {
		return sftp.ErrSSHFxFailure
	}
	if h.faults.loseRename {
		return nil
	}
	if !h.faults.renameReplaces {
		if _, err := os.Lstat(to); err == nil {
			return sftp.ErrSSHFxFailure
		}
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if h.faults.eatRenamed {
		return os.Remove(to)
	}
	if h.faults.doAndRefuse {
		return sftp.ErrSSHFxFailure
	}
	return nil
}

// PosixRename replaces what stands under the new name.
func (h *handlers) PosixRename(r *sftp.Request) error {
	return os.Rename(h.path(r.Filepath), h.path(r.Target))
}

// StatVFS answers as OpenSSH does.
func (h *handlers) StatVFS(*sftp.Request) (*sftp.StatVFS, error) {
	return &sftp.StatVFS{Frsize: 1, Bavail: uint64(h.faults.diskBytes)}, nil
}

func (h *handlers) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	if r.Method != "List" {
		if h.faults.noStat {
			return nil, sftp.ErrSSHFxOpUnsupported
		}
		info, err := os.Lstat(h.path(r.Filepath))
		return lister{info}, err
	}
	if h.faults.endlessListing {
		info, err := os.Stat(h.root)
		return endless{info}, err
	}
	entries, err := os.ReadDir(h.path(r.Filepath))
	var all lister
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		all = append(all, info)
	}
	return all, err
}

func (h *handlers) Lstat(r *sftp.Request) (sftp.ListerAt, error) { return h.Filelist(r) }

type lister []os.FileInfo

func (l lister) ListAt(to []os.FileInfo, at int64) (int, error) {
	if at >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(to, l[at:])
	if n < len(to) {
		return n, io.EOF
	}
	return n, nil
}

// content is a file to deliver: bytes that no pattern repeats in.
func content(t *testing.T, size int) []byte {
	t.Helper()
	b := make([]byte, size)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// upload announces content under the name of attempt n.
func upload(t *testing.T, b []byte, attempt int) delivery.Upload {
	t.Helper()
	u := delivery.Upload{FinalName: finalName, Size: int64(len(b)), SHA256: sha256.Sum256(b)}
	u.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(b))), nil }
	for n := range attempt + 1 {
		name, err := delivery.TempName(finalName, hex.EncodeToString([]byte{byte(n), 0xA5, 0x5A, byte(n)}), "")
		if err != nil {
			t.Fatal(err)
		}
		if n == attempt {
			u.TempName = name
		} else {
			u.EarlierTemps = append(u.EarlierTemps, name)
		}
	}
	return u
}

const finalName = "north_0000042.emb.pgp"
