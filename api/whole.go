package api

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

// maxSmall is how many bytes the body of an operation may have whose body is read before anything is done, as huma has it.
const maxSmall = 1 << 20

// whole reads a body to its end, where it shows whether it is the one that was signed, before anything is done with it. What is longer than an operation takes is left to
// be refused as such.
func (g guarded) whole(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxSmall+1))
		if err != nil {
			g.fail(w, r, unread(err))
			return
		}
		if len(body) <= maxSmall {
			noneToRead(w)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next(afterBody{w}, r)
	}
}

// noneToRead lifts the deadline of a body that has been read: the server, which looks whether the client is still there, would take its passing for the client's going away,
// and would end the request however little was left to do.
func noneToRead(w http.ResponseWriter) {
	// Not every ResponseWriter has deadlines; then there is none to lift.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
}

// afterBody answers a request whose body has been read: nobody may set a deadline for that any more.
type afterBody struct{ http.ResponseWriter }

// SetReadDeadline does nothing.
func (afterBody) SetReadDeadline(time.Time) error { return nil }

// Unwrap is what http.ResponseController finds the rest by.
func (a afterBody) Unwrap() http.ResponseWriter { return a.ResponseWriter }
