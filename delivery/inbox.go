package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"platen/fault"
)

// maxEntries is how many answers one listing holds; the rest is seen when these are archived.
const maxEntries = 10_000

// Entry is one answer that waits at a bureau.
type Entry struct {
	Name    string
	Size    int64
	ModTime time.Time
	Ready   bool // the bureau's marker says that it is complete
}

// Listing is what lies in the directory of a bureau's answers.
type Listing struct {
	Entries []Entry // regular files with valid names, by name
	Dropped int     // links, devices and names that nobody should use
	More    int     // entries over the limit of one listing
}

// List returns the answers that wait at t, in a login of its own. See Session.List.
func List(ctx context.Context, t Target) ([]Entry, error) {
	listing, err := within(ctx, t, func(s *Session) (Listing, error) { return s.List(ctx) })
	return listing.Entries, err
}

// List looks into the directory of answers. Directories and unfinished files are passed over; whatever is hostile is dropped and counted.
func (s *Session) List(ctx context.Context) (Listing, error) {
	ctx, end := s.begin(ctx, listingBytes)
	defer end()
	found, err := s.sftp.ReadDirContext(ctx, s.target.Out)
	if err != nil {
		if s.received.left.Load() < 0 {
			return Listing{}, &Error{Op: "list", Code: CodeTooBig, Err: errTooMuch}
		}
		return Listing{}, failed(ctx, "list", NotDelivered, CodeRefused, err)
	}
	fault.Point("inbox: listed")
	return sift(found, s.target.ReadyMarker), nil
}

// sift keeps what may be fetched. Where the bureau marks what is complete, only marked answers are kept.
func sift(found []fs.FileInfo, marker string) Listing {
	var l Listing
	marked := map[string]bool{}
	for _, info := range found {
		name := info.Name()
		switch {
		case info.IsDir():
		case !info.Mode().IsRegular() || !plainName(name) || info.Size() < 0:
			l.Dropped++
		case marker != "" && strings.HasSuffix(name, marker):
			marked[strings.TrimSuffix(name, marker)] = true
		case Unfinished(name):
		default:
			l.Entries = append(l.Entries, Entry{Name: name, Size: info.Size(), ModTime: info.ModTime().UTC()})
		}
	}
	if marker != "" {
		l.Entries = slices.DeleteFunc(l.Entries, func(e Entry) bool { return !marked[e.Name] })
		for i := range l.Entries {
			l.Entries[i].Ready = true
		}
	}
	slices.SortFunc(l.Entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	l.More = max(len(l.Entries)-maxEntries, 0)
	l.Entries = l.Entries[:len(l.Entries)-l.More]
	return l
}

// Fetch copies an answer into w in a login of its own. See Session.Fetch.
func Fetch(ctx context.Context, t Target, name string, w io.Writer, maxBytes int64) (int64, error) {
	return within(ctx, t, func(s *Session) (int64, error) { return s.Fetch(ctx, name, w, maxBytes) })
}

// Fetch copies the answer name into w and returns its bytes, which are as many as the server shows before and after. On failure w may have got
// a part. A file over maxBytes is refused before it is read.
func (s *Session) Fetch(ctx context.Context, name string, w io.Writer, maxBytes int64) (int64, error) {
	const op = "fetch"
	if !ValidName(name) {
		return 0, &Error{Op: op, Code: CodeConfig, Err: errors.New("not a name that an answer can have")}
	}
	ctx, end := s.begin(ctx, answerBytes+maxBytes)
	defer end()
	full := path.Join(s.target.Out, name)
	before, err := s.lookAt(ctx, full)
	switch {
	case err != nil:
		return 0, failed(ctx, op, NotDelivered, CodeRefused, err)
	case !before.Mode().IsRegular():
		return 0, &Error{Op: op, Code: CodeNotRegular}
	case before.Size() > maxBytes:
		return 0, &Error{Op: op, Code: CodeTooBig, Err: fmt.Errorf("%d bytes, %d are allowed", before.Size(), maxBytes)}
	}
	f, err := s.sftp.Open(full)
	if err != nil {
		return 0, failed(ctx, op, NotDelivered, CodeRefused, err)
	}
	defer func() { _ = f.Close() }()
	sink := &sink{to: w, left: before.Size()}
	fault.Point("inbox: before the bytes")
	n, err := f.WriteTo(sink)
	if sink.err != nil {
		return n, sink.err
	}
	if err != nil {
		return n, failed(ctx, op, NotDelivered, CodeRefused, err)
	}
	after, err := s.lookAt(ctx, full)
	if err != nil {
		return n, failed(ctx, op, NotDelivered, CodeRefused, err)
	}
	if n != before.Size() || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return n, &Error{Op: op, Code: CodeChanged, Err: fmt.Errorf("%d bytes came, the server shows %d", n, after.Size())}
	}
	return n, nil
}

