package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"platen/api/signature"
)

// Times of an upload: how long its sender may be silent, and how long all of it may take.
const (
	uploadSilence = 30 * time.Second
	uploadLimit   = time.Hour
)

// upload is the body of a request as it streams in. It keeps the connection's deadline ahead of a sender that goes on sending, stops at the
// largest size, and remembers what ended it, which readers above it may have wrapped away.
type upload struct {
	body       io.Reader
	connection *http.ResponseController
	end        time.Time
	err        error
}

func (s *service) upload(w http.ResponseWriter, r *http.Request) *upload {
	return &upload{body: http.MaxBytesReader(w, r.Body, s.MaxBody), connection: http.NewResponseController(w), end: time.Now().Add(uploadLimit)}
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	until := time.Now().Add(uploadSilence)
	if until.After(u.end) {
		until = u.end
	}
	// Not every ResponseWriter has deadlines; then the server's own hold.
	_ = u.connection.SetReadDeadline(until)
	n, err := u.body.Read(p)
	if u.err = err; errors.Is(err, io.EOF) {
		_ = u.connection.SetReadDeadline(time.Time{}) // see noneToRead
		u.answerIn(writeTimeout)
	}
	return n, err
}

// answerIn gives the answer its own time, however long the upload took.
func (u *upload) answerIn(d time.Duration) {
	_ = u.connection.SetWriteDeadline(time.Now().Add(d))
}

// failure tells what ended the body before its end; nil when nothing did.
func (u *upload) failure() error {
	if u.err == nil || errors.Is(u.err, io.EOF) {
		return nil
	}
	return unread(u.err)
}

// unread is the answer to a request whose body could not be read to its end.
func unread(err error) *Problem {
	var tooLarge *http.MaxBytesError
	var network net.Error
	p := problem(http.StatusBadRequest, "body_cut", "the body ended early; nothing was kept")
	switch {
	case errors.Is(err, signature.ErrDigest):
		p = problem(http.StatusBadRequest, "digest_mismatch", "the body is not the one that Content-Digest and the signature speak of; nothing was kept")
	case errors.As(err, &tooLarge):
		p = problem(http.StatusRequestEntityTooLarge, "too_large", "split the order into several; nothing was kept")
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		p = problem(http.StatusRequestTimeout, "too_slow", "the body came too slowly; nothing was kept")
	}
	p.cause = err
	return p
}

// mediaType reads the kind of body; the problem is 415 for one that is not among kinds.
func mediaType(r *http.Request, kinds ...string) (string, error) {
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && slices.Contains(kinds, kind) && r.Header.Get("Content-Encoding") == "" {
		if charset, given := parameters["charset"]; !given || strings.EqualFold(charset, "utf-8") {
			return kind, nil
		}
	}
	return "", problem(http.StatusUnsupportedMediaType, "unsupported_media_type", "send "+strings.Join(kinds, " or ")+" in UTF-8, not compressed")
}

// Types of bodies. JSON Lines has two names.
const (
	csvType    = "text/csv"
	jsonType   = "application/json"
	jsonlType  = "application/jsonl"
	ndjsonType = "application/x-ndjson"
)
