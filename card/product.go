package card

// Technology says what carries the card's data.
type Technology uint8

// The technologies. Their numbers are stored and never change.
const (
	Magstripe     Technology = iota + 1
	Chip                     // contact chip and stripe
	DualInterface            // contact and contactless chip and stripe
	Virtual                  // no plastic
)

var technologyNames = map[Technology]string{Magstripe: "MAGSTRIPE", Chip: "CHIP", DualInterface: "DUAL_INTERFACE", Virtual: "VIRTUAL"}

// String is the technology's name.
func (t Technology) String() string { return nameOf(technologyNames, t) }

// MarshalText writes the name.
func (t Technology) MarshalText() ([]byte, error) {
	return marshalName(technologyNames, t, "technology")
}

// UnmarshalText reads the name.
func (t *Technology) UnmarshalText(b []byte) error {
	return unmarshalName(technologyNames, t, b, "technology")
}

// HasChip tells whether tracks need their chip form with iCVV.
func (t Technology) HasChip() bool { return t == Chip || t == DualInterface }

// PINMethod says how an issue comes to its PIN.
type PINMethod uint8

// The PIN methods. Their numbers are stored and never change.
const (
	NoPIN      PINMethod = iota + 1
	RandomPIN            // drawn by the module, verified by Visa PVV
	DerivedPIN           // IBM 3624 natural PIN, verified by offset
)

var pinMethodNames = map[PINMethod]string{NoPIN: "NONE", RandomPIN: "RANDOM_PVV", DerivedPIN: "IBM3624"}

// String is the method's name.
func (m PINMethod) String() string { return nameOf(pinMethodNames, m) }

// MarshalText writes the name.
func (m PINMethod) MarshalText() ([]byte, error) { return marshalName(pinMethodNames, m, "PIN method") }

// UnmarshalText reads the name.
func (m *PINMethod) UnmarshalText(b []byte) error {
	return unmarshalName(pinMethodNames, m, b, "PIN method")
}

// PINPolicy is how a product's cards get PINs.
type PINPolicy struct {
	Method      PINMethod `json:"method"`
	Length      int       `json:"length"`              // 4 to 12
	PVKI        int       `json:"pvki"`                // PIN verification key index, 0 to 6
	Mailer      bool      `json:"mailer"`              // the PIN travels in a PIN-mailer file
	InCardFile  bool      `json:"in_card_file"`        // the PIN block stands in the card file
	DecTable    string    `json:"dec_table"`           // IBM 3624 decimalisation table, 16 digits
	Validation  string    `json:"validation"`          // IBM 3624 validation data: Thales template of 12 with one N
	MailerDelay int       `json:"mailer_delay"`        // working days of its bureau from the card file to the mailer, 0 to MostDelay
	MaxTries    int       `json:"max_tries,omitempty"` // wrong PINs in a row that are looked at, 1 to MostPINTries; 0 = DefaultPINTries
}

// MostDelay is how many working days a card or a PIN mailer may be held back.
const MostDelay = 30

// Bounds of PINPolicy.MaxTries.
const (
	DefaultPINTries = 3
	MostPINTries    = 15
)

// Tries is how many wrong PINs in a row are looked at.
func (p *PINPolicy) Tries() int {
	if p.MaxTries == 0 {
		return DefaultPINTries
	}
	return p.MaxTries
}

// DynamicCVV2 is how a product's CVV2 changes with time, in the place of the printed one; none where Minutes is 0. The values of windows are those of so many service codes
// from the first on, and repeat after them.
type DynamicCVV2 struct {
	Minutes   int `json:"minutes"`    // how long a value lasts
	FirstCode int `json:"first_code"` // 1 to 999
	Codes     int `json:"codes"`
	Grace     int `json:"grace"` // windows before and after the current one whose value is taken too
}

