package bureau

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"strings"

	"platen/formats"
)

// markers lists what the names of marker files end with at this house: its own marker, or those that layouts say.
func (s *Simulator) markers() (all []string) {
	if own := s.config.Bureau.SFTP.Marker; own != "" {
		return []string{own}
	}
	for _, l := range s.config.Layouts {
		if m := l.Transfer().Marker; m != "" {
			all = append(all, m)
		}
	}
	return all
}

// markerOf is the name of the file that a marker stands beside; empty for what is no marker.
func (s *Simulator) markerOf(name string) string {
	for _, m := range s.markers() {
		if file, ok := strings.CutSuffix(name, m); ok {
			return file
		}
	}
	return ""
}

// waits tells whether a file is not to be taken yet: the house, or the file's layout, says that a marker comes after it.
func (s *Simulator) waits(dir, name string) (bool, error) {
	for _, m := range s.markers() {
		if _, err := s.root.Lstat(path.Join(dir, name+m)); !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	if s.config.Bureau.SFTP.Marker != "" {
		return true, nil
	}
	if len(s.markers()) == 0 {
		return false, nil
	}
	head, err := s.readHead(path.Join(dir, name))
	if err != nil {
		return false, err
	}
	return s.layoutMarks(head), nil
}

// layoutMarks tells whether a file begins as one of a layout whose files have markers.
func (s *Simulator) layoutMarks(head []byte) bool {
	reads := func(l *formats.Layout) bool {
		_, _, err := l.NewReader(bytes.NewReader(head)).Next()
		return err == nil
	}
	for _, l := range s.config.Layouts {
		if l.Transfer().Marker != "" && reads(l) {
			return true
		}
	}
	return false
}

// dropMarker deletes a marker whose file was taken.
func (s *Simulator) dropMarker(dir, name, file string) error {
	if _, err := s.root.Lstat(path.Join(dir, file)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.root.Remove(path.Join(dir, name))
}
