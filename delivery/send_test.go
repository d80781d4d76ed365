package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"platen/card"
	"platen/delivery"
	"platen/testbed"
)

// atFinal reads the final name; nil when there is none.
func atFinal(t *testing.T, root string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "in", finalName))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err == nil && b == nil {
		b = []byte{}
	}
	return b
}

// names lists a directory of the server.
func names(t *testing.T, root, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, dir))
	if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// wantOnly checks that the final name holds b whole and nothing else lies beside it.
func wantOnly(t *testing.T, root string, b []byte) {
	t.Helper()
	if got := atFinal(t, root); !bytes.Equal(got, b) {
		t.Errorf("the final name holds %d bytes, not the %d of the file", len(got), len(b))
	}
	if got := names(t, root, "in"); !slices.Equal(got, []string{finalName}) {
		t.Errorf("the bureau's directory holds %q", got)
	}
}

// wantNothing checks that the directory is empty.
func wantNothing(t *testing.T, root string) {
	t.Helper()
	if got := names(t, root, "in"); len(got) != 0 {
		t.Errorf("the bureau's directory holds %q", got)
	}
}

func TestSendDeliversAWholeFileAndProvesIt(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		for _, size := range []int{0, 1, 32 << 10, 32<<10 + 1, 3 << 20} {
			t.Run(fmt.Sprint(size), func(t *testing.T) {
				b := content(t, size)
				receipt, err := delivery.Send(t.Context(), server.target(), upload(t, b, 0))
				if err != nil {
					t.Fatal(err)
				}
				wantOnly(t, server.Root, b)
				if receipt.RemoteSize != int64(size) || receipt.Synced != server.syncs || !receipt.ReadBack || receipt.HostKey == "" {
					t.Errorf("receipt %+v", receipt)
				}
				if err := os.Remove(filepath.Join(server.Root, "in", finalName)); err != nil {
					t.Fatal(err)
				}
			})
		}
	})
}

func TestSendSucceedsWhenTheSameContentIsAlreadyThere(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		b := content(t, 100_000)
		for attempt := range 2 {
			receipt, err := delivery.Send(t.Context(), server.target(), upload(t, b, attempt))
			if err != nil {
				t.Fatal(err)
			}
			if attempt == 1 && receipt.Evidence != "already there: same size and hash" {
				t.Errorf("evidence %q", receipt.Evidence)
			}
		}
		wantOnly(t, server.Root, b)
	})
}

func TestSendNeverReplacesOtherContent(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		b, other := content(t, 5000), content(t, 5000)
		final := filepath.Join(server.Root, "in", finalName)
		t.Run("that was there before", func(t *testing.T) {
			if err := os.WriteFile(final, other, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := delivery.Send(t.Context(), server.target(), upload(t, b, 0))
			wantFailure(t, err, delivery.NotDelivered, delivery.CodeNameTaken)
			wantOnly(t, server.Root, other)
		})
		t.Run("that comes immediately before the rename", func(t *testing.T) {
			if err := os.Remove(final); err != nil {
				t.Fatal(err)
			}
			u := upload(t, b, 0)
			u.BeforeRename = func(context.Context) error { return os.WriteFile(final, other, 0o600) }
			_, err := delivery.Send(t.Context(), server.target(), u)
			wantFailure(t, err, delivery.NotDelivered, delivery.CodeNameTaken)
			if !errors.Is(err, delivery.ErrNameTaken) {
				t.Errorf("%v does not wrap ErrNameTaken", err)
			}
			wantOnly(t, server.Root, other)
		})
	})
}

func wantFailure(t *testing.T, err error, outcome delivery.Outcome, code string) {
	t.Helper()
	var e *delivery.Error
	if !errors.As(err, &e) || e.Outcome != outcome || e.Code != code {
		t.Fatalf("error %v, want %s with the code %s", err, outcome, code)
	}
}

func TestSendDeletesTheTemporaryFilesOfEarlierAttemptsFirst(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		b := content(t, 70_000)
		u := upload(t, b, 3)
		for _, name := range u.EarlierTemps[1:] {
			if err := os.WriteFile(filepath.Join(server.Root, "in", name), b[:1000], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := delivery.Send(t.Context(), server.target(), u); err != nil {
			t.Fatal(err)
		}
		wantOnly(t, server.Root, b)
	})
}

