package programs

import (
	"errors"
	"fmt"
)

// LoadError is one thing wrong in a directory of programs.
type LoadError struct {
	File   string
	Line   int // 0 when the whole file or directory is meant
	Reason string
}

// Error implements error: file:line: reason.
func (f *LoadError) Error() string {
	if f.Line == 0 {
		return f.File + ": " + f.Reason
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Reason)
}

// faults collects everything that is wrong, so that one run shows it all.
type faults []error

func (f *faults) add(file string, line int, format string, args ...any) {
	*f = append(*f, &LoadError{File: file, Line: line, Reason: fmt.Sprintf(format, args...)})
}

func (f faults) err() error { return errors.Join(f...) }
