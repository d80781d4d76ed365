package delivery

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/pkg/sftp"

	"platen/fault"
)

// Upload is one attempt to deliver one file.
type Upload struct {
	FinalName string   // in the target's In directory
	TempName  string   // in the same directory; of this attempt alone (see TempName)
	Size      int64    // bytes of the content
	SHA256    [32]byte // of the content

	// Open starts the content from its beginning; it is called at most once.
	Open func() (io.ReadCloser, error)

	// EarlierTemps are the temporary names of every attempt before this one. They are deleted before anything else: after that, no rename
	// of an earlier attempt can happen.
	EarlierTemps []string

	// BeforeRename is called when the whole content lies at the bureau under TempName, immediately before the rename. It is where the
	// caller writes down that from now on the outcome may be in doubt. An error stops the delivery.
	BeforeRename func(context.Context) error
}

// Receipt is the evidence of a delivery.
type Receipt struct {
	RemoteSize int64
	HostKey    string // SHA-256 fingerprint of the server's key
	Synced     bool   // the server confirmed an fsync
	ReadBack   bool   // the content was read again from the server and has the right hash
	Evidence   string // in words, for the record
}

// Send delivers u to t in a login of its own. See Session.Send.
func Send(ctx context.Context, t Target, u Upload) (Receipt, error) {
	return within(ctx, t, func(s *Session) (Receipt, error) { return s.Send(ctx, u) })
}

// within runs one call in a login of its own.
func within[T any](ctx context.Context, t Target, call func(*Session) (T, error)) (T, error) {
	s, err := Dial(ctx, t)
	if err != nil {
		var none T
		return none, err
	}
	defer func() { _ = s.Close() }()
	return call(s)
}

// Send delivers u: delete the temporary files of earlier attempts, write the content under a new temporary name, prove it by size
// and, where the server lets us read, by hash, and rename it to the final name without overwriting. When the final name already holds the content,
// that is success.
//
// It fails with an *Error. NotDelivered is said only when it is proved: any other end of a rename is InDoubt.
func (s *Session) Send(ctx context.Context, u Upload) (Receipt, error) {
	if err := u.check(); err != nil {
		return Receipt{}, &Error{Op: "send", Code: CodeConfig, Err: err}
	}
	ctx, end := s.begin(ctx, answerBytes+u.Size)
	defer end()
	d := &sending{Session: s, Upload: u, final: path.Join(s.target.In, u.FinalName), temp: path.Join(s.target.In, u.TempName)}
	d.receipt = Receipt{HostKey: s.hostKey}
	if s.target.Marker != "" {
		return d.sendWithMarker(ctx)
	}
	if err := d.deleteEarlier(ctx); err != nil {
		return Receipt{}, err
	}
	if there, err := d.alreadyThere(ctx); err != nil || there {
		return d.receipt, err
	}
	if err := d.writeTemp(ctx); err != nil {
		d.deleteTemp()
		return Receipt{}, err
	}
	if err := d.rename(ctx); err != nil {
		return Receipt{}, err
	}
	return d.receipt, nil
}

func (u *Upload) check() error {
	switch {
	case !ValidName(u.FinalName):
		return errors.New("the final name is not one that a file can have at a bureau")
	case !plainName(u.TempName) || u.TempName == u.FinalName:
		return errors.New("the temporary name is not one that a file can have at a bureau")
	case u.Size < 0 || u.Open == nil:
		return errors.New("size and content must be given")
	}
	for _, name := range u.EarlierTemps {
		if !plainName(name) || name == u.FinalName || name == u.TempName {
			return errors.New("the temporary name of an earlier attempt is impossible")
		}
	}
	return nil
}

// sending is one run of Send.
type sending struct {
	*Session
	Upload
	final, temp string // full paths
	created     bool   // temp was created by this attempt
	receipt     Receipt
}

func (d *sending) deleteEarlier(ctx context.Context) error {
	for _, name := range d.EarlierTemps {
		if err := d.remove(ctx, path.Join(d.target.In, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failed(ctx, "delete the temporary file of an earlier attempt", NotDelivered, CodeRefused, err)
		}
	}
	return nil
}

// alreadyThere looks at the final name: free, ours already, or taken.
func (d *sending) alreadyThere(ctx context.Context) (bool, error) {
	const op = "look at the final name"
	info, err := d.lookAt(ctx, d.final)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, failed(ctx, op, NotDelivered, CodeRefused, err)
	}
	same, read, err := d.sameContent(d.final, info)
	if err != nil {
		return false, failed(ctx, op, NotDelivered, CodeRefused, err)
	}
	if !same {
		return false, &Error{Op: op, Code: CodeNameTaken, Err: ErrNameTaken}
	}
	d.receipt.RemoteSize, d.receipt.ReadBack = info.Size(), read
	d.receipt.Evidence = "already there: same size"
	if read {
		d.receipt.Evidence = "already there: same size and hash"
	}
	return true, nil
}

