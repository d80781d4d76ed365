package card

import (
	"errors"
	"fmt"
	"slices"
)

// ErrTransition says that an object may not go from its state to the asked one.
var ErrTransition = errors.New("transition is not allowed")

// state is what the small state enums of this package have in common.
type state interface {
	~uint8
	fmt.Stringer
}

// move checks from → to against an object's table.
func move[S state](what string, table map[S][]S, from, to S) error {
	if !slices.Contains(table[from], to) {
		return fmt.Errorf("%s %s to %s: %w", what, from, to, ErrTransition)
	}
	return nil
}

// OrderState is where an order stands. The numbers are stored and never change.
type OrderState uint8

// The states of an order.
const (
	OrderReceived OrderState = iota + 1
	OrderValidated
	OrderPartlyValid
	OrderRejected
	OrderOpen
	OrderLocked
	OrderInProduction
	OrderFulfilled
	OrderPartlyFulfilled
	OrderCancelled
)

var orderStateNames = map[OrderState]string{
	OrderReceived: "RECEIVED", OrderValidated: "VALIDATED", OrderPartlyValid: "PARTLY_VALID", OrderRejected: "REJECTED",
	OrderOpen: "OPEN", OrderLocked: "LOCKED", OrderInProduction: "IN_PRODUCTION", OrderFulfilled: "FULFILLED",
	OrderPartlyFulfilled: "PARTLY_FULFILLED", OrderCancelled: "CANCELLED",
}

// An order reopens when corrected rows or remakes join it after its first cut-off, and when a card of it turns out spoiled late.
var orderMoves = map[OrderState][]OrderState{
	OrderReceived:        {OrderValidated, OrderPartlyValid, OrderRejected, OrderCancelled},
	OrderValidated:       {OrderOpen, OrderCancelled},
	OrderPartlyValid:     {OrderOpen, OrderCancelled},
	OrderRejected:        {OrderOpen},
	OrderOpen:            {OrderLocked, OrderCancelled},
	OrderLocked:          {OrderInProduction, OrderCancelled},
	OrderInProduction:    {OrderFulfilled, OrderPartlyFulfilled, OrderOpen, OrderCancelled},
	OrderFulfilled:       {OrderInProduction},
	OrderPartlyFulfilled: {OrderOpen, OrderInProduction, OrderFulfilled},
}

// ParseOrderState reads a state by its name.
func ParseOrderState(name string) (OrderState, error) {
	return parseName(orderStateNames, name, "order state")
}

// To checks a transition.
func (s OrderState) To(next OrderState) error { return move("order", orderMoves, s, next) }

// Ended tells whether an order has come to an end, from which it may still be taken up again.
func (s OrderState) Ended() bool {
	return s == OrderRejected || s == OrderFulfilled || s == OrderPartlyFulfilled || s == OrderCancelled
}

// String is the state's name.
func (s OrderState) String() string { return nameOf(orderStateNames, s) }

// MarshalText writes the name.
func (s OrderState) MarshalText() ([]byte, error) {
	return marshalName(orderStateNames, s, "order state")
}

// UnmarshalText reads the name.
func (s *OrderState) UnmarshalText(b []byte) error {
	return unmarshalName(orderStateNames, s, b, "order state")
}

// IssueState is how far an issue's production has come. Zero means that its file's state is its state:
// an issue has one of its own only from the first line-level evidence. The numbers are stored and never change.
type IssueState uint8

// The production states of an issue.
const (
	IssueFollowsFile IssueState = iota
	IssueRequested
	IssuePrepared
	IssueAccepted
	IssueInProduction
	IssueProduced
	IssueDispatched
	IssueInTransit
	IssueDelivered
	IssueCompletedUntracked
	IssueRejected
	IssueSpoiled
	IssueReturned
	IssueDestroyed
	IssueLostInTransit
	IssueCancelled
)

