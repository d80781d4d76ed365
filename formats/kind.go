package formats

import "fmt"

// Kind says what a layout's files are for.
type Kind uint8

// The kinds of layouts. Card files and PIN-mailer files go to a bureau; a sidecar lies beside one of them; the others come from a bureau.
const (
	CardFile Kind = iota + 1
	PINMailer
	Sidecar
	Ack         // what a bureau says to a file as a whole
	Status      // what became of each card
	Production  // what was ordered, made, spoiled and shipped, by file and product
	Dispatch    // which lines left in which shipment
	Delivery    // what a courier says of a shipment
	Stock       // plastics of one kind at one site
	Destruction // what was destroyed: cards, plastics, the data of a file
	PINStatus   // what became of each PIN mailer
)

var kindNames = [...]string{CardFile: "card-file", PINMailer: "pin-mailer", Sidecar: "sidecar", Ack: "ack", Status: "status", Production: "production",
	Dispatch: "dispatch", Delivery: "delivery", Stock: "stock", Destruction: "destruction", PINStatus: "pin-status"}

// String is the kind's name, as layouts write it.
func (k Kind) String() string { return nameIn(kindNames[:], uint8(k)) }

// IsReturn tells whether files of the kind come from a bureau.
func (k Kind) IsReturn() bool { return k >= Ack && k <= PINStatus }

// Section is a part of a file.
type Section uint8

// The sections, in the order in which a file has them; groups repeat with the details that they hold.
const (
	Header Section = iota + 1
	GroupOpen
	Detail
	GroupClose
	Trailer
)

var sectionNames = [...]string{Header: "header", GroupOpen: "open", Detail: "detail", GroupClose: "close", Trailer: "trailer"}

// String is the section's name, as layouts write it.
func (s Section) String() string { return nameIn(sectionNames[:], uint8(s)) }

func nameIn(names []string, n uint8) string {
	if n > 0 && int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprintf("unknown(%d)", n)
}

// mayCarry lists the classes that a kind may have in its clearance at all: whoever prints PINs sees no card number, and no answer of a
// bureau holds card data. A courier's answer names who took the letter.
func (k Kind) mayCarry(s Sensitivity) bool {
	switch k {
	case CardFile:
		return true
	case PINMailer:
		return s == Public || s == Personal || s == PINBlock
	case Sidecar, Delivery, PINStatus:
		return s == Public || s == Personal
	}
	return s == Public
}

// mustCarry lists the fields without which a detail of the kind would be of no use: they are how lines are matched and checked.
func (k Kind) mustCarry() []Field {
	switch k {
	case CardFile:
		return []Field{CardPAN, RecordUID}
	case PINMailer:
		return []Field{MailerReference, MailerPINBlock, RecordUID}
	case Ack:
		return []Field{AckFile, AckStatus}
	case Status, PINStatus:
		return []Field{ReturnUID, ReturnStatus}
	case Production:
		return []Field{ReturnFile, ProductionProduced}
	case Dispatch:
		return []Field{ReturnUID, DispatchShipment}
	case Delivery:
		return []Field{DispatchTracking, ReturnStatus}
	case Stock:
		return []Field{StockPlastic, StockClosing}
	case Destruction:
		return []Field{DestructionWhat, DestructionCertificate}
	}
	return nil
}
