package card

import "fmt"

// Reason says why an issue is made; it decides what changes (see Actions).
type Reason uint8

// The reasons. Their numbers are stored and never change.
const (
	New Reason = iota + 1
	Additional
	Renewal
	Damaged
	Lost
	Stolen
	NotReceived
	Compromised
	NameChange
	ProductChange
	Emergency
	Remake
	PINReprint
	PINNew
	Request // a card is closed because somebody asked; none is made for it
)

var reasonNames = map[Reason]string{
	New: "NEW", Additional: "ADDITIONAL", Renewal: "RENEWAL", Damaged: "DAMAGED", Lost: "LOST", Stolen: "STOLEN",
	NotReceived: "NOT_RECEIVED", Compromised: "COMPROMISED", NameChange: "NAME_CHANGE", ProductChange: "PRODUCT_CHANGE",
	Emergency: "EMERGENCY", Remake: "REMAKE", PINReprint: "PIN_REPRINT", PINNew: "PIN_NEW", Request: "REQUEST",
}

// ParseReason reads a reason by its name.
func ParseReason(name string) (Reason, error) { return parseName(reasonNames, name, "reason") }

// String is the reason's name.
func (r Reason) String() string { return nameOf(reasonNames, r) }

// MarshalText writes the name.
func (r Reason) MarshalText() ([]byte, error) { return marshalName(reasonNames, r, "reason") }

// UnmarshalText reads the name.
func (r *Reason) UnmarshalText(b []byte) error { return unmarshalName(reasonNames, r, b, "reason") }

// parseName, nameOf, marshalName and unmarshalName serve every small enum of this package from its table of names.
func parseName[T ~uint8](names map[T]string, name, what string) (T, error) {
	for value, n := range names {
		if n == name {
			return value, nil
		}
	}
	return 0, fmt.Errorf("unknown %s %q", what, name)
}

func nameOf[T ~uint8](names map[T]string, v T) string {
	if n, ok := names[v]; ok {
		return n
	}
	return fmt.Sprintf("unknown(%d)", uint8(v))
}

func marshalName[T ~uint8](names map[T]string, v T, what string) ([]byte, error) {
	n, ok := names[v]
	if !ok {
		return nil, fmt.Errorf("%s %d has no name", what, uint8(v))
	}
	return []byte(n), nil
}

func unmarshalName[T ~uint8](names map[T]string, v *T, b []byte, what string) error {
	parsed, err := parseName(names, string(b), what)
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}
