// Package arguments checks what a security module is called with, before any card of the call is worked on: the same for every module, so that
// a fault is refused alike wherever the keys are. Errors name the argument and the card's place in the call, and never a value.
package arguments

import (
	"fmt"

	"platen/card"
	"platen/hsm"
	"platen/hsm/amex"
	"platen/hsm/cvv"
	"platen/hsm/pin"
	"platen/hsm/pinblock"
)

// Codes checks the arguments of hsm.Module.Codes.
func Codes(in []hsm.CodeRequest, out card.Secrets) error {
	const what = "card verification values"
	if err := room(what, out, len(in), cvv.Digits); err != nil {
		return err
	}
	for i := range in {
		if err := request(&in[i]); err != nil {
			return fmt.Errorf("%s: card %d: %w", what, i, err)
		}
	}
	return nil
}

func request(r *hsm.CodeRequest) error {
	if r.PAN.IsZero() {
		return card.ErrPANLength
	}
	if err := expiry(r.Expiry); err != nil {
		return err
	}
	for _, c := range r.ServiceCode {
		if c < '0' || c > '9' {
			return &hsm.InputError{Field: "service_code", Reason: "must have 3 digits"}
		}
	}
	return nil
}

func expiry(e card.Expiry) error {
	_, err := card.NewExpiry(e.Year, e.Month)
	return err
}

// CSCs checks the arguments of hsm.Module.CSCs.
func CSCs(pans []card.PAN, expiries []card.Expiry, out card.Secrets) error {
	const what = "card security codes"
	if err := room(what, out, len(pans), amex.Digits); err != nil {
		return err
	}
	if err := cards(what, pans, len(expiries)); err != nil {
		return err
	}
	for i := range pans {
		err := expiry(expiries[i])
		if err == nil && !amex.IsNumber(pans[i].Reveal()) {
			err = &hsm.InputError{Field: "pan", Reason: "must have 15 digits and begin with 34 or 37"}
		}
		if err != nil {
			return fmt.Errorf("%s: card %d: %w", what, i, err)
		}
	}
	return nil
}

// GeneratePINs checks the arguments of hsm.Module.GeneratePINs.
func GeneratePINs(length int, pans []card.PAN, objects []uint64, out []hsm.PIN) error {
	const what = "generate PINs"
	if err := pinLength(what, length); err != nil {
		return err
	}
	return cards(what, pans, len(objects), len(out))
}

// DerivePINs checks the arguments of hsm.Module.DerivePINs and reads the scheme.
func DerivePINs(parameters hsm.IBM3624, pans []card.PAN, out []hsm.PIN) (pin.Scheme, error) {
	return scheme("derive PINs", parameters, pans, len(out))
}

// Offsets checks the arguments of hsm.Module.Offsets and reads the scheme.
func Offsets(parameters hsm.IBM3624, pans []card.PAN, pins []hsm.PIN, out []hsm.Offset) (pin.Scheme, error) {
	return scheme("PIN offsets", parameters, pans, len(pins), len(out))
}

func scheme(what string, parameters hsm.IBM3624, pans []card.PAN, lengths ...int) (pin.Scheme, error) {
	s, err := pin.NewScheme(parameters)
	if err != nil {
		return pin.Scheme{}, fmt.Errorf("%s: %w", what, err)
	}
	return s, cards(what, pans, lengths...)
}

// PVVs checks the arguments of hsm.Module.PVVs.
func PVVs(pvki int, pans []card.PAN, pins []hsm.PIN, out []hsm.PVV) error {
	const what = "PIN verification values"
	if err := pin.CheckPVKI(pvki); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return cards(what, pans, len(pins), len(out))
}

// TransferPINs checks the arguments of hsm.Module.TransferPINs.
func TransferPINs(from []card.PAN, pins []hsm.PIN, to []card.PAN, out []hsm.PIN) error {
	const what = "transfer PINs"
	if err := cards(what, from, len(pins), len(to), len(out)); err != nil {
		return err
	}
	return cards(what, to)
}

// ExportPINs checks the arguments of hsm.Module.ExportPINs. Which of the formats that can be made twice alike a module offers is its own to say.
func ExportPINs(format hsm.PINFormat, pans []card.PAN, pins []hsm.PIN, accounts []card.PAN, out card.Secrets) error {
	const what = "export PINs"
	if format != hsm.ISO0 && format != hsm.ISO4 {
		return fmt.Errorf("%s: %w", what, &hsm.InputError{Field: "format", Reason: "must be 0 or 4"})
	}
	if err := room(what, out, len(pans), pinblock.Size(format)); err != nil {
		return err
	}
	if err := cards(what, pans, len(pins), len(accounts)); err != nil {
		return err
	}
	return cards(what, accounts)
}

