package formats

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Transfer is how a file travels as far as its format says it. What a bureau's declaration says of the same stands above it.
type Transfer struct {
	TempSuffix string // what its temporary name ends with; empty for the usual one
	Marker     string // what the name of a file that is written after it, and says that it is there, has behind the file's; empty for none
	Content    string // of the marker, with {name}, {bytes} and {sha256} of the file as it travels; empty for none
}

// maxTransferSuffix and maxMarkerContent bound what a marker may be called and say.
const (
	maxTransferSuffix = 20
	maxMarkerContent  = 200
)

// Check tells what is wrong with the options.
func (t Transfer) Check() error {
	for _, s := range []struct{ key, value string }{{"temp_suffix", t.TempSuffix}, {"marker", t.Marker}} {
		if s.value != "" && (len(s.value) < 2 || len(s.value) > maxTransferSuffix || s.value[0] != '.' || s.value[len(s.value)-1] == '.' || !fileNameSafe(s.value)) {
			return errors.New(s.key + ": is a dot and letters, digits and . _ -, such as .done")
		}
	}
	rest := strings.NewReplacer("{name}", "", "{bytes}", "", "{sha256}", "").Replace(t.Content)
	switch {
	case t.TempSuffix != "" && t.TempSuffix == t.Marker:
		return errors.New("temp_suffix: is the marker's, too")
	case t.Content != "" && t.Marker == "":
		return errors.New("content: there is no marker that could hold it")
	case len(t.Content) > maxMarkerContent || !allPrintable([]byte(strings.ReplaceAll(t.Content, "\n", " "))) || strings.ContainsAny(rest, "{}"):
		return errors.New("content: is printable ASCII of 200 characters at most, with {name}, {bytes} and {sha256}")
	}
	return nil
}

// Under is t under what a bureau says: its temporary name stands above the layout's, and its marker with its content does.
func (t Transfer) Under(bureau Transfer) Transfer {
	if bureau.TempSuffix != "" {
		t.TempSuffix = bureau.TempSuffix
	}
	if bureau.Marker != "" {
		t.Marker, t.Content = bureau.Marker, bureau.Content
	}
	return t
}

// Transfer is how files of the layout travel.
func (l *Layout) Transfer() Transfer { return l.spec.transfer }

func (s *spec) readTransfer(n *yaml.Node) error {
	text := func(into *string) func(*yaml.Node) error {
		return scalar("transfer", func(v string, at *yaml.Node) error {
			*into = v
			if v == "" {
				return faultAt(at, "transfer: is empty")
			}
			return nil
		})
	}
	t := &s.transfer
	err := mapping(n, "transfer", map[string]func(*yaml.Node) error{
		"temp_suffix": text(&t.TempSuffix),
		"marker": func(n *yaml.Node) error {
			return mapping(n, "marker", map[string]func(*yaml.Node) error{"suffix": text(&t.Marker), "content": text(&t.Content)})
		},
	})
	if err == nil {
		err = t.Check()
		if err != nil {
			err = faultAt(n, "transfer: %v", err)
		}
	}
	if err == nil && s.kind.IsReturn() {
		err = faultAt(n, "transfer: a %s comes from its bureau as that likes", s.kind)
	}
	return err
}