// ProductKeys are the labels of the keys that a product's cards are made with.
type ProductKeys struct {
	CVK  KeyLabel `json:"cvk"`
	CSCK KeyLabel `json:"csck,omitempty"` // American Express products have it in the place of a CVK
	PVK  KeyLabel `json:"pvk"`
}

// PINChange says what an action does to the PIN.
type PINChange uint8

// The PIN changes. Their numbers are stored and never change.
const (
	KeepPIN PINChange = iota + 1
	FreshPIN
	TransferPIN // the old PIN goes to the new number
)

var pinChangeNames = map[PINChange]string{KeepPIN: "KEEP", FreshPIN: "NEW", TransferPIN: "TRANSFER"}

// String is the change's name.
func (c PINChange) String() string { return nameOf(pinChangeNames, c) }

// MarshalText writes the name.
func (c PINChange) MarshalText() ([]byte, error) { return marshalName(pinChangeNames, c, "PIN change") }

// UnmarshalText reads the name.
func (c *PINChange) UnmarshalText(b []byte) error {
	return unmarshalName(pinChangeNames, c, b, "PIN change")
}

// OldCard says what becomes of the issue before.
type OldCard uint8

// The fates of the old issue. Their numbers are stored and never change.
const (
	OldStays       OldCard = iota + 1 // nothing was before, or nothing changes
	OldUntilActive                    // works until the new one is activated
	OldClosed                         // closed at once and linked
)

var oldCardNames = map[OldCard]string{OldStays: "STAYS", OldUntilActive: "UNTIL_ACTIVE", OldClosed: "CLOSED"}

// String is the fate's name.
func (o OldCard) String() string { return nameOf(oldCardNames, o) }

// MarshalText writes the name.
func (o OldCard) MarshalText() ([]byte, error) {
	return marshalName(oldCardNames, o, "old card's fate")
}

// UnmarshalText reads the name.
func (o *OldCard) UnmarshalText(b []byte) error {
	return unmarshalName(oldCardNames, o, b, "old card's fate")
}

// Action is one row of the card-action table: what a reason changes.
type Action struct {
	NewPAN    bool      `json:"new_pan"`
	NextPSN   bool      `json:"next_psn"`   // with the same PAN; a new PAN starts again
	NewExpiry bool      `json:"new_expiry"` // counted from the issue month
	PIN       PINChange `json:"pin"`
	Mailer    bool      `json:"mailer"` // a PIN mailer is made, if the product has mailers
	OldCard   OldCard   `json:"old_card"`

	CardDelay   int `json:"card_delay,omitempty"`   // working days of its bureau that the card is held back, 0 to MostDelay
	MailerDelay int `json:"mailer_delay,omitempty"` // in the place of PINPolicy.MailerDelay; 0 = as that has it
}

// DefaultActions is the card-action table before a product overrides it.
// REMAKE repeats everything; PIN reasons make no card and are not listed.
func DefaultActions() map[Reason]Action {
	fresh := Action{NewPAN: true, NewExpiry: true, PIN: FreshPIN, Mailer: true, OldCard: OldStays}
	replaced := Action{NewPAN: true, NewExpiry: true, PIN: FreshPIN, Mailer: true, OldCard: OldClosed}
	same := Action{NextPSN: true, PIN: KeepPIN, OldCard: OldUntilActive}
	return map[Reason]Action{
		New: fresh, Additional: fresh, ProductChange: fresh,
		Renewal: {NextPSN: true, NewExpiry: true, PIN: KeepPIN, OldCard: OldUntilActive},
		Damaged: same, NameChange: same, Emergency: same,
		Lost: replaced, Stolen: replaced, Compromised: replaced, NotReceived: replaced,
		Remake: {PIN: KeepPIN, OldCard: OldStays},
	}
}

