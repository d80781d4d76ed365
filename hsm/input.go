package hsm

import "fmt"

// InputError says that an argument cannot be used. It names the argument and what is wrong with it, never its value.
type InputError struct {
	Field  string // pan, expiry, service_code, pin, key, ...
	Reason string // "must have 13 to 19 digits"
}

// Error implements error.
func (e *InputError) Error() string { return e.Field + " " + e.Reason }

// CheckDigits refuses text that is not least to most decimal digits, with an InputError of field.
func CheckDigits(field, text string, least, most int) error {
	if len(text) < least || len(text) > most {
		if least == most {
			return &InputError{Field: field, Reason: fmt.Sprintf("must have %d digits", least)}
		}
		return &InputError{Field: field, Reason: fmt.Sprintf("must have %d to %d digits", least, most)}
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return &InputError{Field: field, Reason: "must hold decimal digits only"}
		}
	}
	return nil
}
