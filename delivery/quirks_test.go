package delivery_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"platen/card"
	"platen/delivery"
)

// rawSFTP is a login that bypasses the package under test.
func rawSFTP(t *testing.T, target delivery.Target) *sftp.Client {
	t.Helper()
	signer, err := ssh.ParsePrivateKey(target.Identity.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey([]byte(target.HostKeys[0]))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ssh.Dial("tcp", target.Address, &ssh.ClientConfig{User: target.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(host)})
	if err != nil {
		t.Fatal(err)
	}
	client, err := sftp.NewClient(conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		_ = conn.Close()
	})
	return client
}

// The servers differ in what a rename onto a name that exists does; what Send promises (TestSendNeverReplacesOtherContent) does not.
func TestServersDifferInWhatARenameReplaces(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		put(t, server.Root, "in", "ours", []byte("ours"))
		put(t, server.Root, "in", "theirs", []byte("theirs"))
		dir := server.target().In
		client := rawSFTP(t, server.target())
		if err := client.Rename(dir+"/ours", dir+"/theirs"); (err != nil) != server.strict {
			t.Errorf("rename onto a name that exists: %v", err)
		}
		if server.strict {
			if err := client.PosixRename(dir+"/ours", dir+"/theirs"); err != nil {
				t.Errorf("posix-rename onto a name that exists: %v", err)
			}
		}
		if got, err := os.ReadFile(filepath.Join(server.Root, "in", "theirs")); err != nil || string(got) != "ours" {
			t.Errorf("the name holds %q, %v", got, err)
		}
	})
}

func TestEachQuirkStillDeliversWholeAndReplacesNothing(t *testing.T) {
	for name, quirks := range map[string]delivery.Quirks{
		"posix-rename": {Naming: delivery.PosixRename},
		"marker":       {Naming: delivery.MarkerFile, Marker: ".done"},
		"marker after": {Marker: ".ok"},
		"marker tells": {Naming: delivery.PosixRename, Marker: ".ok", MarkerContent: "{name} {bytes} {sha256}\n"},
		"no stat":      {NoStat: true},
		"no fsync":     {NoFsync: true},
		"no reading":   {NoReadBack: true},
		"all at once":  {Naming: delivery.MarkerFile, Marker: ".ok", NoStat: true, NoFsync: true, NoReadBack: true},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryServer(t, func(t *testing.T, server place) {
				target := server.target()
				target.Quirks = quirks
				b, other := content(t, 200_000), content(t, 200_001)
				receipt, err := delivery.Send(t.Context(), target, upload(t, b, 0))
				if err != nil {
					t.Fatal(err)
				}
				want := []string{finalName}
				if quirks.Marker != "" {
					want = append(want, finalName+quirks.Marker)
				}
				if got := names(t, server.Root, "in"); !slices.Equal(got, want) || !bytes.Equal(atFinal(t, server.Root), b) {
					t.Errorf("the bureau's directory holds %q", got)
				}
				if said, err := os.ReadFile(filepath.Join(server.Root, "in", finalName+quirks.Marker)); quirks.MarkerContent != "" && (err != nil || string(said) != fmt.Sprintf("%s %d %x\n", finalName, len(b), sha256.Sum256(b))) {
					t.Errorf("the marker says %q, %v", said, err)
				}
				if receipt.Synced != (server.syncs && !quirks.NoFsync) || receipt.ReadBack == quirks.NoReadBack {
					t.Errorf("receipt %+v", receipt)
				}
				if _, err := delivery.Send(t.Context(), target, upload(t, b, 1)); err != nil {
					t.Errorf("the same content again: %v", err)
				}
				_, err = delivery.Send(t.Context(), target, upload(t, other, 2))
				wantFailure(t, err, delivery.NotDelivered, delivery.CodeNameTaken)
				if !bytes.Equal(atFinal(t, server.Root), b) {
					t.Error("other content replaced the file")
				}
			})
		})
	}
}

func TestAServerThatAnswersNoStatIsServedByListing(t *testing.T) {
	server := startFaultyServer(t)
	server.misbehave(faults{noStat: true})
	target := server.target()
	b := content(t, 100_000)
	_, err := delivery.Send(t.Context(), target, upload(t, b, 0))
	wantFailure(t, err, delivery.NotDelivered, delivery.CodeRefused)
	target.NoStat = true
	if _, err := delivery.Send(t.Context(), target, upload(t, b, 1)); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, server.root, b)
	put(t, server.root, "out", "status.csv", b)
	var got bytes.Buffer
	if _, err := delivery.Fetch(t.Context(), target, "status.csv", &got, 1<<20); err != nil || !bytes.Equal(got.Bytes(), b) {
		t.Errorf("fetch: %d bytes, %v", got.Len(), err)
	}
	if err := delivery.Archive(t.Context(), target, "status.csv"); err != nil {
		t.Error(err)
	}
}