var issueStateNames = map[IssueState]string{
	IssueFollowsFile: "FOLLOWS_FILE", IssueRequested: "REQUESTED", IssuePrepared: "PREPARED", IssueAccepted: "ACCEPTED",
	IssueInProduction: "IN_PRODUCTION", IssueProduced: "PRODUCED", IssueDispatched: "DISPATCHED", IssueInTransit: "IN_TRANSIT",
	IssueDelivered: "DELIVERED", IssueCompletedUntracked: "COMPLETED_UNTRACKED", IssueRejected: "REJECTED",
	IssueSpoiled: "SPOILED", IssueReturned: "RETURNED", IssueDestroyed: "DESTROYED", IssueLostInTransit: "LOST_IN_TRANSIT",
	IssueCancelled: "CANCELLED",
}

// Bureaus report what they can; a later milestone may come without the ones before it.
var issueMoves = map[IssueState][]IssueState{
	IssueFollowsFile:  {IssuePrepared, IssueAccepted, IssueInProduction, IssueProduced, IssueDispatched, IssueInTransit, IssueDelivered, IssueRejected, IssueSpoiled, IssueCancelled},
	IssueRequested:    {IssuePrepared, IssueFollowsFile, IssueCancelled},
	IssuePrepared:     {IssueFollowsFile, IssueAccepted, IssueCancelled},
	IssueAccepted:     {IssueInProduction, IssueProduced, IssueDispatched, IssueInTransit, IssueDelivered, IssueRejected, IssueSpoiled},
	IssueInProduction: {IssueProduced, IssueDispatched, IssueInTransit, IssueDelivered, IssueRejected, IssueSpoiled},
	IssueProduced:     {IssueDispatched, IssueInTransit, IssueDelivered, IssueCompletedUntracked, IssueSpoiled, IssueDestroyed},
	IssueDispatched:   {IssueInTransit, IssueDelivered, IssueCompletedUntracked, IssueReturned, IssueLostInTransit},
	IssueInTransit:    {IssueDelivered, IssueReturned, IssueLostInTransit},
	IssueReturned:     {IssueDispatched, IssueDestroyed},
}

// issueRank orders the milestones, so that a late event never moves a state backwards.
var issueRank = map[IssueState]int{
	IssueRequested: 1, IssuePrepared: 2, IssueFollowsFile: 3, IssueAccepted: 4, IssueInProduction: 5, IssueProduced: 6,
	IssueDispatched: 7, IssueInTransit: 8, IssueDelivered: 9, IssueCompletedUntracked: 9,
}

// ParseIssueState reads a state by its name.
func ParseIssueState(name string) (IssueState, error) {
	return parseName(issueStateNames, name, "issue state")
}

// To checks a transition.
func (s IssueState) To(next IssueState) error { return move("issue", issueMoves, s, next) }

// May tells whether To would allow a transition.
func (s IssueState) May(next IssueState) bool { return s.To(next) == nil }

// Passed tells whether s is at or beyond milestone m, so that news of m is late or a repeat.
func (s IssueState) Passed(m IssueState) bool {
	return s == m || (issueRank[s] > 0 && issueRank[m] > 0 && issueRank[s] >= issueRank[m])
}

// Fulfilled tells whether the plastic was made: PRODUCED or any later milestone.
func (s IssueState) Fulfilled() bool {
	switch s {
	case IssueProduced, IssueDispatched, IssueInTransit, IssueDelivered, IssueCompletedUntracked, IssueReturned, IssueDestroyed, IssueLostInTransit:
		return true
	}
	return false
}

// String is the state's name.
func (s IssueState) String() string { return nameOf(issueStateNames, s) }

// MarshalText writes the name.
func (s IssueState) MarshalText() ([]byte, error) {
	return marshalName(issueStateNames, s, "issue state")
}

// UseState is whether an issue's data may be used. The numbers are stored and never change.
type UseState uint8

// The use states of an issue.
const (
	UsePending UseState = iota + 1
	UseCurrent
	UseSuperseded
	UseClosed
)