// NameRules is how a product makes what a card shows of its holder's name. The zero value is ICAO Doc 9303 in plain capitals, on one line, and a
// name that is too long is refused.
type NameRules struct {
	Letters    string   `json:"letters,omitempty"`     // transliteration, formats.Romanisations
	Emboss     string   `json:"emboss,omitempty"`      // character set of the embossed name, of ASCII: tracks hold it too
	Print      string   `json:"print,omitempty"`       // character set of a printed name besides, formats.NameSets
	PrintLimit int      `json:"print_limit,omitempty"` // characters of the printed name; 0 = as many as the embossed has
	Title      bool     `json:"title,omitempty"`       // the title stands before the name
	Fit        []string `json:"fit,omitempty"`         // rules for a name that is too long, tried one after the other
}

// Fitting rules. Each works on what the ones before it left.
const (
	DropTitle      = "DROP_TITLE"
	MiddleInitials = "MIDDLE_INITIALS" // given names after the first become initials
	DropMiddle     = "DROP_MIDDLE"     // given names after the first are left out
	Initials       = "INITIALS"        // all given names become initials
	TwoLines       = "TWO_LINES"       // from here on the surname may stand on a second line
)

// FitRules lists the fitting rules.
func FitRules() []string { return []string{DropTitle, MiddleInitials, DropMiddle, Initials, TwoLines} }

// Product is a card program as one version of it stands: everything that decides what its cards are. Its JSON form is what the
// store keeps and what a file pins by version.
type Product struct {
	Code           string            `json:"code"`
	Name           string            `json:"name"`
	Scheme         string            `json:"scheme"` // visa, mastercard, ...
	Technology     Technology        `json:"technology"`
	ServiceCode    string            `json:"service_code"`
	ValidityMonths int               `json:"validity_months"`
	FirstPSN       int               `json:"first_psn"`
	Range          string            `json:"range"`                    // code of the PAN range that new cards come from
	ImportedRange  string            `json:"imported_range,omitempty"` // of that which numbers of the institution's own lie in; empty = it has none
	Design         string            `json:"design"`
	Currency       string            `json:"currency"` // ISO 4217 numeric
	Anonymous      bool              `json:"anonymous"`
	AnonymousName  string            `json:"anonymous_name"` // what an unnamed card shows; may be empty
	NameLimit      int               `json:"name_limit"`     // characters on the card, 2 to 26
	Names          NameRules         `json:"names,omitzero"`
	MaxQuantity    int64             `json:"max_quantity"` // of one order line
	CVV2Order      string            `json:"cvv2_order"`   // MMYY or YYMM
	Track1         []string          `json:"track1"`       // pieces of discretionary data
	Track2         []string          `json:"track2"`
	PIN            PINPolicy         `json:"pin"`
	DynamicCVV2    DynamicCVV2       `json:"dynamic_cvv2,omitzero"`
	Keys           ProductKeys       `json:"keys"`
	Bureau         string            `json:"bureau"`
	Layout         string            `json:"layout"`
	MailerBureau   string            `json:"mailer_bureau"`
	MailerLayout   string            `json:"mailer_layout"`
	Prepaid        Prepaid           `json:"prepaid,omitzero"`
	Actions        map[Reason]Action `json:"actions,omitempty"`
}

// Amex is the scheme whose cards carry card security codes instead of card verification values.
const Amex = "amex"

// HasCSC tells whether the product's cards carry American Express card security codes instead of card verification values.
func (p *Product) HasCSC() bool { return p.Scheme == Amex }

// Action returns the product's row of the card-action table, and false for a reason that makes no card.
func (p *Product) Action(r Reason) (Action, bool) {
	if a, ok := p.Actions[r]; ok {
		return a, true
	}
	a, ok := DefaultActions()[r]
	return a, ok
}

// MailerDelay is how many working days after the card file the PIN mailer of a card follows that is made for a reason.
func (p *Product) MailerDelay(r Reason) int {
	if a, ok := p.Action(r); ok && a.MailerDelay > 0 {
		return a.MailerDelay
	}
	return p.PIN.MailerDelay
}
