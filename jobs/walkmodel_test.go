package jobs_test

import (
	"fmt"
	"slices"
	"strings"

	"platen/card"
	"platen/sql/store"
)

// The model of a random walk: what a card may do, written down once more and in other words than the code it is held against.

// modelIssue is one version of a card.
type modelIssue struct {
	use   string
	state string // FOLLOWS_FILE while nothing was said of it alone
	order *modelOrder
	file  int64
	line  int64
}

// modelCard is one card.
type modelCard struct {
	token  string
	id     card.ID
	status string
	issues []*modelIssue
	asked  *modelOrder // the action that is open for it
	unmade *modelOrder // the order by which it was made at once, until its file is made
	by     *modelCard  // whose place another took
	stop   bool        // its PIN is blocked
}

func (c *modelCard) newest() *modelIssue { return c.issues[len(c.issues)-1] }
func (c *modelCard) busy() bool          { return c.asked != nil || c.unmade != nil }
func (c *modelCard) ended() bool         { return c.status == "CLOSED" }

// shown is the card as the store would have it.
func (c *modelCard) shown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s by %t", c.status, c.by != nil)
	for _, i := range c.issues {
		fmt.Fprintf(&b, ", %s %s in %d", i.use, i.state, i.file)
	}
	return b.String()
}

// storedCard is a card of the store in the words of shown.
func storedCard(c store.Card, issues []store.Issue) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s by %t", c.Status, c.ReplacedBy != nil)
	for _, i := range issues {
		file := int64(0)
		if i.File != nil {
			file = *i.File
		}
		fmt.Fprintf(&b, ", %s %s in %d", i.Use, i.State, file)
	}
	return b.String()
}

// modelOrder is one order: of new cards, of one that was made at once, or for a card.
type modelOrder struct {
	reference string
	number    int64
	units     int    // cards of a mass order that are still wanted
	where     string // of its lines: open, planned, made or withdrawn
	card      *modelCard
	reason    card.Reason
	instant   bool
	held      bool // it waits for a PIN
}

// The ways of an issue, step by step; the bureau may leave steps out, but for what comes after PRODUCED.
var ways = map[string][]string{
	"FOLLOWS_FILE":  {"ACCEPTED", "IN_PRODUCTION", "PRODUCED", "DISPATCHED", "IN_TRANSIT", "DELIVERED", "REJECTED", "SPOILED"},
	"ACCEPTED":      {"IN_PRODUCTION", "PRODUCED", "DISPATCHED", "IN_TRANSIT", "DELIVERED", "REJECTED", "SPOILED"},
	"IN_PRODUCTION": {"PRODUCED", "DISPATCHED", "IN_TRANSIT", "DELIVERED", "REJECTED", "SPOILED"},
	"PRODUCED":      {"DISPATCHED", "IN_TRANSIT", "DELIVERED", "SPOILED", "DESTROYED"},
	"DISPATCHED":    {"IN_TRANSIT", "DELIVERED", "RETURNED", "LOST_IN_TRANSIT"},
	"IN_TRANSIT":    {"DELIVERED", "RETURNED", "LOST_IN_TRANSIT"},
	"RETURNED":      {"DISPATCHED", "DESTROYED"},
}

// milestones are the steps that news can be late for.
var milestones = []string{"FOLLOWS_FILE", "ACCEPTED", "IN_PRODUCTION", "PRODUCED", "DISPATCHED", "IN_TRANSIT", "DELIVERED"}

// told says what becomes of a bureau's word for an issue.
func told(state, word string) store.Outcome {
	at, news := slices.Index(milestones, state), slices.Index(milestones, word)
	switch {
	case state == word, at >= 0 && news >= 0 && at >= news:
		return store.LineDuplicate
	case slices.Contains(ways[state], word):
		return store.LineApplied
	}
	return store.LineRejected
}

// out tells whether an issue has left for its bureau, or may be used before that.
func (c *modelCard) out(i *modelIssue, sent map[int64]bool) bool {
	if i.state == "FOLLOWS_FILE" || i.state == "PREPARED" {
		return sent[i.file] || i.order.instant
	}
	return slices.Contains(milestones, i.state)
}

func (c *modelCard) activate() {
	for _, i := range c.issues {
		switch {
		case i == c.newest():
			i.use = "CURRENT"
		case i.use == "CURRENT":
			i.use = "SUPERSEDED"
		case i.use == "PENDING":
			i.use = "CLOSED"
		}
	}
	c.status = "ACTIVE"
}

// unblocked is the status that a blocked card goes back to.
func (c *modelCard) unblocked() string {
	if slices.ContainsFunc(c.issues, func(i *modelIssue) bool { return i.use == "CURRENT" }) {
		return "ACTIVE"
	}
	return "INACTIVE"
}

func (c *modelCard) close() {
	c.status = "CLOSED"
	for _, i := range c.issues {
		if i.use == "CURRENT" || i.use == "PENDING" {
			i.use = "CLOSED"
		}
		if i.file == 0 {
			i.state = "CANCELLED"
		}
	}
}

// spoiled makes a card again, which waits for the next file, unless it has ended or has gone on.
func (c *modelCard) spoiled(i *modelIssue) {
	if c.ended() || i != c.newest() {
		return
	}
	c.issues = append(c.issues, &modelIssue{use: "PENDING", state: "REQUESTED", order: i.order})
}

// next is the issue that a card action makes; what still waited of the card is not made any more.
func (c *modelCard) next(o *modelOrder) {
	for _, i := range c.issues {
		if i.state == "REQUESTED" {
			i.state = "CANCELLED"
		}
	}
	c.issues = append(c.issues, &modelIssue{use: "PENDING", state: "FOLLOWS_FILE", order: o})
}

func closesOld(r card.Reason) bool {
	return r == card.Lost || r == card.Stolen || r == card.Compromised || r == card.NotReceived
}