// sink passes on no more bytes than were announced and remembers why it stopped.
type sink struct {
	to   io.Writer
	left int64
	err  error
}

func (s *sink) Write(b []byte) (int, error) {
	if s.left -= int64(len(b)); s.left < 0 {
		s.err = &Error{Op: "fetch", Code: CodeChanged, Err: errors.New("the file grew while it was read")}
		return 0, s.err
	}
	n, err := s.to.Write(b)
	if err != nil {
		s.err = &Error{Op: "store what was fetched", Code: CodeSource, Err: err}
	}
	return n, err
}

// Archive moves an applied answer away in a login of its own. See Session.Archive.
func Archive(ctx context.Context, t Target, name string) error {
	_, err := within(ctx, t, func(s *Session) (struct{}, error) { return struct{}{}, s.Archive(ctx, name) })
	return err
}

// maxTwins is how many answers of one name an archive holds.
const maxTwins = 100

// Archive moves the answer name from Out to Archive; a name that is taken there gets a number. An answer that is archived already is
// success. ErrOvertaken = the name was free a moment ago and is taken now: look again.
func (s *Session) Archive(ctx context.Context, name string) error {
	const op = "archive"
	if !ValidName(name) || s.target.Archive == "" {
		return &Error{Op: op, Code: CodeConfig, Err: errors.New("the name is not valid, or the bureau has no archive")}
	}
	ctx, end := s.begin(ctx, answerBytes)
	defer end()
	from := path.Join(s.target.Out, name)
	for twin := range maxTwins {
		to := path.Join(s.target.Archive, name)
		if twin > 0 {
			to = fmt.Sprintf("%s.%d", to, twin)
		}
		_, taken := s.lookAt(ctx, to)
		if taken != nil && !errors.Is(taken, fs.ErrNotExist) {
			return failed(ctx, op, NotDelivered, CodeRefused, taken)
		}
		if _, err := s.lookAt(ctx, from); err != nil {
			if errors.Is(err, fs.ErrNotExist) && taken == nil {
				return nil
			}
			return failed(ctx, op, NotDelivered, CodeRefused, err)
		}
		if taken == nil {
			continue
		}
		fault.Point("inbox: before the archive")
		if err := s.moveAway(ctx, from, to); err != nil {
			if _, now := s.lookAt(ctx, to); now == nil {
				return &Error{Op: op, Code: CodeOvertaken, Err: errors.Join(ErrOvertaken, err)}
			}
			return failed(ctx, op, NotDelivered, CodeRefused, err)
		}
		fault.Point("inbox: archived")
		return nil
	}
	return &Error{Op: op, Code: CodeNameTaken, Err: ErrNameTaken}
}

// moveAway archives one answer. Its marker goes first: an answer without one is not looked at again.
func (s *Session) moveAway(ctx context.Context, from, to string) error {
	if marker := s.target.ReadyMarker; marker != "" {
		if err := s.remove(ctx, from+marker); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if s.target.Naming == PosixRename {
		return s.sftp.PosixRename(from, to)
	}
	return s.sftp.Rename(from, to)
}