var useStateNames = map[UseState]string{UsePending: "PENDING", UseCurrent: "CURRENT", UseSuperseded: "SUPERSEDED", UseClosed: "CLOSED"}

var useMoves = map[UseState][]UseState{
	UsePending: {UseCurrent, UseClosed},
	UseCurrent: {UseSuperseded, UseClosed},
}

// To checks a transition.
func (s UseState) To(next UseState) error { return move("issue use", useMoves, s, next) }

// String is the state's name.
func (s UseState) String() string { return nameOf(useStateNames, s) }

// MarshalText writes the name.
func (s UseState) MarshalText() ([]byte, error) { return marshalName(useStateNames, s, "use state") }

// Status is the life of a card. The numbers are stored and never change.
type Status uint8

// The states of a card.
const (
	CardInactive Status = iota + 1
	CardActive
	CardBlocked
	CardClosed
	CardExpired
)

var statusNames = map[Status]string{CardInactive: "INACTIVE", CardActive: "ACTIVE", CardBlocked: "BLOCKED", CardClosed: "CLOSED", CardExpired: "EXPIRED"}

var statusMoves = map[Status][]Status{
	CardInactive: {CardActive, CardBlocked, CardClosed, CardExpired},
	CardActive:   {CardBlocked, CardClosed, CardExpired},
	CardBlocked:  {CardInactive, CardActive, CardClosed, CardExpired}, // a card that was never activated is not by being unblocked
}

// To checks a transition.
func (s Status) To(next Status) error { return move("card", statusMoves, s, next) }

// String is the state's name.
func (s Status) String() string { return nameOf(statusNames, s) }

// MarshalText writes the name.
func (s Status) MarshalText() ([]byte, error) { return marshalName(statusNames, s, "card status") }

// FileState is where a personalization or PIN-mailer file stands. The numbers are stored and never change.
type FileState uint8

// The states of a file.
const (
	FilePlanned FileState = iota + 1
	FileBuilding
	FileSealed
	FileReleased
	FileSending
	FileSent
	FileInDoubt
	FileAcknowledged
	FileRefused
	FileReconciling
	FileBalanced
	FileClosed
	FilePurged
	FileCancelled
)

var fileStateNames = map[FileState]string{
	FilePlanned: "PLANNED", FileBuilding: "BUILDING", FileSealed: "SEALED", FileReleased: "RELEASED", FileSending: "SENDING",
	FileSent: "SENT", FileInDoubt: "IN_DOUBT", FileAcknowledged: "ACKNOWLEDGED", FileRefused: "REFUSED",
	FileReconciling: "RECONCILING", FileBalanced: "BALANCED", FileClosed: "CLOSED", FilePurged: "PURGED", FileCancelled: "CANCELLED",
}

var fileMoves = map[FileState][]FileState{
	FilePlanned:      {FileBuilding, FileCancelled},
	FileBuilding:     {FileSealed, FileCancelled},
	FileSealed:       {FileReleased},
	FileReleased:     {FileSending, FileCancelled},
	FileSending:      {FileSent, FileReleased, FileInDoubt},
	FileInDoubt:      {FileAcknowledged, FileSent, FileReleased, FileCancelled},
	FileSent:         {FileAcknowledged, FileRefused},
	FileRefused:      {FileReleased, FileCancelled},
	FileAcknowledged: {FileReconciling},
	FileReconciling:  {FileBalanced},
	FileBalanced:     {FileClosed},
	FileClosed:       {FilePurged},
}

// FileStates lists every state in order, for metrics and filters.
func FileStates() []FileState {
	all := make([]FileState, 0, len(fileStateNames))
	for s := FilePlanned; s <= FileCancelled; s++ {
		all = append(all, s)
	}
	return all
}

// ParseFileState reads a state by its name.
func ParseFileState(name string) (FileState, error) {
	return parseName(fileStateNames, name, "file state")
}

// To checks a transition.
func (s FileState) To(next FileState) error { return move("file", fileMoves, s, next) }

