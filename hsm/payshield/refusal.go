package payshield

import (
	"fmt"

	"platen/hsm"
)

// Refusal is an error code with which the module answered a command. It carries nothing of a card.
type Refusal struct { //nolint:errname // it is what the module answers, which callers read as a value
	Command string // two characters
	Code    string // two characters
}

// meanings are the codes that the commands used here may get (payShield Host Command Reference, error codes).
func meaning(code string) string {
	text, known := map[string]string{
		"01": "verification failed", "10": "source key has no odd parity", "11": "destination key has no odd parity",
		"12": "no such key in user storage", "13": "LMK has no odd parity, or there is none", "14": "PIN under the LMK is not valid",
		"15": "input data are not valid", "17": "not authorised", "19": "fault of the decimalisation table", "20": "PIN block is not valid",
		"21": "no such entry in user storage", "22": "account number is not valid", "23": "PIN-block format is not known",
		"24": "PIN has fewer than 4 or more than 12 digits", "25": "decimalisation table is not valid", "26": "key scheme is not valid",
		"27": "key is not of double length", "33": "LMK key change storage is damaged", "39": "fraud was detected", "40": "checksum of the firmware is wrong",
		"41": "hardware or software fault", "42": "DES fault", "47": "algorithm is not licensed", "51": "message header is not valid",
		"65": "key type is not allowed", "67": "command is not licensed", "68": "command is disabled", "69": "PIN-block format is disabled",
		"75": "parts of the key are equal", "80": "data have another length than they say", "81": "PIN has another length",
		"86": "PIN is excluded", "A1": "LMK scheme does not fit", "B0": "key block has another usage",
	}[code]
	if !known {
		return "see the manual"
	}
	return text
}

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("payShield: command %s: error %s: %s", r.Command, r.Code, meaning(r.Code))
}

// Is lets every code that means an invalid PIN or PIN block be hsm.ErrPINBlock, that of an excluded PIN hsm.ErrWeakPIN, and those of a key that is none
// under the LMK in this place, such as one of another type, hsm.ErrKeyUsage.
func (r *Refusal) Is(target error) bool {
	switch r.Code {
	case "14", "20", "24", "81":
		return target == hsm.ErrPINBlock
	case "86":
		return target == hsm.ErrWeakPIN
	case "10", "11", "26", "27", "65", "A1", "B0":
		return target == hsm.ErrKeyUsage
	}
	return false
}

// fault is a failure of transport: the command may be sent again on another connection.
type fault struct{ reason string }

// Error implements error.
func (f *fault) Error() string { return f.reason }
