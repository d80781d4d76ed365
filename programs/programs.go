// Package programs is the declared configuration of the running system: institutions, PAN ranges, products, bureaus, layouts and
// schedules, written in YAML and applied as a whole. It reads and checks; it stores nothing.
package programs

import (
	"encoding/hex"
	"errors"
	"strings"

	"platen/card"
	"platen/formats"
)

// Set is one directory of programs, read and checked: every name it uses exists in it, every layout compiles.
type Set struct {
	Institution Institution
	Ranges      []Range
	Products    []card.Product
	Bureaus     []Bureau
	Zones       []Zone
	Mappings    []formats.Mapping // of order files of other systems
	Schedules   []Schedule
	Layouts     []*formats.Layout

	from places // where all of it stands; nothing for a set that was not read from files
}

// Thing is a list of a set.
type Thing int

// The lists whose things are told apart when they are wrong.
const (
	Ranges Thing = iota + 1
	Products
	Bureaus
	Zones
)

// Fault is what only the running system finds wrong with a thing of the set: told with the file and line of the key at the end of a path, or with the thing's name
// where the set was not read from files.
func (s *Set) Fault(of Thing, i int, name, reason string, path ...string) error {
	from := map[Thing][]source{Ranges: s.from.ranges, Products: s.from.products, Bureaus: s.from.bureaus, Zones: s.from.zones}[of]
	if i >= len(from) {
		return &LoadError{File: name, Reason: reason}
	}
	return &LoadError{File: from[i].file, Line: from[i].line(path...), Reason: name + ": " + reason}
}

// Institution is the issuer. Its timezone decides business dates and expiry months.
type Institution struct {
	Code     string    `json:"code" yaml:"code"`
	Name     string    `json:"name" yaml:"name"`
	Timezone string    `json:"timezone" yaml:"timezone"`
	Sandbox  bool      `json:"sandbox,omitempty"`  // its cards are nobody's: simulators may move them
	Dialects []Dialect `json:"dialects,omitempty"` // the services whose requests it is served with, beside /v1

	ActionReasons []ActionReason `json:"action_reasons,omitempty"` // what its letters for card actions mean
}

// ActionReason is what a letter means that an institution gives as the reason of a card action.
type ActionReason struct {
	Code   string      `json:"code"` // a capital letter
	Reason card.Reason `json:"reason"`
}

// ActionReason finds what a letter means; false for one that means nothing.
func (i *Institution) ActionReason(code string) (card.Reason, bool) {
	for _, r := range i.ActionReasons {
		if r.Code == code {
			return r.Reason, true
		}
	}
	return 0, false
}

// Dialect is a card-issuing service whose requests an institution's clients send, and by which products they are served.
type Dialect struct {
	Code     string            `json:"code"`                 // Offblocks, Enfuce, Firstvision or Finhub
	Products map[string]string `json:"products"`             // the service's name for a kind of card → code of a product
	Upstream Upstream          `json:"upstream,omitzero"`    // who carries requests of Finhub out; the zero value = this installation does
	Numbers  Numbers           `json:"own_numbers,omitzero"` // what clients of Enfuce encrypt card numbers of their own to; the zero value = they have none
}

// Upstream is a service that requests are handed on to instead of being carried out here.
type Upstream struct {
	URL       string `json:"url"`
	Client    string `json:"client"`     // what it knows us by
	KeyFile   string `json:"key_file"`   // our private key (RSA, PEM), which requests are signed with
	PublicKey string `json:"public_key"` // its public key (RSA, PEM), which answers are verified with
}

// Numbers is what card numbers come encrypted to.
type Numbers struct {
	Certificate string `json:"certificate"` // of an RSA key (PEM)
	KeyFile     string `json:"key_file"`    // its private key (PEM)
}

// The dialects. Each is served under its code.
const (
	Offblocks   = "offblocks"
	Enfuce      = "enfuce"
	Firstvision = "firstvision"
	Finhub      = "finhub"
)

