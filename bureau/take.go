package bureau

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"platen/card"
	"platen/delivery"
	"platen/formats"
	"platen/hsm"
)

// take checks one finished file, answers it and moves it away. Each step that is done already is not done again, and the file is moved last: whatever
// breaks in between, the next look continues.
func (s *Simulator) take(ctx context.Context, dir, name string) error {
	if file := s.markerOf(name); file != "" {
		return s.dropMarker(dir, name, file)
	}
	if wait, err := s.waits(dir, name); err != nil || wait {
		return err
	}
	log := s.config.Log.With().Str("bureau", s.config.Bureau.Code).Str("file", name).Logger()
	done := path.Join(doneDir, name)
	if _, err := s.root.Lstat(done); err == nil {
		s.count(func(c *Counts) { c.Repeated++ })
		log.Error().Msg("a file of this name was taken before: it is put aside without an answer")
		s.note(Entry{Did: "got again", File: name})
		return s.putAside(dir, name)
	}
	verdict, sum, err := s.check(ctx, path.Join(dir, name))
	if err != nil {
		return err
	}
	if verdict.Unread != nil {
		sidecar, err := s.isSidecar(path.Join(dir, name))
		if err != nil {
			return err
		}
		if sidecar {
			log.Info().Msg("it goes along with a file: nothing is made of it, and nothing is answered")
			return s.root.Rename(path.Join(dir, name), done)
		}
	}
	a := answer{input: name, sum: sum, verdict: &verdict, now: s.config.Now().UTC(), dials: s.dials()}
	if err := s.writeAck(&a); err != nil {
		return fmt.Errorf("ack: %w", err)
	}
	if !verdict.Good() {
		log.Error().Int64("bad_records", verdict.Bad).Str("reason", verdict.Reason()).Msg("the file is refused")
		s.count(func(c *Counts) { c.Refused++ })
		s.note(Entry{Did: "refused", File: name, SHA256: sum, Records: int64(len(verdict.Lines)), Reason: plainReason(verdict.Reason())})
		return s.root.Rename(path.Join(dir, name), done)
	}
	told, err := s.writeStatus(&a)
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	if err := s.tellOn(&a); err != nil {
		return err
	}
	s.note(Entry{Did: "produced", File: name, SHA256: sum, Records: int64(len(verdict.Lines)), Produced: told.Produced, Rejected: told.Rejected, Spoiled: told.Spoiled})
	if err := s.root.Rename(path.Join(dir, name), done); err != nil {
		return err
	}
	if err := syncDir(s.root, doneDir); err != nil {
		return err
	}
	log.Info().Int("records", len(verdict.Lines)).Int64("rejected", told.Rejected).Int64("spoiled", told.Spoiled).Msg("the file is produced")
	s.count(func(c *Counts) {
		c.Accepted++
		c.Records += int64(len(verdict.Lines))
		c.Produced += told.Produced
		c.Rejected += told.Rejected
		c.Spoiled += told.Spoiled
	})
	return nil
}

// putAside moves a repeated file to the first free name beside the one that was taken.
func (s *Simulator) putAside(dir, name string) error {
	for n := 2; ; n++ {
		err := moveNew(s.root, path.Join(dir, name), path.Join(doneDir, fmt.Sprintf("%s.%d", name, n)))
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
}

// headSize is how much of a file is enough to see which layout it has.
const headSize = 64 << 10

// check opens the file under a path, finds its layout and verifies it. It returns the SHA-256 of the plaintext.
func (s *Simulator) check(ctx context.Context, name string) (Verdict, string, error) {
	head, err := s.readHead(name)
	if err != nil {
		return Verdict{}, "", err
	}
	verdict := Verdict{Head: new(formats.Record), Unread: errors.New("no layout reads this file")}
	for _, layout := range s.config.Layouts {
		if k := layout.Kind(); k != formats.CardFile && k != formats.PINMailer {
			continue
		}
		if _, _, err := layout.NewReader(bytes.NewReader(head)).Next(); err != nil {
			continue
		}
		v, sum, err := s.verify(ctx, name, layout)
		if err != nil || v.Unread == nil {
			return v, sum, err
		}
		verdict = v
	}
	return verdict, "", nil
}

// isSidecar tells whether a file is whole in the layout of a sidecar.
func (s *Simulator) isSidecar(name string) (bool, error) {
	for _, layout := range s.config.Layouts {
		if layout.Kind() != formats.Sidecar {
			continue
		}
		f, plain, err := s.open(name)
		if err != nil {
			return false, err
		}
		r := layout.NewReader(plain)
		for err == nil {
			_, _, err = r.Next()
		}
		if fault := errors.Join(f.fault, f.Close()); fault != nil || errors.Is(err, io.EOF) {
			return fault == nil, fault
		}
	}
	return false, nil
}

// readHead returns the beginning of a file's plaintext. What cannot be decrypted has none: the verdict on it falls later.
func (s *Simulator) readHead(name string) ([]byte, error) {
	f, plain, err := s.open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, headSize)
	n, _ := io.ReadFull(plain, head)
	return head[:n], f.fault
}

func (s *Simulator) verify(ctx context.Context, name string, layout *formats.Layout) (Verdict, string, error) {
	f, plain, err := s.open(name)
	if err != nil {
		return Verdict{}, "", err
	}
	defer func() { _ = f.Close() }()
	sum := &summing{from: plain, sum: sha256.New()}
	v, err := Verify(ctx, layout.NewReader(sum), layout.Kind(), s.config.Module, Keys{
		ZPK:       card.KeyRef{Label: s.config.Bureau.ZPK},
		PINFormat: hsm.PINFormat(s.config.Bureau.PINFormat), Products: s.config.Products,
	})
	if err == nil {
		err = f.fault
	}
	if err == nil && v.Unread == nil {
		// Only the end of the message proves its sender.
		if _, rest := io.Copy(io.Discard, sum); rest != nil {
			v.Unread = rest
		}
		err = f.fault
	}
	return v, hex.EncodeToString(sum.sum.Sum(nil)), err
}

// open starts a file's plaintext.
func (s *Simulator) open(name string) (*input, io.Reader, error) {
	f, err := s.root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	in := &input{File: f}
	if s.config.Opener == nil {
		return in, in, nil
	}
	return in, &opening{opener: s.config.Opener, message: in}, nil
}

// input is a file of the input directory. It keeps the faults of our own disk, which say nothing about the file.
type input struct {
	*os.File
	fault error
}

func (f *input) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.fault = err
	}
	return n, err
}

// opening opens a message with its first read, so that what is wrong with it is a fault of its content.
type opening struct {
	opener  *delivery.Opener
	message io.Reader
	plain   io.Reader
}

func (o *opening) Read(b []byte) (int, error) {
	if o.plain == nil {
		var err error
		if o.plain, err = o.opener.Open(o.message); err != nil {
			return 0, err
		}
	}
	return o.plain.Read(b)
}

// summing adds up what is read through it.
type summing struct {
	from io.Reader
	sum  hash.Hash
}

func (s *summing) Read(b []byte) (int, error) {
	n, err := s.from.Read(b)
	s.sum.Write(b[:n])
	return n, err
}

// stem is a file's name without the endings of its protection and kind.
func stem(name string) string {
	name = strings.TrimSuffix(name, ".pgp")
	name = strings.TrimSuffix(name, ".gpg")
	return name
}