// BlockPVVs checks the arguments of hsm.Module.BlockPVVs.
func BlockPVVs(accounts []card.PAN, blocks card.Secrets, pvki int, out []hsm.PVV) error {
	const what = "PIN verification values of blocks"
	if err := pin.CheckPVKI(pvki); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := room(what, blocks, len(accounts), 0); err != nil {
		return err
	}
	return cards(what, accounts, len(out))
}

// CheckBlocks checks the arguments of hsm.Module.CheckBlocks.
func CheckBlocks(accounts []card.PAN, blocks card.Secrets) error {
	const what = "check PIN blocks"
	if err := room(what, blocks, len(accounts), 0); err != nil {
		return err
	}
	return cards(what, accounts)
}

// ImportPINs checks the arguments of hsm.Module.ImportPINs.
func ImportPINs(use hsm.PINUse, length int, pans []card.PAN, blocks card.Secrets, out []hsm.PIN) error {
	const what = "import PINs"
	if use != hsm.PresentedPIN && use != hsm.ChosenPIN {
		return fmt.Errorf("%s: %w", what, &hsm.InputError{Field: "use", Reason: "must be presented or chosen"})
	}
	if err := pinLength(what, length); err != nil {
		return err
	}
	if err := room(what, blocks, len(pans), 0); err != nil {
		return err
	}
	return cards(what, pans, len(out))
}

// TakePINs checks the arguments of hsm.PINTaker.
func TakePINs(use hsm.PINUse, length int, pans []card.PAN, digits []card.Secret, out []hsm.PIN) error {
	const what = "take PINs"
	if use != hsm.PresentedPIN && use != hsm.ChosenPIN {
		return fmt.Errorf("%s: %w", what, &hsm.InputError{Field: "use", Reason: "must be presented or chosen"})
	}
	if err := pinLength(what, length); err != nil {
		return err
	}
	if err := cards(what, pans, len(digits), len(out)); err != nil {
		return err
	}
	for i := range digits {
		if err := hsm.CheckDigits("pin", string(digits[i].Reveal()), length, length); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// Data checks the arguments of hsm.Module.EncryptData and DecryptData. Which modes a module offers is its own to say.
func Data(what string, mode hsm.DataMode, data, out card.Secrets) error {
	size := mode.BlockSize()
	if size == 0 {
		return fmt.Errorf("%s: %w", what, &hsm.InputError{Field: "mode", Reason: "must be tdes-ecb, tdes-cbc, aes-ecb or aes-cbc"})
	}
	if err := room(what, out, data.Len(), 1); err != nil {
		return err
	}
	for i := range data.Len() {
		n := len(data.Reveal(i))
		if n%size != 0 || n > hsm.MaxData || n > out.Width() {
			return fmt.Errorf("%s: value %d: %w", what, i, &hsm.InputError{Field: "data", Reason: fmt.Sprintf("must be whole blocks of %d bytes that fit their cells", size)})
		}
	}
	return nil
}

func pinLength(what string, length int) error {
	if length < pin.MinLength || length > pin.MaxLength {
		return fmt.Errorf("%s: %w", what, &hsm.InputError{Field: "pin", Reason: fmt.Sprintf("must have %d to %d digits", pin.MinLength, pin.MaxLength)})
	}
	return nil
}

// cards refuses a missing card number, and slices that do not pair up with the card numbers.
func cards(what string, pans []card.PAN, lengths ...int) error {
	for _, n := range lengths {
		if n != len(pans) {
			return fmt.Errorf("%s: %w", what, &hsm.InputError{Field: "arguments", Reason: "must have one element a card"})
		}
	}
	for i := range pans {
		if pans[i].IsZero() {
			return fmt.Errorf("%s: card %d: %w", what, i, card.ErrPANLength)
		}
	}
	return nil
}

// room refuses cells that are too few or too narrow.
func room(what string, cells card.Secrets, n, width int) error {
	if cells.Len() < n || cells.Width() < width {
		return fmt.Errorf("%s: %w", what, &hsm.InputError{Field: "arguments", Reason: fmt.Sprintf("must have a cell of %d bytes a card", width)})
	}
	return nil
}
