package delivery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pkg/sftp"
)

// Outcome says what a failed Send means for the file.
type Outcome uint8

// The outcomes of a failure.
const (
	NotDelivered Outcome = iota // proved: the final name is not ours and no rename can happen any more
	InDoubt                     // the rename may have happened: Probe before anything else
)

// String is the outcome in words.
func (o Outcome) String() string {
	if o == InDoubt {
		return "in doubt"
	}
	return "not delivered"
}

// Codes of an Error. They are stable: operators and metrics know them.
const (
	CodeConfig           = "config"             // the target or the upload is impossible; nothing was sent
	CodeUnreachable      = "unreachable"        // no connection, or it ended before the login
	CodeHostKeyMismatch  = "host_key_mismatch"  // the server showed none of the pinned keys
	CodeAlgorithms       = "weak_algorithms"    // the server offers no algorithm that is strong enough
	CodeAuthFailed       = "auth_failed"        // the server refused the login
	CodeNoSFTP           = "no_sftp"            // logged in, but there is no SFTP subsystem
	CodeConnectionLost   = "connection_lost"    // the connection ended in the middle
	CodeTimeout          = "timeout"            // the deadline passed
	CodeCancelled        = "cancelled"          // the caller gave up
	CodeDiskFull         = "disk_full"          // the bureau's disk has no room
	CodeNameTaken        = "name_taken"         // the final name holds other content
	CodeSizeMismatch     = "size_mismatch"      // the bureau's file has another size
	CodeContentMismatch  = "content_mismatch"   // the bureau's file reads back with another hash
	CodeRenameRefused    = "rename_refused"     // the server refused the rename of a free name
	CodeRenameLost       = "rename_lost"        // the server said yes to the rename and did nothing
	CodeVanished         = "vanished"           // the server said yes to the rename and shows neither name
	CodeStopped          = "stopped"            // BeforeRename refused
	CodeSource           = "source"             // our own file could not be read or is not what was announced
	CodeNotFound         = "not_found"          // there is no such file
	CodePermissionDenied = "permission_denied"  // the server forbids it
	CodeRefused          = "refused"            // the server refused for a reason it does not tell
	CodeTooBig           = "too_big"            // more bytes or entries than allowed
	CodeNotRegular       = "not_a_regular_file" // a directory, link or device stands there
	CodeChanged          = "changed"            // the file changed while it was read
	CodeOvertaken        = "overtaken"          // another process was quicker
)

// ErrNameTaken is wrapped by every Error of the code name_taken.
var ErrNameTaken = errors.New("the name is taken by other content")

// ErrOvertaken is wrapped by every Error of the code overtaken.
var ErrOvertaken = errors.New("another process was quicker")

// Error is what every function of this package that talks to a bureau fails with.
type Error struct {
	Op      string // what was being done
	Outcome Outcome
	Code    string // one of the Code constants
	Err     error  // the cause; may be nil
}

// maxErrorText bounds what a hostile server can put into our logs.
const maxErrorText = 300

// Error implements error. The text of a server is cut.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %s (%s)", e.Op, e.Outcome, e.Code)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "..."
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Code returns the code of the Error inside err, and "" when there is none.
func Code(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// IsInDoubt tells whether err says that the file may be at its final name.
func IsInDoubt(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Outcome == InDoubt
}

// Unreached tells whether err says that the bureau let nobody in: no conversation about any file is possible until that changes.
func Unreached(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Op == opConnect || e.Op == opLogin) && e.Code != CodeConfig && e.Code != CodeCancelled
}

// answered tells whether err is the server's own answer to a request, not the loss of the connection.
func answered(err error) bool {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return true
	}
	var status *sftp.StatusError
	if !errors.As(err, &status) {
		return false
	}
	return status.FxCode() != sftp.ErrSSHFxConnectionLost && status.FxCode() != sftp.ErrSSHFxNoConnection
}

// failed makes an Error of what a request ended with; code is used when the server answered and nothing better is known.
func failed(ctx context.Context, op string, outcome Outcome, code string, err error) *Error {
	switch {
	case answered(err):
		switch {
		case code != CodeRefused:
		case errors.Is(err, fs.ErrNotExist):
			code = CodeNotFound
		case errors.Is(err, fs.ErrPermission):
			code = CodePermissionDenied
		}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		code, err = CodeTimeout, ctx.Err()
	case ctx.Err() != nil:
		code, err = CodeCancelled, context.Cause(ctx)
	default:
		code = CodeConnectionLost
	}
	return &Error{Op: op, Outcome: outcome, Code: code, Err: err}
}

// unsupported tells whether the server answered that it cannot do what was asked.
func unsupported(err error) bool {
	var status *sftp.StatusError
	return errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxOpUnsupported
}
