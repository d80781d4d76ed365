package programs

import (
	"maps"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"platen/card"
)

// maxRecords is the most lines of one file: a line's number has seven digits.
const maxRecords = 9_999_999

// What becomes of a file that is left without lines.
const (
	ZeroFileSend = "SEND"
	ZeroFileVoid = "VOID"
)

// maxSuffix bounds what marker files have behind the name.
const maxSuffix = 20

// weekdays are the names of the days that calendars use.
var weekdays = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (l *loader) checkBureaus() {
	l.checkNoTwins("bureau", l.from.bureaus, func(i int) string { return l.set.Bureaus[i].Code })
	for i := range l.set.Bureaus {
		b, from := &l.set.Bureaus[i], l.from.bureaus[i]
		l.checkName(from, b.Name)
		l.checkSFTP(b, from)
		l.checkPGP(b, from)
		l.checkLabel(from, b.ZPK, "", "zpk")
		if b.PINFormat != 0 && b.PINFormat != 4 {
			l.at(from, "pin_format")("pin_format: must be 0 or 4 (ISO 9564-1)")
		}
		l.checkBounds(from, int64(b.MaxRecords), 1, maxRecords, "max_records")
		l.checkBounds(from, int64(b.SealSample), 1, maxRecords, "seal_sample")
		if b.ZeroFile != ZeroFileSend && b.ZeroFile != ZeroFileVoid {
			l.at(from, "zero_file")("zero_file: %s", oneOf([]string{ZeroFileSend, ZeroFileVoid}))
		}
		l.checkCalendar(b.Calendar, from)
		l.checkReturns(b.Returns, from)
		l.checkStatusMap(b.StatusMap, from)
	}
}

func (l *loader) checkSFTP(b *Bureau, from source) {
	host, port, err := net.SplitHostPort(b.SFTP.Address)
	if n, portErr := strconv.Atoi(port); err != nil || portErr != nil || host == "" || n < 1 || n > 65535 {
		l.at(from, "sftp", "address")("address: must be HOST:PORT")
	}
	if b.SFTP.User == "" {
		l.at(from, "sftp", "user")("user: is missing")
	}
	if len(b.SFTP.HostKeys) == 0 && b.SFTP.HostKeysFile == "" {
		l.at(from, "sftp")("host_keys: a bureau without a pinned host key is never connected to: give host_keys or host_keys_file")
	}
	for _, key := range b.SFTP.HostKeys {
		if _, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(key)); err != nil || len(rest) > 0 {
			l.at(from, "sftp", "host_keys")("host_keys: each must be one public key in the form of authorized_keys")
		}
	}
	if b.SFTP.IdentityFile == "" && b.SFTP.PasswordFile == "" {
		l.at(from, "sftp")("identity_file: give a private key or a password_file")
	}
	l.checkQuirks(b.SFTP, from)
	seen := map[string]string{}
	for _, dir := range []struct{ key, path string }{{"in", b.SFTP.In}, {"out", b.SFTP.Out}, {"archive", b.SFTP.Archive}} {
		if dir.path == "" || path.Clean(dir.path) != dir.path || slices.Contains(strings.Split(dir.path, "/"), "..") {
			l.at(from, "sftp", dir.key)("%s: must be a plain path at the bureau", dir.key)
			continue
		}
		if other, twice := seen[dir.path]; twice {
			l.at(from, "sftp", dir.key)("%s: must differ from %s", dir.key, other)
		}
		seen[dir.path] = dir.key
	}
}

func (l *loader) checkQuirks(s SFTP, from source) {
	renames := []string{RenamePlain, RenamePosix, RenameNone}
	if s.Rename != "" && !slices.Contains(renames, s.Rename) {
		l.at(from, "sftp", "rename")("rename: %s", oneOf(renames))
	}
	if s.Rename == RenameNone && s.Marker == "" {
		l.at(from, "sftp", "marker")("marker: rename: NONE needs a marker")
	}
	if s.Rename == RenameNone && s.MarkerText != "" {
		l.at(from, "sftp", "marker_content")("marker_content: with rename: NONE a marker is empty, since half of one could be seen")
	}
	if err := s.Transfer().Check(); err != nil {
		l.at(from, "sftp", "marker")("%v", err)
	}
	if strings.Trim(s.ReadyMarker, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" || len(s.ReadyMarker) > maxSuffix {
		l.at(from, "sftp", "ready_marker")("ready_marker: has letters, digits and . _ - only")
	}
	l.checkBounds(from, int64(s.Connections), 0, 16, "sftp", "connections")
	l.checkBounds(from, int64(s.Requests), 0, 64, "sftp", "requests")
}

func (l *loader) checkPGP(b *Bureau, from source) {
	switch p := b.PGP; {
	case p.Plaintext && (p.RecipientFile != "" || p.SignerFile != ""):
		l.at(from, "pgp", "plaintext")("plaintext: true contradicts the keys beside it")
	case !p.Plaintext && p.RecipientFile == "":
		l.at(from, "pgp")("pgp: give recipient_file, or say plaintext: true to send card data unprotected")
	case p.Plaintext && p.SealedReturns:
		l.at(from, "pgp", "sealed_returns")("sealed_returns: needs the bureau's key, and plaintext: true says that there is none")
	case !p.Plaintext && p.SignerFile == "":
		l.at(from, "pgp")("signer_file: is missing: files are signed")
	}
}

func (l *loader) checkCalendar(c Calendar, from source) {
	for i, day := range c.Weekdays {
		if !slices.Contains(weekdays[:], day) || slices.Contains(c.Weekdays[:i], day) {
			l.at(from, "calendar", "weekdays")("weekdays: must be different ones of %s", strings.Join(weekdays[:], ", "))
			break
		}
	}
	for i, day := range c.Holidays {
		if _, err := time.Parse(time.DateOnly, day); err != nil || slices.Contains(c.Holidays[:i], day) {
			l.at(from, "calendar", "holidays")("holidays: %q must be a date YYYY-MM-DD and stand once", day)
		}
	}
}

func (l *loader) checkReturns(returns []Return, from source) {
	for i, r := range returns {
		if _, err := path.Match(r.Pattern, "name"); err != nil || r.Pattern == "" || strings.Contains(r.Pattern, "/") {
			l.at(from, "returns")("pattern: %q is not a pattern of file names", r.Pattern)
		}
		if slices.ContainsFunc(returns[:i], func(o Return) bool { return o.Pattern == r.Pattern }) {
			l.at(from, "returns")("pattern: %q stands twice", r.Pattern)
		}
		layout := l.layout(r.Layout)
		if layout == nil {
			l.at(from, "returns")("layout: there is no layout %q", r.Layout)
		} else if !layout.Kind().IsReturn() {
			l.at(from, "returns")("layout: %s does not read return files", r.Layout)
		}
	}
}

// checkStatusMap lets a bureau's words mean only what a bureau can know.
func (l *loader) checkStatusMap(words map[string]string, from source) {
	var meanings []string
	for s := card.IssueAccepted; s <= card.IssueLostInTransit; s++ {
		meanings = append(meanings, s.String())
	}
	for _, word := range slices.Sorted(maps.Keys(words)) {
		if !slices.Contains(meanings, words[word]) {
			l.at(from, "status_map", word)("status_map: %s: %s", word, oneOf(meanings))
		}
	}
}
