package delivery_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"platen/delivery"
	"platen/fault"
)

func put(t *testing.T, root, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(root, dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestListShowsOnlyWhatMayBeFetched(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		out := filepath.Join(server.Root, "out")
		put(t, server.Root, "out", "ack_0000042.csv", []byte("ack"))
		put(t, server.Root, "out", "status_0000042.csv", []byte("status!"))
		for _, name := range []string{".hidden", "growing.part", "growing.tmp", "two words", "line\nbreak", "-rf;x", "\xff\xfe"} {
			put(t, server.Root, "out", name, nil)
		}
		if err := os.Symlink("/etc/passwd", filepath.Join(out, "link")); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(filepath.Join(out, "pipe"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(out, "directory"), 0o700); err != nil {
			t.Fatal(err)
		}
		s, err := delivery.Dial(t.Context(), server.target())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		l, err := s.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range l.Entries {
			got = append(got, e.Name)
		}
		if !slices.Equal(got, []string{"ack_0000042.csv", "status_0000042.csv"}) || l.Entries[1].Size != 7 || l.Dropped != 6 {
			t.Errorf("listing %+v", l)
		}
	})
}

func TestFetchCopiesAWholeAnswer(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		for _, size := range []int{0, 1, 32 << 10, 1<<20 + 7} {
			b := content(t, size)
			put(t, server.Root, "out", "status.csv", b)
			var got bytes.Buffer
			n, err := delivery.Fetch(t.Context(), server.target(), "status.csv", &got, 2<<20)
			if err != nil || n != int64(size) || !bytes.Equal(got.Bytes(), b) {
				t.Errorf("%d bytes of %d, error %v", n, size, err)
			}
		}
	})
}

func TestFetchRefusesWhatIsNoAnswer(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		put(t, server.Root, "out", "big.csv", content(t, 1001))
		if err := os.Symlink("/etc/passwd", filepath.Join(server.Root, "out", "link.csv")); err != nil {
			t.Fatal(err)
		}
		for name, code := range map[string]string{
			"big.csv": delivery.CodeTooBig, "link.csv": delivery.CodeNotRegular, "none.csv": delivery.CodeNotFound,
			"../in/x": delivery.CodeConfig, "": delivery.CodeConfig, "..": delivery.CodeConfig,
		} {
			var got bytes.Buffer
			_, err := delivery.Fetch(t.Context(), server.target(), name, &got, 1000)
			if delivery.Code(err) != code || got.Len() != 0 {
				t.Errorf("%q: error %v and %d bytes, want %s", name, err, got.Len(), code)
			}
		}
	})
}

// growing is a destination that makes the source grow while it is read.
type growing struct {
	t    *testing.T
	path string
}

func (g *growing) Write(b []byte) (int, error) {
	f, err := os.OpenFile(g.path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("more")
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		g.t.Error(err)
	}
	return len(b), nil
}

func TestFetchNoticesAFileThatGrows(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		put(t, server.Root, "out", "status.csv", content(t, 100_000))
		_, err := delivery.Fetch(t.Context(), server.target(), "status.csv", &growing{t, filepath.Join(server.Root, "out", "status.csv")}, 1<<20)
		if delivery.Code(err) != delivery.CodeChanged {
			t.Fatalf("error %v", err)
		}
	})
}

func TestArchiveMovesAnAnswerOnceAndKeepsItsTwins(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		target := server.target()
		for _, b := range []string{"first", "second", "third"} {
			put(t, server.Root, "out", "ack.csv", []byte(b))
			for range 2 { // the second time it is archived already
				if err := delivery.Archive(t.Context(), target, "ack.csv"); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := names(t, server.Root, "archive"); !slices.Equal(got, []string{"ack.csv", "ack.csv.1", "ack.csv.2"}) {
			t.Errorf("the archive holds %q", got)
		}
		if got, err := os.ReadFile(filepath.Join(server.Root, "archive", "ack.csv")); err != nil || string(got) != "first" {
			t.Errorf("the first answer became %q, error %v", got, err)
		}
		if err := delivery.Archive(t.Context(), target, "never.csv"); delivery.Code(err) != delivery.CodeNotFound {
			t.Errorf("an answer that never was: %v", err)
		}
	})
}