func TestOnlyMarkedAnswersAreListed(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		target := server.target()
		target.ReadyMarker = ".ok"
		for _, name := range []string{"ack.csv", "ack.csv.ok", "growing.csv"} {
			put(t, server.Root, "out", name, []byte(name))
		}
		entries, err := delivery.List(t.Context(), target)
		if err != nil || len(entries) != 1 || entries[0].Name != "ack.csv" || !entries[0].Ready {
			t.Fatalf("entries %+v, %v", entries, err)
		}
		if err := delivery.Archive(t.Context(), target, "ack.csv"); err != nil {
			t.Fatal(err)
		}
		if got := names(t, server.Root, "out"); !slices.Equal(got, []string{"growing.csv"}) {
			t.Errorf("the outbox holds %q", got)
		}
	})
}

// A bureau that waits for the marker never takes half a file, wherever the connection breaks.
func TestACutAtAnyMessageNeverMarksHalfAFile(t *testing.T) {
	for name, quirks := range map[string]delivery.Quirks{
		"no rename":    {Naming: delivery.MarkerFile, Marker: ".done"},
		"marker after": {Marker: ".done"},
		"marker tells": {Marker: ".done", MarkerContent: "{bytes}"},
	} {
		t.Run(name, func(t *testing.T) { cutAtAnyMessage(t, quirks) })
	}
}

func cutAtAnyMessage(t *testing.T, quirks delivery.Quirks) {
	for _, after := range []bool{false, true} {
		inDoubt := 0
		for n := 1; ; n++ {
			server := startFaultyServer(t)
			server.misbehave(faults{cutAt: n, cutAfter: after})
			target := server.target()
			target.Quirks = quirks
			b := content(t, 80_000)
			u := upload(t, b, 0)
			marking := false
			u.BeforeRename = func(context.Context) error { marking = true; return nil }
			_, err := delivery.Send(t.Context(), target, u)
			server.misbehave(faults{})
			wantMarkedWhole(t, server.root, b)
			if err == nil {
				break
			}
			if delivery.IsInDoubt(err) {
				inDoubt++
				if !marking {
					t.Fatalf("in doubt before the caller was told: %v", err)
				}
			}
			found, err := delivery.Probe(t.Context(), target, finalName, []int64{u.Size}, []string{u.TempName})
			if err != nil {
				t.Fatal(err)
			}
			wantMarkedWhole(t, server.root, b)
			if found.AtFinal {
				continue
			}
			if !marking && !found.TempsDeleted && slices.Contains(names(t, server.root, "in"), finalName) {
				t.Fatalf("cut at message %d: the name stays taken", n)
			}
			if _, err := delivery.Send(t.Context(), target, upload(t, b, 1)); err != nil {
				t.Fatalf("cut at message %d, the next attempt: %v", n, err)
			}
			wantMarkedWhole(t, server.root, b)
		}
		if inDoubt == 0 {
			t.Error("no cut ever came at the marker")
		}
	}
}

func wantMarkedWhole(t *testing.T, root string, b []byte) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, "in", finalName+".done")); errors.Is(err, os.ErrNotExist) {
		return
	}
	if got := atFinal(t, root); !bytes.Equal(got, b) {
		t.Errorf("marked, and %d of %d bytes stand at the final name", len(got), len(b))
	}
	if said, err := os.ReadFile(filepath.Join(root, "in", finalName+".done")); err != nil || len(said) > 0 && string(said) != fmt.Sprint(len(b)) {
		t.Errorf("the marker says %q, %v", said, err)
	}
}

func TestTargetsWithMarkersThatCannotBeAreRefused(t *testing.T) {
	for _, quirks := range []delivery.Quirks{{Naming: delivery.MarkerFile}, {Naming: delivery.MarkerFile, Marker: ".ok", MarkerContent: "x"}, {MarkerContent: "x"}, {Marker: "/ok"}} {
		target := delivery.Target{Address: "127.0.0.1:1", User: "u", Password: card.NewSecret([]byte("x")), HostKeys: []string{testHostKey(t)}, Quirks: quirks}
		_, err := delivery.Dial(t.Context(), target)
		wantFailure(t, err, delivery.NotDelivered, delivery.CodeConfig)
	}
}

func testHostKey(t *testing.T) string {
	t.Helper()
	_, public, err := delivery.NewSSHKeyPair("north")
	if err != nil {
		t.Fatal(err)
	}
	return string(public)
}