func TestSendStopsWhenBeforeRenameRefuses(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		u := upload(t, content(t, 1000), 0)
		fenced := errors.New("another worker took over")
		u.BeforeRename = func(context.Context) error {
			if got := names(t, server.Root, "in"); !slices.Equal(got, []string{u.TempName}) {
				t.Errorf("before the rename the directory holds %q", got)
			}
			return fenced
		}
		_, err := delivery.Send(t.Context(), server.target(), u)
		wantFailure(t, err, delivery.NotDelivered, delivery.CodeStopped)
		if !errors.Is(err, fenced) {
			t.Errorf("%v hides its cause", err)
		}
		wantNothing(t, server.Root)
	})
}

func TestSendRefusesAnotherHostKeyBeforeItSendsAnything(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		_, other, err := delivery.NewSSHKeyPair("")
		if err != nil {
			t.Fatal(err)
		}
		target := server.target()
		target.HostKeys = []string{string(other)}
		u := upload(t, content(t, 1000), 0)
		u.Open = func() (io.ReadCloser, error) { return nil, errors.New("the content was opened") }
		_, err = delivery.Send(t.Context(), target, u)
		wantFailure(t, err, delivery.NotDelivered, delivery.CodeHostKeyMismatch)

		target.HostKeys = []string{"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCu7GZz0zCBHOGjLPe1aqTHHbyQ0vI3c3eLZPjPkGDN6mn0ZqQ7mHcIvg8xWfgT4a1fFWv4GDzGmSgtXw0kfmYxSUSMaZhZbGfFQmy6q8sPh0QvyYyB7vwFc6ZxqBfp7y7wCgkI3cQKZcPq0gNDYiSGiCyn8VdCZ4oyvJv1x9rOKw=="}
		_, err = delivery.Send(t.Context(), target, u)
		wantFailure(t, err, delivery.NotDelivered, delivery.CodeHostKeyMismatch)

		target.HostKeys = nil
		_, err = delivery.Send(t.Context(), target, u)
		wantFailure(t, err, delivery.NotDelivered, delivery.CodeConfig)
		wantNothing(t, server.Root)
	})
}

func TestSendNamesWhyALoginFails(t *testing.T) {
	server := testbed.SSHD(t)
	u := upload(t, content(t, 10), 0)
	stranger, _, err := delivery.NewSSHKeyPair("")
	if err != nil {
		t.Fatal(err)
	}
	target := opensshTarget(server)
	target.Identity = card.NewSecret(stranger)
	_, err = delivery.Send(t.Context(), target, u)
	wantFailure(t, err, delivery.NotDelivered, delivery.CodeAuthFailed)

	weak := opensshTarget(testbed.SSHD(t, "Ciphers aes128-cbc"))
	_, err = delivery.Send(t.Context(), weak, u)
	wantFailure(t, err, delivery.NotDelivered, delivery.CodeAlgorithms)

	gone := startFaultyServer(t).target()
	gone.Address = "127.0.0.1:1"
	_, err = delivery.Send(t.Context(), gone, u)
	wantFailure(t, err, delivery.NotDelivered, delivery.CodeUnreachable)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = delivery.Send(ctx, opensshTarget(server), u)
	wantFailure(t, err, delivery.NotDelivered, delivery.CodeCancelled)
}

func TestSendAnswersEveryFaultOfAServerWithItsCode(t *testing.T) {
	for _, test := range []struct {
		name    string
		faults  faults
		outcome delivery.Outcome
		code    string
	}{
		{"rename refused", faults{refuseRename: true}, delivery.NotDelivered, delivery.CodeRenameRefused},
		{"rename confirmed and not done", faults{loseRename: true}, delivery.NotDelivered, delivery.CodeRenameLost},
		{"file gone after the rename", faults{eatRenamed: true}, delivery.InDoubt, delivery.CodeVanished},
		{"disk full", faults{diskBytes: 100}, delivery.NotDelivered, delivery.CodeDiskFull},
		{"disk full in the middle", faults{diskBytes: 40_000}, delivery.NotDelivered, delivery.CodeDiskFull},
		{"writes confirmed and not stored", faults{storeLess: true}, delivery.NotDelivered, delivery.CodeSizeMismatch},
		{"a bit changed on the way", faults{flipBit: true}, delivery.NotDelivered, delivery.CodeContentMismatch},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := startFaultyServer(t)
			server.misbehave(test.faults)
			b := content(t, 100_000)
			if test.faults.storeLess {
				test.faults.diskBytes = 1 << 30
				server.misbehave(test.faults)
			}
			_, err := delivery.Send(t.Context(), server.target(), upload(t, b, 0))
			wantFailure(t, err, test.outcome, test.code)
			wantNothing(t, server.root)
			server.misbehave(faults{})
			if _, err := delivery.Send(t.Context(), server.target(), upload(t, b, 1)); err != nil {
				t.Fatalf("a good server afterwards: %v", err)
			}
			wantOnly(t, server.root, b)
		})
	}
}

