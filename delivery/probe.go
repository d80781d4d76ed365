package delivery

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
)

// ProbeResult is what a bureau shows of a file whose delivery is in doubt.
type ProbeResult struct {
	AtFinal  bool  // the final name holds a regular file with one of the sizes
	Other    bool  // the final name holds something else
	Archived bool  // the archive directory holds a file of that name with one of the sizes
	Size     int64 // of the file that was found

	// Deleted temporary files existed and were deleted now: their renames can no longer happen. Missing ones did not exist: they were
	// never written, were tidied up, or were renamed.
	Deleted []string
	Missing []string

	// TempsDeleted says that the newest temporary name, the last of the list, existed and is deleted now. Since every attempt deletes the
	// names of those before it first, no rename can happen any more.
	TempsDeleted bool
}

// Probe looks for a file in a login of its own. See Session.Probe.
func Probe(ctx context.Context, t Target, finalName string, sizes []int64, temps []string) (ProbeResult, error) {
	return within(ctx, t, func(s *Session) (ProbeResult, error) { return s.Probe(ctx, finalName, sizes, temps) })
}

// Probe finds out what became of a file after a break: it first deletes the temporary files, so that nothing can change any more, and then
// looks at the final name and the archive. Sizes are those of every attempt's bytes; temps are the attempts' names, oldest first.
func (s *Session) Probe(ctx context.Context, finalName string, sizes []int64, temps []string) (ProbeResult, error) {
	const op = "probe"
	if !ValidName(finalName) || slices.ContainsFunc(temps, func(n string) bool { return !plainName(n) || n == finalName }) {
		return ProbeResult{}, &Error{Op: op, Outcome: InDoubt, Code: CodeConfig, Err: errors.New("a name is not one that a file can have at a bureau")}
	}
	ctx, end := s.begin(ctx, answerBytes)
	defer end()
	if s.target.Marker != "" {
		return s.probeMarked(ctx, finalName, sizes, temps)
	}
	var result ProbeResult
	if err := s.deleteTemps(ctx, temps, &result); err != nil {
		return ProbeResult{}, err
	}
	if err := s.probeFinal(ctx, finalName, sizes, &result); err != nil {
		return ProbeResult{}, err
	}
	err := s.probeArchive(ctx, finalName, sizes, &result)
	return result, err
}

// deleteTemps deletes the temporary files of every attempt.
func (s *Session) deleteTemps(ctx context.Context, temps []string, result *ProbeResult) error {
	for _, name := range temps {
		switch err := s.remove(ctx, path.Join(s.target.In, name)); {
		case err == nil:
			result.Deleted = append(result.Deleted, name)
		case errors.Is(err, fs.ErrNotExist):
			result.Missing = append(result.Missing, name)
		default:
			return failed(ctx, "probe", InDoubt, CodeRefused, err)
		}
	}
	result.TempsDeleted = len(temps) > 0 && slices.Contains(result.Deleted, temps[len(temps)-1])
	return nil
}

func (s *Session) probeFinal(ctx context.Context, finalName string, sizes []int64, result *ProbeResult) error {
	info, err := s.lookAt(ctx, path.Join(s.target.In, finalName))
	switch {
	case err == nil && info.Mode().IsRegular() && slices.Contains(sizes, info.Size()):
		result.AtFinal, result.Size = true, info.Size()
	case err == nil:
		result.Other = true
	case !errors.Is(err, fs.ErrNotExist):
		return failed(ctx, "probe", InDoubt, CodeRefused, err)
	}
	return nil
}

// probeArchive looks whether the bureau has put the file away already. An archive that it does not let us see is none.
func (s *Session) probeArchive(ctx context.Context, finalName string, sizes []int64, result *ProbeResult) error {
	if s.target.Archive == "" {
		return nil
	}
	info, err := s.lookAt(ctx, path.Join(s.target.Archive, finalName))
	switch {
	case err == nil && info.Mode().IsRegular() && slices.Contains(sizes, info.Size()):
		result.Archived, result.Size = true, info.Size()
	case err != nil && !answered(err):
		return failed(ctx, "probe", InDoubt, CodeRefused, err)
	}
	return nil
}
