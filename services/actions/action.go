package actions

import (
	"platen/card"
)

// Action is the code of a card action.
type Action int

// The card actions.
const (
	None        Action = iota // nothing: what waits for a file is taken back
	First                     // the first plastic of a card that has none
	Additional                // another card of the holder, which has a number of its own
	Replacement               // the same card again: damaged, or another name
	Returned                  // plastics were given back
	Mailer                    // a PIN mailer
	Emergency                 // Replacement, at once
	Reissue                   // at expiry
	Renumbering               // another numbering scheme; of the system's own
	Technology                // another technology; of the system's own
)

// Request is a card action as somebody asks for it.
type Request struct {
	Action     Action
	Requested  int    // plastics
	Returned   int    // plastics that were given back
	NewPIN     bool   // of Mailer: a new PIN, not the one that the card has
	SameDay    bool   // by the same-day cycle
	Letter     string // the institution's reason; empty = the action's own
	EmbossName string // what the next issue shows; empty = what the last one does, and of a change of name, what the holder is called now
	Reference  string // of the order
}

// RefusedError says why a card action cannot be carried out. It names no value.
type RefusedError struct {
	Code string // stable: see VPL5
	Hint string
}

// Error implements error.
func (e *RefusedError) Error() string { return e.Hint }

// Refusals.
var (
	errSystem        = &RefusedError{"action_of_system", "only the system sets this action: every card has a number of its own, and a next issue is made in its product's technology"}
	errNothingIssued = &RefusedError{"action_nothing_issued", "nothing of the card was made yet: ask for nothing (0) or its first plastic (1)"}
	errIssued        = &RefusedError{"action_issued", "plastic of the card was made before: ask for a replacement"}
	errFirstWaits    = &RefusedError{"action_first_waits", "the first plastic of the card waits for its file already"}
	errRequested     = &RefusedError{"action_requested_missing", "say how many plastics are asked for"}
	errNoneRequested = &RefusedError{"action_requested_zero", "this action asks for no plastic"}
	errOverRequested = &RefusedError{"action_requested_over", "no more plastics can be asked for than are outstanding"}
	errOnePlastic    = &RefusedError{"action_one_plastic", "one plastic at a time: one number is one card"}
	errReturned      = &RefusedError{"action_returned_missing", "say how many plastics were given back"}
	errOverReturned  = &RefusedError{"action_returned_over", "no more plastics can be given back than are outstanding"}
	errNoneReturned  = &RefusedError{"action_returned_zero", "plastics are given back by the action for that (4) only"}
	errSmart         = &RefusedError{"action_smart_card", "a card with a chip has no additional ones: order another card"}
	errNewPIN        = &RefusedError{"action_new_pin", "only a PIN mailer (5) comes with a new PIN"}
	errSameDay       = &RefusedError{"action_same_day", "only first plastics, replacements and emergencies (1, 3, 6) are made on the same day"}
	errNoSameDay     = &RefusedError{"action_no_same_day", "no same-day cycle serves the bureau of the product"}
	errLetter        = &RefusedError{"action_reason", "the institution declares no such reason for this action"}
	errNoSuccessor   = &RefusedError{"action_no_successor", "the card cannot have a further issue"}
	errVirtual       = &RefusedError{"action_virtual", "the card has no plastic"}
)

// VPL5 are the numbers that FirstVision's card action service (VPL5SPR) has for refusals, by their codes here, and by those of the problems that the layers below tell of. What is not
// here has no number there.
var VPL5 = map[string]string{
	"action_reason":            "VPL5SPR07E",
	"action_smart_card":        "VPL5SPR07S",
	"action_issued":            "VPL5SPR08S",
	"action_nothing_issued":    "VPL5SPR09S",
	"action_requested_missing": "VPL5SPR10S",
	"action_returned_missing":  "VPL5SPR11S",
	"action_returned_over":     "VPL5SPR12S",
	"action_requested_over":    "VPL5SPR13S",
	"action_no_successor":      "VPL5SPR14S",
	"action_requested_zero":    "VPL5SPR17S",
	"action_returned_zero":     "VPL5SPR18S",
	"action_one_plastic":       "VPL5SPR19S",
	"card_busy":                "VPL5SPR23S",
	"action_first_waits":       "VPL5SPR23S",
	"action_no_same_day":       "VPL5SPR26E",
	"action_same_day":          "VPL5SPR28S",
	"action_new_pin":           "VPL5SPR29S",
	"mailer_waits":             "VPL5SPR23S",
	"no_mailer":                "VPL5SCP29S",
}

// reasons are what each action may be for; the first is what it is for where nobody says.
var reasons = map[Action][]card.Reason{
	First:       {card.Damaged},
	Replacement: {card.Damaged, card.NameChange},
	Emergency:   {card.Emergency, card.Lost, card.Stolen, card.Compromised, card.NotReceived, card.Damaged},
	Reissue:     {card.Renewal},
}

// facts are what the rules know of a card.
type facts struct {
	smart       bool // it has a chip
	issued      bool // plastic of it was in a file
	waits       bool // its first plastic waits for a file
	outstanding int  // plastics that are out and were not given back
}

// check holds a request against the rules of its action; it completes how many are asked for.
func (r *Request) check(f facts) error {
	if r.Action == Emergency && r.Requested == 0 {
		r.Requested = r.Returned
	}
	makes := r.Action == First || r.Action == Additional || r.Action == Replacement || r.Action == Emergency
	again := r.Action == Replacement || r.Action == Emergency
	for _, rule := range []struct {
		broken bool
		why    *RefusedError
	}{
		{r.Action == Renumbering || r.Action == Technology, errSystem},
		{r.NewPIN && r.Action != Mailer, errNewPIN},
		{r.SameDay && r.Action != First && !again, errSameDay},
		{r.Returned > 0 && r.Action != Returned && r.Action != Emergency, errNoneReturned},
		{r.Requested > 0 && (r.Action == None || r.Action == Mailer || r.Action == Returned), errNoneRequested},
		{!f.issued && r.Action > First, errNothingIssued},
		{f.issued && r.Action == First, errIssued},
		{f.waits && r.Action == First, errFirstWaits},
		{f.smart && r.Action == Additional, errSmart},
		{makes && r.Requested == 0, errRequested},
		{again && r.Requested > f.outstanding, errOverRequested},
		{r.Requested > 1, errOnePlastic},
		{r.Action == Returned && r.Returned == 0, errReturned},
		{r.Action == Returned && r.Returned > f.outstanding, errOverReturned},
	} {
		if rule.broken {
			return rule.why
		}
	}
	return nil
}
