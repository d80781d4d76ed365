package formats

import "fmt"

// Kind says what a layout's files are for.
type Kind uint8

// The kinds of layouts. A card file and a PIN-mailer file go to a bureau, the others come from it.
const (
	CardFile Kind = iota + 1
	PINMailer
	Ack
	Status
)

var kindNames = [...]string{CardFile: "card-file", PINMailer: "pin-mailer", Ack: "ack", Status: "status"}

// String is the kind's name, as layouts write it.
func (k Kind) String() string { return nameIn(kindNames[:], uint8(k)) }

// Section is a part of a file.
type Section uint8

// The sections, in the order in which a file has them.
const (
	Header Section = iota + 1
	Detail
	Trailer
)

var sectionNames = [...]string{Header: "header", Detail: "detail", Trailer: "trailer"}

// String is the section's name, as layouts write it.
func (s Section) String() string { return nameIn(sectionNames[:], uint8(s)) }

func nameIn(names []string, n uint8) string {
	if n > 0 && int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprintf("unknown(%d)", n)
}

// mayCarry lists the classes that a kind may have in its clearance at all: whoever prints PINs sees no card number, and no answer of a
// bureau holds card data.
func (k Kind) mayCarry(s Sensitivity) bool {
	switch k {
	case CardFile:
		return true
	case PINMailer:
		return s == Public || s == Personal || s == PINBlock
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
	}
	return []Field{ReturnUID, ReturnStatus}
}
