package delivery

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"platen/card"
)

// Limits that hold where a Target leaves them out.
const (
	defaultConcurrency = 32
	defaultDialTimeout = 15 * time.Second
	defaultStall       = 60 * time.Second
	defaultDeadline    = 30 * time.Minute
)

// Target is one bureau's SFTP server and how it is trusted.
type Target struct {
	Address  string // host:port
	User     string
	HostKeys []string    // authorized_keys lines; at least one, and no other key is ever accepted
	Identity card.Secret // our private key in PEM
	Password card.Secret // where a bureau has no keys

	In      string // directory that files for the bureau go to
	Out     string // directory of the bureau's answers
	Archive string // where answers are moved after they are applied

	Concurrency int           // write requests in flight, 1 to 64; 0 = 32
	DialTimeout time.Duration // for connection and login; 0 = 15 s
	Stall       time.Duration // silence of the server after which the connection counts as dead; 0 = 60 s
	Deadline    time.Duration // for one call, whatever it does; 0 = 30 min

	Quirks
}

// Quirks are what a bureau's server cannot do or does otherwise. Each takes a proof away, and the Receipt says less then.
type Quirks struct {
	Naming Naming // how a file that lies whole at the bureau gets its name
	// Marker is what the name of a marker file has behind the file's, such as .done: the bureau takes a file when its marker lies beside it,
	// so that the marker and not the rename is what counts. MarkerFile needs one.
	Marker string
	// MarkerContent is what the marker holds, with {name}, {bytes} and {sha256} of the file; empty for nothing. It takes a server that
	// renames: the marker comes to its name with its content.
	MarkerContent string

	NoStat      bool // the server answers no questions about one file, or deletes what is asked about: its directory is listed instead
	NoFsync     bool // fsync@openssh.com is offered and must not be used
	NoReadBack  bool // the server deletes or hides what is read: the uploaded bytes are not read again
	TakesAtOnce bool // the bureau may take a file away at once: a rename that it answered with yes is proof enough

	// ReadyMarker ends the name of the empty file with which the bureau says that an answer is complete. Answers without one are not
	// shown by List; with one they need not be looked at twice.
	ReadyMarker string
}

// Naming is how a file comes to its final name.
type Naming uint8

// The ways.
const (
	PlainRename Naming = iota // SFTP's own rename, which refuses a name that exists
	PosixRename               // posix-rename@openssh.com, which would replace: the name is looked at immediately before
	MarkerFile                // no rename: written under its final name; only its marker says that it is whole
)

// checked returns t with its defaults filled in, and the pinned keys.
func (t Target) checked() (Target, []ssh.PublicKey, error) {
	if t.Address == "" || t.User == "" {
		return t, nil, errors.New("address and user must be given")
	}
	if t.Identity.IsZero() && t.Password.IsZero() {
		return t, nil, errors.New("a private key or a password must be given")
	}
	var keys []ssh.PublicKey
	for _, line := range t.HostKeys {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil || len(rest) > 0 {
			return t, nil, errors.New("a pinned host key is not in the form of authorized_keys")
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return t, nil, errors.New("no host key is pinned")
	}
	if t.Naming == MarkerFile && t.Marker == "" || !plainSuffix(t.Marker) || !plainSuffix(t.ReadyMarker) {
		return t, nil, errors.New("a marker file needs a suffix of its own")
	}
	if t.MarkerContent != "" && (t.Marker == "" || t.Naming == MarkerFile || len(t.MarkerContent) > maxMarkerContent) {
		return t, nil, errors.New("a marker with content is short and takes a server that renames")
	}
	t.Concurrency = min(orDefault(t.Concurrency, defaultConcurrency), 64)
	t.DialTimeout = orDefault(t.DialTimeout, defaultDialTimeout)
	t.Stall = orDefault(t.Stall, defaultStall)
	t.Deadline = orDefault(t.Deadline, defaultDeadline)
	return t, keys, nil
}

func orDefault[T int | time.Duration](value, standard T) T {
	if value <= 0 {
		return standard
	}
	return value
}

// hostKeyAlgorithms are the signature algorithms for exactly the pinned keys, so that the server does not choose a key that we do not
// know when it also has one that we do.
func hostKeyAlgorithms(keys []ssh.PublicKey) []string {
	var names []string
	for _, key := range keys {
		switch key.Type() {
		case ssh.KeyAlgoRSA:
			names = append(names, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			names = append(names, key.Type())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// pinned accepts a host key that is byte for byte one of keys.
func pinned(keys []ssh.PublicKey, shown ssh.PublicKey) bool {
	return slices.ContainsFunc(keys, func(k ssh.PublicKey) bool {
		return string(k.Marshal()) == string(shown.Marshal())
	})
}

// maxNameLength bounds the names that may travel.
const maxNameLength = 200

// ValidName tells whether name may stand at a bureau: 1 to 200 of A-Z a-z 0-9 . _ - with no dot in front. Names that a bureau shows and
// that are not valid are never used.
func ValidName(name string) bool {
	return name != "" && name[0] != '.' && plainName(name)
}

// plainName is ValidName for names that may begin with a dot, as temporary names do.
func plainName(name string) bool {
	if name == "" || len(name) > maxNameLength || strings.Trim(name, ".") == "" {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// maxMarkerContent bounds what a marker file says.
const maxMarkerContent = 1000

// plainSuffix tells whether s may stand behind a name; empty is none.
func plainSuffix(s string) bool { return s == "" || (len(s) <= 20 && plainName("x"+s)) }

// TempSuffix ends a temporary name where nobody wants another ending.
const TempSuffix = ".part"

// TempName is the name under which finalName is uploaded: hidden, with the attempt's own random text, in the same directory. An empty suffix is
// TempSuffix.
func TempName(finalName, random, suffix string) (string, error) {
	if suffix == "" {
		suffix = TempSuffix
	}
	name := "." + finalName + "." + random + suffix
	if !ValidName(finalName) || random == "" || !plainName(name) {
		return "", fmt.Errorf("%q is not a name that a file can have at a bureau", finalName)
	}
	return name, nil
}

// Unfinished tells whether a name belongs to a file that is still being written, by us or by a bureau.
func Unfinished(name string) bool {
	return strings.HasPrefix(name, ".") || slices.Contains([]string{TempSuffix, ".tmp", ".filepart"}, path.Ext(name))
}