// Two workers may look at one outbox. The one that comes too late is told so, and nothing of what the other left is replaced.
func TestAnArchiveWhoseNameIsTakenAtTheLastMomentIsOvertaken(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		target := server.target()
		put(t, server.Root, "out", "ack.csv", []byte("late"))
		disarm, err := fault.Arm(func(_ int64, point string) {
			if strings.HasPrefix(point, "inbox: before the archive") {
				put(t, server.Root, "archive", "ack.csv", []byte("early"))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		err = delivery.Archive(t.Context(), target, "ack.csv")
		disarm()
		if !server.strict { // its rename replaces, and nobody is too late
			if left := names(t, server.Root, "out"); err != nil || len(left) != 0 {
				t.Errorf("error %v, the outbox holds %q", err, left)
			}
			return
		}
		if !errors.Is(err, delivery.ErrOvertaken) || delivery.Code(err) != delivery.CodeOvertaken {
			t.Fatalf("error %v", err)
		}
		if got, err := os.ReadFile(filepath.Join(server.Root, "archive", "ack.csv")); err != nil || string(got) != "early" {
			t.Errorf("the archive holds %q, error %v", got, err)
		}
		if err := delivery.Archive(t.Context(), target, "ack.csv"); err != nil {
			t.Errorf("the next look: %v", err)
		}
		if got := names(t, server.Root, "archive"); !slices.Equal(got, []string{"ack.csv", "ack.csv.1"}) {
			t.Errorf("the archive holds %q", got)
		}
	})
}

func TestProbeTellsWhereAFileIs(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		target := server.target()
		u := upload(t, nil, 2)
		b := content(t, 500)
		sizes := []int64{499, 500}
		check := func(what string, want delivery.ProbeResult) {
			t.Helper()
			got, err := delivery.Probe(t.Context(), target, finalName, sizes, u.EarlierTemps)
			if err != nil {
				t.Fatal(err)
			}
			if got.AtFinal != want.AtFinal || got.Other != want.Other || got.Archived != want.Archived || got.Size != want.Size ||
				got.TempsDeleted != want.TempsDeleted || len(got.Deleted) != len(want.Deleted) || len(got.Missing) != len(want.Missing) {
				t.Errorf("%s: %+v, want %+v", what, got, want)
			}
		}
		temps := u.EarlierTemps
		check("nothing", delivery.ProbeResult{Missing: temps})
		put(t, server.Root, "in", temps[0], b)
		check("the older of two", delivery.ProbeResult{Deleted: temps[:1], Missing: temps[1:]})
		put(t, server.Root, "in", temps[1], b)
		check("the newer of two", delivery.ProbeResult{Deleted: temps[1:], Missing: temps[:1], TempsDeleted: true})
		put(t, server.Root, "in", temps[0], b)
		put(t, server.Root, "in", temps[1], b)
		check("both", delivery.ProbeResult{Deleted: temps, TempsDeleted: true})
		put(t, server.Root, "in", finalName, b)
		check("delivered", delivery.ProbeResult{AtFinal: true, Size: 500, Missing: temps})
		put(t, server.Root, "in", finalName, b[:100])
		check("something else", delivery.ProbeResult{Other: true, Missing: temps})
		if err := os.Remove(filepath.Join(server.Root, "in", finalName)); err != nil {
			t.Fatal(err)
		}
		put(t, server.Root, "archive", finalName, b)
		check("archived", delivery.ProbeResult{Archived: true, Size: 500, Missing: temps})
		if _, err := delivery.Probe(t.Context(), target, finalName, sizes, []string{finalName}); delivery.Code(err) != delivery.CodeConfig {
			t.Errorf("a probe may never delete the final name: %v", err)
		}
	})
}

func TestAnEndlessListingIsBounded(t *testing.T) {
	server := startFaultyServer(t)
	server.misbehave(faults{endlessListing: true})
	_, err := delivery.List(t.Context(), server.target())
	if delivery.Code(err) != delivery.CodeTooBig {
		t.Fatalf("error %v", err)
	}
}

func TestASessionLeavesNoGoroutineBehind(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		before := goleak.IgnoreCurrent()
		if _, err := delivery.Send(t.Context(), server.target(), upload(t, content(t, 100_000), 0)); err != nil {
			t.Fatal(err)
		}
		goleak.VerifyNone(t, before)
	})
}

// endless is a directory without an end.
type endless struct{ entry fs.FileInfo }

func (e endless) ListAt(to []fs.FileInfo, _ int64) (int, error) {
	for i := range to {
		to[i] = e.entry
	}
	return len(to), nil
}