// sameContent compares a file at the bureau by size and, where it may be read, by hash.
func (d *sending) sameContent(name string, info fs.FileInfo) (same, read bool, err error) {
	if !info.Mode().IsRegular() || info.Size() != d.Size {
		return false, false, nil
	}
	if d.target.NoReadBack {
		return true, false, nil
	}
	f, err := d.sftp.Open(name)
	if errors.Is(err, fs.ErrPermission) || unsupported(err) {
		return true, false, nil
	}
	if err != nil {
		return false, false, err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	n, err := f.WriteTo(sum)
	if err != nil {
		return false, false, err
	}
	return n == d.Size && [32]byte(sum.Sum(nil)) == d.SHA256, true, nil
}

// writeTemp puts the whole content at the temporary name and proves it.
func (d *sending) writeTemp(ctx context.Context) error {
	content, err := d.Open()
	if err != nil {
		return &Error{Op: "open the content", Code: CodeSource, Err: err}
	}
	defer func() { _ = content.Close() }()
	f, err := d.sftp.OpenFile(d.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return failed(ctx, "create the temporary file", NotDelivered, d.whyRefused(err), err)
	}
	d.created = true
	fault.Point("upload: created")
	source := &source{from: content, sum: sha256.New()}
	if _, err := f.ReadFromWithConcurrency(source, d.target.Concurrency); err != nil {
		return d.writeFailure(ctx, f, "write", err)
	}
	fault.Point("upload: written")
	if source.n != d.Size || [32]byte(source.sum.Sum(nil)) != d.SHA256 {
		_ = f.Close()
		return &Error{Op: "write", Code: CodeSource, Err: errors.New("the content is not what was announced")}
	}
	if err := d.syncFile(f); err != nil {
		return d.writeFailure(ctx, f, "fsync", err)
	}
	if err := f.Close(); err != nil {
		return failed(ctx, "close", NotDelivered, d.whyRefused(err), err)
	}
	fault.Point("upload: closed")
	return d.proveTemp(ctx)
}

func (d *sending) writeFailure(ctx context.Context, f *sftp.File, op string, err error) error {
	var ours *sourceError
	if errors.As(err, &ours) {
		_ = f.Close()
		return &Error{Op: op, Code: CodeSource, Err: ours.err}
	}
	e := failed(ctx, op, NotDelivered, d.whyRefused(err), err)
	_ = f.Close()
	return e
}

func (d *sending) syncFile(f *sftp.File) error {
	if _, offered := d.sftp.HasExtension("fsync@openssh.com"); !offered || d.target.NoFsync {
		return nil
	}
	err := f.Sync()
	if unsupported(err) {
		return nil
	}
	d.receipt.Synced = err == nil
	return err
}

// proveTemp compares what lies at the temporary name with the content: a server may have said yes and stored something else.
func (d *sending) proveTemp(ctx context.Context) error {
	const op = "prove the uploaded bytes"
	info, err := d.lookAt(ctx, d.temp)
	if err != nil {
		return failed(ctx, op, NotDelivered, CodeRefused, err)
	}
	if info.Size() != d.Size {
		return &Error{Op: op, Code: d.whyShort(), Err: fmt.Errorf("%d of %d bytes lie at the bureau", info.Size(), d.Size)}
	}
	same, read, err := d.sameContent(d.temp, info)
	if err != nil {
		return failed(ctx, op, NotDelivered, CodeRefused, err)
	}
	if !same {
		return &Error{Op: op, Code: CodeContentMismatch, Err: errors.New("the uploaded bytes read back differently")}
	}
	d.receipt.ReadBack = read
	return nil
}

// whyRefused finds out what a bare refusal of a write means; OpenSSH says nothing more when its disk is full.
func (d *sending) whyRefused(err error) string {
	if !answered(err) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || !d.noRoom() {
		return CodeRefused
	}
	return CodeDiskFull
}

func (d *sending) whyShort() string {
	if d.noRoom() {
		return CodeDiskFull
	}
	return CodeSizeMismatch
}

func (d *sending) noRoom() bool {
	if _, offered := d.sftp.HasExtension("statvfs@openssh.com"); !offered {
		return false
	}
	room, err := d.sftp.StatVFS(d.target.In)
	return err == nil && room.Bavail*room.Frsize < uint64(max(d.Size, 1))
}

// deleteTemp tidies up; what it cannot delete is deleted by the next attempt, which knows the name.
func (d *sending) deleteTemp() { _ = d.sftp.Remove(d.temp) }

// sourceError marks a failure to read our own content.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "read the content: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// source reads the content and adds it up.
type source struct {
	from io.Reader
	sum  hash.Hash
	n    int64
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.from.Read(b)
	s.sum.Write(b[:n])
	s.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &sourceError{err}
	}
	return n, err
}