// String is the state's name.
func (s FileState) String() string { return nameOf(fileStateNames, s) }

// MarshalText writes the name.
func (s FileState) MarshalText() ([]byte, error) { return marshalName(fileStateNames, s, "file state") }

// ReturnState is where a return file stands. The numbers are stored and never change.
type ReturnState uint8

// The states of a return file.
const (
	ReturnDetected ReturnState = iota + 1
	ReturnStable
	ReturnStored
	ReturnParsed
	ReturnApplying
	ReturnApplied
	ReturnPartlyApplied
	ReturnQuarantined
	ReturnDuplicate
	ReturnDiscarded
)

var returnStateNames = map[ReturnState]string{
	ReturnDetected: "DETECTED", ReturnStable: "STABLE", ReturnStored: "STORED", ReturnParsed: "PARSED", ReturnApplying: "APPLYING",
	ReturnApplied: "APPLIED", ReturnPartlyApplied: "PARTLY_APPLIED", ReturnQuarantined: "QUARANTINED", ReturnDuplicate: "DUPLICATE",
	ReturnDiscarded: "DISCARDED",
}

// A person puts a quarantined file, or the quarantined lines of one that was applied, back to work.
var returnMoves = map[ReturnState][]ReturnState{
	ReturnDetected:      {ReturnStable},
	ReturnStable:        {ReturnStored, ReturnDuplicate},
	ReturnStored:        {ReturnParsed, ReturnQuarantined},
	ReturnParsed:        {ReturnApplying, ReturnQuarantined},
	ReturnApplying:      {ReturnApplied, ReturnPartlyApplied},
	ReturnPartlyApplied: {ReturnApplying},
	ReturnQuarantined:   {ReturnStored, ReturnDiscarded},
}

// To checks a transition.
func (s ReturnState) To(next ReturnState) error { return move("return file", returnMoves, s, next) }

// String is the state's name.
func (s ReturnState) String() string { return nameOf(returnStateNames, s) }

// MarshalText writes the name.
func (s ReturnState) MarshalText() ([]byte, error) {
	return marshalName(returnStateNames, s, "return state")
}

// BatchState is where one run of a cycle stands. The numbers are stored and never change.
type BatchState uint8

// The states of a batch.
const (
	BatchOpen BatchState = iota + 1
	BatchPlanned
	BatchRunning
	BatchSucceeded
	BatchWithExceptions
	BatchFailed
)

var batchStateNames = map[BatchState]string{
	BatchOpen: "OPEN", BatchPlanned: "PLANNED", BatchRunning: "RUNNING", BatchSucceeded: "SUCCEEDED",
	BatchWithExceptions: "SUCCEEDED_WITH_EXCEPTIONS", BatchFailed: "FAILED",
}

var batchMoves = map[BatchState][]BatchState{
	BatchOpen:    {BatchPlanned, BatchSucceeded, BatchWithExceptions, BatchFailed},
	BatchPlanned: {BatchRunning},
	BatchRunning: {BatchSucceeded, BatchWithExceptions, BatchFailed},
}

// To checks a transition.
func (s BatchState) To(next BatchState) error { return move("batch", batchMoves, s, next) }

// String is the state's name.
func (s BatchState) String() string { return nameOf(batchStateNames, s) }

// MarshalText writes the name.
func (s BatchState) MarshalText() ([]byte, error) {
	return marshalName(batchStateNames, s, "batch state")
}

// OrderStates lists every state in order, for metrics and filters.
func OrderStates() []OrderState {
	all := make([]OrderState, 0, len(orderStateNames))
	for s := OrderReceived; s <= OrderCancelled; s++ {
		all = append(all, s)
	}
	return all
}

// ReturnStates lists every state in order, for metrics and filters.
func ReturnStates() []ReturnState {
	all := make([]ReturnState, 0, len(returnStateNames))
	for s := ReturnDetected; s <= ReturnDiscarded; s++ {
		all = append(all, s)
	}
	return all
}
