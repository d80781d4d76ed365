package main

import "io"

// stickyWriter is standard output for every command: it remembers the first write that failed, so that a full disk or a closed pipe ends the process with
// an error however the command printed.
type stickyWriter struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (s *stickyWriter) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(p)
	s.err = err
	return n, err
}
