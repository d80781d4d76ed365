package batch

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"platen/fault"
)

// tally hashes and counts what passes.
type tally struct {
	hash hash.Hash
	n    int64
}

// Write implements io.Writer.
func (t *tally) Write(p []byte) (int, error) {
	t.n += int64(len(p))
	return t.hash.Write(p)
}

// spoolFile is ciphertext on its way to the spool: a temporary name until it is whole and on disk.
type spoolFile struct {
	dir  string
	name string // final name
	file *os.File
	tally
}

// createSpool begins a spool file. Its name carries the claim's epoch, so that two workers never write the same one.
func createSpool(dir, id string, epoch int64) (*spoolFile, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the spool: %w", err)
	}
	s := &spoolFile{dir: dir, name: fmt.Sprintf("%s-%d.pgp", id, epoch), tally: tally{hash: sha256.New()}}
	f, err := os.OpenFile(filepath.Join(dir, s.name+".part"), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin a spool file: %w", err)
	}
	s.file = f
	fault.Point("spool: begun")
	return s, nil
}

// Write implements io.Writer.
func (s *spoolFile) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	if err != nil {
		return n, fmt.Errorf("write the spool: %w", err)
	}
	fault.Point("spool: written")
	return s.tally.Write(p)
}

// finish syncs the file, hashes it again from disk, and gives it its name.
func (s *spoolFile) finish() (sum []byte, size int64, err error) {
	if err := s.file.Sync(); err != nil {
		return nil, 0, fmt.Errorf("sync the spool: %w", err)
	}
	fault.Point("spool: synced")
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, 0, fmt.Errorf("read the spool back: %w", err)
	}
	back := &tally{hash: sha256.New()}
	if _, err := io.Copy(back, s.file); err != nil {
		return nil, 0, fmt.Errorf("read the spool back: %w", err)
	}
	sum = s.hash.Sum(nil)
	if back.n != s.n || !bytes.Equal(back.hash.Sum(nil), sum) {
		return nil, 0, errors.New("the spool holds other bytes than were written")
	}
	if err := s.file.Close(); err != nil {
		return nil, 0, fmt.Errorf("close the spool: %w", err)
	}
	if err := os.Rename(s.file.Name(), filepath.Join(s.dir, s.name)); err != nil {
		return nil, 0, fmt.Errorf("name the spool file: %w", err)
	}
	fault.Point("spool: named")
	s.file = nil
	return sum, s.n, syncDir(s.dir)
}

// discard removes a file that did not come to its end.
func (s *spoolFile) discard() {
	if s.file != nil {
		// The error that led here is the one to tell; a leftover is swept by the next claim.
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}

// spoolHolds tells whether the spool still has the bytes that were sealed.
func spoolHolds(dir, name string, size int64, sum []byte) (bool, error) {
	if name == "" {
		return false, nil
	}
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open the spool: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	t := &tally{hash: sha256.New()}
	if _, err := io.Copy(t, f); err != nil {
		return false, fmt.Errorf("read the spool: %w", err)
	}
	return t.n == size && bytes.Equal(t.hash.Sum(nil), sum), nil
}