// Dialect finds one that is switched on by its code; false when it is not.
func (i *Institution) Dialect(code string) (Dialect, bool) {
	for _, d := range i.Dialects {
		if d.Code == code {
			return d, true
		}
	}
	return Dialect{}, false
}

// Range is a PAN range with its keys, which are fixed for its life.
type Range struct {
	card.Range
	PermutationKey card.KeyLabel
	TokenKey       card.KeyLabel
	AcceptSmall    bool // the operator accepts a range below card.MinRangeSize by name
	Imported       bool // its numbers are the institution's own, and told one by one
}

// Bureau is an embossing house: where it is, how it is trusted, what it prints from and how it answers. Its JSON form is what the
// store keeps and what a file pins by version.
type Bureau struct {
	Code         string            `json:"code"`
	Name         string            `json:"name"`
	SFTP         SFTP              `json:"sftp"`
	PGP          PGP               `json:"pgp"`
	ZPK          card.KeyLabel     `json:"zpk"`
	PINFormat    int               `json:"pin_format"`  // 0 or 4
	MaxRecords   int               `json:"max_records"` // split limit of one file
	ZeroFile     string            `json:"zero_file"`   // SEND or VOID: a file left without lines
	StrictOrder  bool              `json:"strict_order"`
	SealSample   int               `json:"seal_sample"` // every n-th record is recomputed at sealing; 1 = all
	Calendar     Calendar          `json:"calendar"`
	Returns      []Return          `json:"returns"`
	StatusMap    map[string]string `json:"status_map"`     // the bureau's word → an issue state's name
	RemakeAtOnce bool              `json:"remake_at_once"` // a spoiled card joins the next cycle by itself
	Expect       Expect            `json:"expect"`         // when its answers are due
}

// Expect is how long a bureau may take for each answer, on days that its calendar says it works; 0 is not watched.
type Expect struct {
	Ack        Duration `json:"ack"`        // after a file was sent
	Production Duration `json:"production"` // of every line, after the ack
	Dispatch   Duration `json:"dispatch"`   // of every line that was produced, after the books of its file balanced
	Delivery   Duration `json:"delivery"`   // of every line that was dispatched, after the books of its file balanced
}

// SFTP is how a bureau is reached. Paths of key files are relative to the process configuration.
type SFTP struct {
	Address      string   `json:"address"` // host:port
	User         string   `json:"user"`
	HostKeys     []string `json:"host_keys"`      // authorized_keys form; there is no "accept any": at least one here or in the file
	HostKeysFile string   `json:"host_keys_file"` // more of them, one a line
	IdentityFile string   `json:"identity_file"`  // our private key
	PasswordFile string   `json:"password_file"`
	In           string   `json:"in"`      // where files for the bureau go
	Out          string   `json:"out"`     // where its answers lie
	Archive      string   `json:"archive"` // where answers are moved after they are applied

	Connections int      `json:"connections"` // files on their way at once, 1 to 16; 0 = 4
	Requests    int      `json:"requests"`    // SFTP requests in flight, 1 to 64; 0 = 64
	Timeout     Duration `json:"timeout"`     // for connection and login; 0 = 15 s
	Stall       Duration `json:"stall"`       // silence after which a connection counts as dead; 0 = 60 s
	Deadline    Duration `json:"deadline"`    // for one file; 0 = 30 min

	Rename      string `json:"rename"`         // PLAIN (default), POSIX, or NONE with a marker
	Marker      string `json:"marker"`         // what the name of a marker file has behind the file's, which is written after it; NONE needs one
	MarkerText  string `json:"marker_content"` // of the marker, with {name}, {bytes} and {sha256}; not with NONE
	TempSuffix  string `json:"temp_suffix"`    // what temporary names end with; empty = .part
	ReadyMarker string `json:"ready_marker"`   // with what the bureau marks an answer as complete
	NoStat      bool   `json:"no_stat"`        // its server answers no questions about one file
	NoFsync     bool   `json:"no_fsync"`       // its server offers fsync and does not stand it
	NoReadBack  bool   `json:"no_read_back"`   // its server deletes or hides what is read
	TakesAtOnce bool   `json:"takes_at_once"`  // it may take a file away before we look
}

