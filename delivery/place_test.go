package delivery_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"platen/card"
	"platen/delivery"
	"platen/testbed"
)

// place is a server as a test sees it: how it is reached, and the directory that in, out and archive lie in.
type place struct {
	Addr   string
	Root   string
	target func() delivery.Target
	strict bool // its rename refuses a name that exists
	syncs  bool // it offers fsync
}

// onEveryServer runs a test against OpenSSH, and in this process against a server with OpenSSH's rename and one whose rename replaces.
func onEveryServer(t *testing.T, test func(t *testing.T, server place)) {
	t.Helper()
	t.Run("OpenSSH", func(t *testing.T) { test(t, opensshPlace(t)) })
	for name, f := range map[string]faults{"in process": {}, "in process, rename replaces": {renameReplaces: true}} {
		t.Run(name, func(t *testing.T) {
			s := startFaultyServer(t)
			s.misbehave(f)
			test(t, place{Addr: s.addr, Root: s.root, target: s.target, strict: !f.renameReplaces})
		})
	}
}

func opensshPlace(t testing.TB) place {
	t.Helper()
	s := testbed.SSHD(t)
	return place{Addr: s.Addr, Root: s.Root, target: func() delivery.Target { return opensshTarget(s) }, strict: true, syncs: true}
}

func opensshTarget(s *testbed.SSHServer) delivery.Target {
	return delivery.Target{
		Address: s.Addr, User: s.User, HostKeys: []string{s.HostKey}, Identity: card.NewSecret(bytes.Clone(s.IdentityPEM)),
		In: filepath.Join(s.Root, "in"), Out: filepath.Join(s.Root, "out"), Archive: filepath.Join(s.Root, "archive"),
	}
}
