package scan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	blockSize   = 1 << 20
	maxFindings = 100 // of one file: a leak shows long before
)

// Secret is a value that must not be found, and a name for it that may be shown.
type Secret struct {
	name  string
	forms []form
}

// Text is a secret of characters: a card number, PIN, track, name or password.
func Text(name, value string) Secret { return Secret{name: name, forms: formsOf(value)} }

// Bytes is a binary secret: a key or PIN block.
func Bytes(name string, value []byte) Secret { return Secret{name: name, forms: formsOfBytes(value)} }

// Finding says that a secret was seen.
type Finding struct {
	Secret   string // its name
	Encoding string
	Where    string // file or stream
	Offset   int64  // of its first byte; -1 in a file's name
}

// String tells everything but the value.
func (f Finding) String() string {
	return fmt.Sprintf("%s as %s in %s at %d", f.Secret, f.Encoding, f.Where, f.Offset)
}

// Scanner looks for a fixed set of secrets. It may be used by many goroutines at once.
type Scanner struct {
	byStart  map[uint64][]pattern // first minPattern bytes to what begins with them
	seen     []uint64             // bits: a cheap first look
	longest  int
	prefixes []string
}

type pattern struct {
	secret string
	form
}

// New makes a scanner for secrets, and for any card number that begins with one of prefixes (13 to 19 digits, with a valid check
// digit, alone or in groups). A secret whose every encoding is too short to be told from noise is refused.
func New(prefixes []string, secrets ...Secret) (*Scanner, error) {
	s := &Scanner{byStart: map[uint64][]pattern{}, seen: make([]uint64, 1<<seenBits/64), longest: minPattern, prefixes: prefixes}
	for _, secret := range secrets {
		if len(secret.forms) == 0 {
			return nil, fmt.Errorf("secret %s is too short to be looked for", secret.name)
		}
		for _, f := range secret.forms {
			start := startOf(f.bytes)
			s.byStart[start] = append(s.byStart[start], pattern{secret: secret.name, form: f})
			bit := slot(start)
			s.seen[bit/64] |= 1 << (bit % 64)
			s.longest = max(s.longest, len(f.bytes))
		}
	}
	return s, nil
}

// seenBits is the width of the first look's index: 4 million bits keep false alarms rare for 100,000 secrets.
const seenBits = 22

// startOf is the first minPattern bytes as a number.
func startOf(b []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint16(b[4:]))<<32
}

func slot(start uint64) uint64 { return start * 0x9E3779B97F4A7C15 >> (64 - seenBits) }

// Files scans files, and directories with everything in them, file names included. What cannot be read is an error.
func (s *Scanner) Files(roots ...string) ([]Finding, error) {
	var findings []Finding
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) && path != root {
				return nil // deleted since its directory was read
			}
			if err != nil {
				return err
			}
			for _, f := range s.Bytes(path, []byte(entry.Name())) {
				f.Offset = -1
				findings = append(findings, f)
			}
			if !entry.Type().IsRegular() {
				return nil
			}
			found, err := s.file(path)
			findings = append(findings, found...)
			if errors.Is(err, fs.ErrNotExist) && path != root {
				return nil
			}
			return err
		})
		if err != nil {
			return findings, fmt.Errorf("scan %s: %w", root, err)
		}
	}
	return findings, nil
}

func (s *Scanner) file(path string) ([]Finding, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return s.Reader(path, f)
}

// Bytes scans what is in memory already: a log, an HTTP answer.
func (s *Scanner) Bytes(where string, content []byte) []Finding {
	findings, err := s.Reader(where, bytes.NewReader(content))
	if err != nil {
		panic(fmt.Sprintf("scan: memory cannot be read: %v", err))
	}
	return findings
}

// Reader scans a stream to its end in bounded memory.
func (s *Scanner) Reader(where string, r io.Reader) ([]Finding, error) {
	run := &scanning{scanner: s, where: where}
	numbers := &numberFinder{prefixes: s.prefixes, found: func(offset int64) {
		run.add("card number", "digits", offset)
	}}
	buffer := make([]byte, 0, blockSize+s.longest)
	for {
		n, err := io.ReadFull(r, buffer[len(buffer):cap(buffer)])
		numbers.write(buffer[len(buffer) : len(buffer)+n])
		buffer = buffer[:len(buffer)+n]
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return run.findings, fmt.Errorf("read %s: %w", where, err)
		}
		done := run.block(buffer, last)
		if last {
			numbers.end()
			return run.findings, nil
		}
		buffer = buffer[:copy(buffer, buffer[done:])]
	}
}

// scanning is one pass over one stream.
type scanning struct {
	scanner  *Scanner
	where    string
	base     int64 // offset of the buffer's first byte
	findings []Finding
}

func (r *scanning) add(secret, encoding string, offset int64) {
	if len(r.findings) < maxFindings {
		r.findings = append(r.findings, Finding{Secret: secret, Encoding: encoding, Where: r.where, Offset: offset})
	}
}

// block looks at every place where a pattern fits whole, and returns how many bytes it is done with. What is left is looked at together
// with the next block, so that each place is looked at once.
func (r *scanning) block(buffer []byte, last bool) int {
	end := len(buffer) - r.scanner.longest + 1
	if last {
		end = len(buffer) - minPattern + 1
	}
	seen := r.scanner.seen
	for i := 0; i < end; i++ {
		start := startOf(buffer[i:])
		bit := slot(start)
		if seen[bit/64]&(1<<(bit%64)) == 0 {
			continue
		}
		for _, p := range r.scanner.byStart[start] {
			if bytes.HasPrefix(buffer[i:], p.bytes) {
				r.add(p.secret, p.encoding, r.base+int64(i))
			}
		}
	}
	end = max(end, 0)
	r.base += int64(end)
	return end
}