// Transfer is what the declaration says of how files travel that their layouts may say, too.
func (s *SFTP) Transfer() formats.Transfer {
	return formats.Transfer{TempSuffix: s.TempSuffix, Marker: s.Marker, Content: s.MarkerText}
}

// How a file gets its final name.
const (
	RenamePlain = "PLAIN"
	RenamePosix = "POSIX"
	RenameNone  = "NONE"
)

// PGP is how files to a bureau are protected.
type PGP struct {
	RecipientFile string `json:"recipient_file"` // the bureau's public key
	SignerFile    string `json:"signer_file"`    // our private key
	Plaintext     bool   `json:"plaintext"`      // said aloud, instead of a key
	SealedReturns bool   `json:"sealed_returns"` // its answers are OpenPGP messages to us, signed by it; others are refused
}

// Calendar says on which days a bureau takes files, in the institution's timezone.
type Calendar struct {
	Weekdays []string `json:"weekdays"` // mon..sun; empty = every day
	Holidays []string `json:"holidays"` // YYYY-MM-DD
}

// Return is one kind of answer: which layout reads files whose name matches a pattern (path.Match).
type Return struct {
	Pattern string `json:"pattern"`
	Layout  string `json:"layout"`
}

// Zone is what clients of the institution share with it: a key under which PIN blocks come in, a public key to which security values go out, or both. Clients
// say its code, never a key's label.
type Zone struct {
	Code      string        `json:"code"`
	Key       card.KeyLabel `json:"key"`        // a ZPK
	PINFormat int           `json:"pin_format"` // 0 or 4, or 1 or 3, in which PINs come in and are not told
	PublicKey string        `json:"public_key"` // PEM, RSA

	DataKey card.KeyLabel `json:"data_key,omitempty"` // a ZEK of TDES, under which codes are told as blocks of 8 bytes
	Fill    string        `json:"fill,omitempty"`     // the hexadecimal letter behind a code in its block; empty = F
}

// DataBlock is a code of decimal digits as a block that is enciphered under the data key: the digits from the left, the fill behind them.
func (z *Zone) DataBlock(digits []byte) ([]byte, error) {
	fill := z.Fill
	if fill == "" {
		fill = "F"
	}
	const size = 16
	if len(digits) > size {
		return nil, errors.New("a code does not fit a block")
	}
	text := append(append(make([]byte, 0, size), digits...), strings.Repeat(fill, size-len(digits))...)
	defer clear(text)
	block := make([]byte, hex.DecodedLen(size))
	if _, err := hex.Decode(block, text); err != nil {
		return nil, errors.New("a code is not decimal digits")
	}
	return block, nil
}

// BlockSize is how many bytes a PIN block of the zone has.
func (z *Zone) BlockSize() int {
	if z.PINFormat == 4 {
		return 16
	}
	return 8
}

// Schedule is a cycle: when its cut-off is and whose lines it locks.
type Schedule struct {
	Code     string   `json:"code"`
	Cron     string   `json:"cron"` // five fields, in the institution's timezone
	Bureaus  []string `json:"bureaus"`
	SameDay  bool     `json:"same_day"` // takes only lines that asked for same-day
	CatchUp  bool     `json:"catch_up"` // a missed window is run at start, once
	Disabled bool     `json:"disabled"`

	SentWithin Duration `json:"sent_within"` // of its cut-off, its files must have left; 0 = an hour

	// DSTConfirmed accepts a cut-off between 01:00 and 03:00, which the nights of clock changes skip or repeat.
	DSTConfirmed bool `json:"dst_confirmed"`
}