func TestSendSucceedsWhereTheServerIsOddButHonest(t *testing.T) {
	for _, test := range []struct {
		name     string
		faults   faults
		change   func(*delivery.Target)
		readBack bool
	}{
		{"no reading", faults{noReading: true}, func(*delivery.Target) {}, false},
		{"reading not wanted", faults{}, func(t *delivery.Target) { t.NoReadBack = true }, false},
		{"rename done and refused", faults{doAndRefuse: true}, func(*delivery.Target) {}, true},
		{"many requests at once", faults{}, func(t *delivery.Target) { t.Concurrency = 64 }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := startFaultyServer(t)
			server.misbehave(test.faults)
			target := server.target()
			test.change(&target)
			b := content(t, 500_000)
			receipt, err := delivery.Send(t.Context(), target, upload(t, b, 0))
			if err != nil {
				t.Fatal(err)
			}
			if receipt.ReadBack != test.readBack {
				t.Errorf("receipt %+v", receipt)
			}
			wantOnly(t, server.root, b)
		})
	}
}

func TestSendAcceptsAFileThatIsTakenAtOnceOnlyWhereTheBureauDoesSo(t *testing.T) {
	server := startFaultyServer(t)
	server.misbehave(faults{eatRenamed: true})
	target := server.target()
	target.TakesAtOnce = true
	receipt, err := delivery.Send(t.Context(), target, upload(t, content(t, 1000), 0))
	if err != nil || receipt.Evidence != "renamed, taken by the bureau at once" {
		t.Fatalf("receipt %+v, error %v", receipt, err)
	}
}

func TestSendRefusesContentThatIsNotWhatWasAnnounced(t *testing.T) {
	server := startFaultyServer(t)
	b := content(t, 50_000)
	for name, change := range map[string]func(*delivery.Upload){
		"size": func(u *delivery.Upload) { u.Size-- },
		"hash": func(u *delivery.Upload) { u.SHA256[0] ^= 1 },
		"failure": func(u *delivery.Upload) {
			u.Open = func() (io.ReadCloser, error) { return io.NopCloser(brokenReader{}), nil }
		},
		"no spool": func(u *delivery.Upload) { u.Open = func() (io.ReadCloser, error) { return nil, os.ErrNotExist } },
	} {
		t.Run(name, func(t *testing.T) {
			u := upload(t, b, 0)
			change(&u)
			_, err := delivery.Send(t.Context(), server.target(), u)
			wantFailure(t, err, delivery.NotDelivered, delivery.CodeSource)
			wantNothing(t, server.root)
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("bad sector") }

func TestSendGivesUpOnASilentServer(t *testing.T) {
	server := startFaultyServer(t)
	silence := make(chan struct{})
	defer close(silence)
	server.misbehave(faults{silentAt: 3, silence: silence})
	target := server.target()
	target.Deadline = 300 * time.Millisecond
	_, err := delivery.Send(t.Context(), target, upload(t, content(t, 1000), 0))
	wantFailure(t, err, delivery.NotDelivered, delivery.CodeTimeout)
}

func TestSendRefusesImpossibleNames(t *testing.T) {
	server := startFaultyServer(t)
	for _, name := range []string{"", ".", "..", "../x", "a/b", "a b", "x\n", "ä", ".hidden", "a\x00b", string(make([]byte, 300))} {
		u := upload(t, nil, 0)
		u.FinalName = name
		_, err := delivery.Send(t.Context(), server.target(), u)
		wantFailure(t, err, delivery.NotDelivered, delivery.CodeConfig)
	}
}
