package formats

import "fmt"

// Field names one value of a record. The zero Field is no field.
type Field uint16

// The catalogue. Expiry and effective month are YYMM, dates YYYYMMDD, times HHMMSS; PIN blocks are binary; sequence numbers and counts
// are decimal without leading zeros; everything else is UTF-8 text.
const (
	FileReference Field = iota + 1 // the file's number
	FileName
	FileDate
	FileTime
	FileSequence
	FileStamp
	FileIssuer
	FileBureau
	FilePurpose
	FileRecords
	TotalsRecords
	TotalsPANHash
	RecordNumber
	RecordUID
	CardPAN
	CardToken
	CardExpiry
	CardEffective
	CardPSN
	CardServiceCode
	CardName
	CardTrack1
	CardTrack2
	CardChipTrack2
	CardCVV
	CardCVV2
	CardICVV
	CardPINBlock
	CardPVV
	CardPVKI
	CardPINOffset
	CardReason
	HolderTitle
	HolderFirstName
	HolderLastName
	HolderLanguage
	CarrierName
	CarrierAddress1
	CarrierAddress2
	CarrierAddress3
	CarrierCity
	CarrierRegion
	CarrierPostcode
	CarrierCountry
	CarrierDelivery
	CarrierBranch
	ProductCode
	ProductDesign
	ProductScheme
	ProductTechnology
	ProductCurrency
	ProductBIN
	OrderReference
	OrderUnit
	MailerReference
	MailerPINBlock
	ReturnFile
	ReturnUID
	ReturnStatus
	ReturnReason
	ReturnOccurredAt
	ReturnAttempt
	ReturnLast4
	AckFile
	AckName
	AckReceivedAt
	AckStatus
	AckRead
	AckOK
	AckBad
	AckSHA256
	AckReason
	ReturnLastUID // where a line speaks of a run of records, the last of them
	ReturnQuantity
	ReturnSite
	ReturnOperator
	ProductionOrdered
	ProductionProduced
	ProductionSpoiled
	ProductionRemade
	ProductionShipped
	ProductionPending
	ProductionOpening
	ProductionClosing
	DispatchShipment
	DispatchCarrier
	DispatchService
	DispatchTracking
	DispatchFrom
	DispatchTo
	DispatchBox
	DispatchBoxes
	DeliveryReceivedBy
	DeliveryRelation
	DeliveryRedispatch
	StockPlastic
	StockOpening
	StockReceived
	StockUsed
	StockDamaged
	StockScrap
	StockAdjusted
	StockDestroyed
	StockAllocated
	StockClosing
	StockReorderLevel
	DestructionWhat // CARD, PLASTIC or DATA
	DestructionMethod
	DestructionWitness1
	DestructionWitness2
	DestructionCertificate
	FileCarriers
	FileProducts
	GroupRecords
	TotalsCRC32
	TotalsSHA256
	CardTrackName
	FileSHA256
	FileBytes
	CardIssueNumber
	CardRequest // NEW, REPLACEMENT, NEW_WITH_MAILER, REPLACEMENT_WITH_MAILER or MAILER
	ChipData    // data grouping identifiers (EMV CPS) as they go to the chip
	CustomerReference
	CardName2     // the second line of an embossed name
	CardPrintName // the name as it is printed, where that is not how it is embossed
	RecordCards   // how many cards a detail stands for
	RecordLastUID // of these the last
	TotalsCards
	TotalsCarriers
	CardCSC5       // American Express: on the stripe
	CardCSC4       // printed on the front
	CardCSC3       // on the signature panel
	FileMadeAt     // when the file was planned
	FileZPKKCV     // check value of the key that its PIN blocks are under
	TotalsControl1 // the sums that a layout names
	TotalsControl2
	TotalsControl3
	TotalsControl4
	ExtraLine1 // what the order says besides its columns
	ExtraLine2
	ExtraLine3
	ExtraLine4
	ExtraLine5
	ExtraName
	ExtraCompany
	ExtraLayout
	ExtraSegment
	ExtraWallet
	ExtraValues

	Sealed1 // what a layout enciphers, in hexadecimal digits
	Sealed2
	Sealed3
	Sealed4
	KeyKCV1 // check values of the keys that a layout names
	KeyKCV2
	KeyKCV3
	KeyKCV4
	numFields
)

// Sensitivity classes values by what their loss would mean. A layout carries only classes that its clearance lists.
type Sensitivity uint8

// The classes.
const (
	Public Sensitivity = iota
	Personal
	PAN
	Track
	Code
	PINBlock
)

var sensitivityNames = [...]string{Public: "public", Personal: "personal", PAN: "pan", Track: "track", Code: "code", PINBlock: "pin-block"}

// String is the class's name, as a clearance lists it.
func (s Sensitivity) String() string {
	if int(s) < len(sensitivityNames) {
		return sensitivityNames[s]
	}
	return fmt.Sprintf("unknown(%d)", uint8(s))
}

// valueType says which bytes a field may hold. An absent value fits every type.
type valueType uint8

const (
	text    valueType = iota
	digits            // ASCII digits; leading zeros count
	number            // decimal without leading zeros
	month             // YYMM
	date              // YYYYMMDD
	daytime           // HHMMSS
	binary
	signed // a number that may have a minus
	moment // YYYYMMDDHHMMSS, on the clocks of one zone
)

var typeNames = [...]string{text: "text", digits: "digits", number: "a number", month: "a month", date: "a date", daytime: "a time", binary: "binary", signed: "a signed number", moment: "a moment"}

// fieldFacts is one row of the catalogue. Size is the exact length of a value that is there, 0 if lengths differ.
type fieldFacts struct {
	name        string
	sensitivity Sensitivity
	valueType   valueType
	size        int
}

var catalogue = [numFields]fieldFacts{
	FileReference: {"file.reference", Public, number, 0},
	FileName:      {"file.name", Public, text, 0},
	FileDate:      {"file.date", Public, date, 8},
	FileTime:      {"file.time", Public, daytime, 6},
	FileSequence:  {"file.sequence", Public, number, 0},
	FileStamp:     {"file.stamp", Public, text, 0},
	FileIssuer:    {"file.issuer", Public, text, 0},
	FileBureau:    {"file.bureau", Public, text, 0},
	FilePurpose:   {"file.purpose", Public, text, 0},
	FileRecords:   {"file.records", Public, number, 0},

	// The sum over a file of one card is most of its number.
	TotalsRecords: {"totals.records", Public, number, 0},
	TotalsPANHash: {"totals.pan_hash", PAN, digits, panHashDigits},
	RecordNumber:  {"record.number", Public, number, 0},
	RecordUID:     {"record.uid", Public, text, 0},

	CardPAN:         {"card.pan", PAN, digits, 0},
	CardToken:       {"card.token", Public, text, 0},
	CardExpiry:      {"card.expiry", Public, month, 4},
	CardEffective:   {"card.effective", Public, month, 4},
	CardPSN:         {"card.psn", Public, digits, 2},
	CardServiceCode: {"card.service_code", Public, digits, 3},
	CardName:        {"card.name", Personal, text, 0},
	CardTrack1:      {"card.track1", Track, text, 0},
	CardTrack2:      {"card.track2", Track, text, 0},
	CardChipTrack2:  {"card.chip_track2", Track, text, 0},
	CardCVV:         {"card.cvv", Code, digits, 3},
	CardCVV2:        {"card.cvv2", Code, digits, 3},
	CardICVV:        {"card.icvv", Code, digits, 3},
	CardPINBlock:    {"card.pin_block", PINBlock, binary, 0},
	CardPVV:         {"card.pvv", Code, digits, 4},
	CardPVKI:        {"card.pvki", Public, number, 0},
	CardPINOffset:   {"card.pin_offset", Code, digits, 0},
	CardReason:      {"card.reason", Public, text, 0},

	HolderTitle:     {"holder.title", Personal, text, 0},
	HolderFirstName: {"holder.first_name", Personal, text, 0},
	HolderLastName:  {"holder.last_name", Personal, text, 0},
	HolderLanguage:  {"holder.language", Personal, text, 0},
	CarrierName:     {"carrier.name", Personal, text, 0},
	CarrierAddress1: {"carrier.address1", Personal, text, 0},
	CarrierAddress2: {"carrier.address2", Personal, text, 0},
	CarrierAddress3: {"carrier.address3", Personal, text, 0},
	CarrierCity:     {"carrier.city", Personal, text, 0},
	CarrierRegion:   {"carrier.region", Personal, text, 0},
	CarrierPostcode: {"carrier.postcode", Personal, text, 0},
	CarrierCountry:  {"carrier.country", Personal, text, 0},
	CarrierDelivery: {"carrier.delivery", Public, text, 0},
	CarrierBranch:   {"carrier.branch", Public, text, 0},

	ProductCode:       {"product.code", Public, text, 0},
	ProductDesign:     {"product.design", Public, text, 0},
	ProductScheme:     {"product.scheme", Public, text, 0},
	ProductTechnology: {"product.technology", Public, text, 0},
	ProductCurrency:   {"product.currency", Public, digits, 3},
	ProductBIN:        {"product.bin", Public, digits, 0},
	OrderReference:    {"order.reference", Public, text, 0},
	OrderUnit:         {"order.unit", Public, number, 0},
	MailerReference:   {"mailer.reference", Public, digits, 0},
	MailerPINBlock:    {"mailer.pin_block", PINBlock, binary, 0},

	ReturnFile:       {"return.file", Public, number, 0},
	ReturnUID:        {"return.uid", Public, text, 0},
	ReturnStatus:     {"return.status", Public, text, 0},
	ReturnReason:     {"return.reason", Public, text, 0},
	ReturnOccurredAt: {"return.occurred_at", Public, text, 0},
	ReturnAttempt:    {"return.attempt", Public, number, 0},
	ReturnLast4:      {"return.last4", Public, digits, 4},
	AckFile:          {"ack.file", Public, number, 0},
	AckName:          {"ack.name", Public, text, 0},
	AckReceivedAt:    {"ack.received_at", Public, text, 0},
	AckStatus:        {"ack.status", Public, text, 0},
	AckRead:          {"ack.read", Public, number, 0},
	AckOK:            {"ack.ok", Public, number, 0},
	AckBad:           {"ack.bad", Public, number, 0},
	AckSHA256:        {"ack.sha256", Public, text, 0},
	AckReason:        {"ack.reason", Public, text, 0},

	ReturnLastUID:          {"return.last_uid", Public, text, 0},
	ReturnQuantity:         {"return.quantity", Public, number, 0},
	ReturnSite:             {"return.site", Public, text, 0},
	ReturnOperator:         {"return.operator", Public, text, 0},
	ProductionOrdered:      {"production.ordered", Public, number, 0},
	ProductionProduced:     {"production.produced", Public, number, 0},
	ProductionSpoiled:      {"production.spoiled", Public, number, 0},
	ProductionRemade:       {"production.remade", Public, number, 0},
	ProductionShipped:      {"production.shipped", Public, number, 0},
	ProductionPending:      {"production.pending", Public, number, 0},
	ProductionOpening:      {"production.opening", Public, number, 0},
	ProductionClosing:      {"production.closing", Public, number, 0},
	DispatchShipment:       {"dispatch.shipment", Public, text, 0},
	DispatchCarrier:        {"dispatch.carrier", Public, text, 0},
	DispatchService:        {"dispatch.service", Public, text, 0},
	DispatchTracking:       {"dispatch.tracking", Public, text, 0},
	DispatchFrom:           {"dispatch.from", Public, text, 0},
	DispatchTo:             {"dispatch.to", Public, text, 0},
	DispatchBox:            {"dispatch.box", Public, number, 0},
	DispatchBoxes:          {"dispatch.boxes", Public, number, 0},
	DeliveryReceivedBy:     {"delivery.received_by", Personal, text, 0},
	DeliveryRelation:       {"delivery.relation", Personal, text, 0},
	DeliveryRedispatch:     {"delivery.redispatch", Public, text, 0},
	StockPlastic:           {"stock.plastic", Public, text, 0},
	StockOpening:           {"stock.opening", Public, number, 0},
	StockReceived:          {"stock.received", Public, number, 0},
	StockUsed:              {"stock.used", Public, number, 0},
	StockDamaged:           {"stock.damaged", Public, number, 0},
	StockScrap:             {"stock.scrap", Public, number, 0},
	StockAdjusted:          {"stock.adjusted", Public, signed, 0},
	StockDestroyed:         {"stock.destroyed", Public, number, 0},
	StockAllocated:         {"stock.allocated", Public, number, 0},
	StockClosing:           {"stock.closing", Public, number, 0},
	StockReorderLevel:      {"stock.reorder_level", Public, number, 0},
	DestructionWhat:        {"destruction.what", Public, text, 0},
	DestructionMethod:      {"destruction.method", Public, text, 0},
	DestructionWitness1:    {"destruction.witness1", Public, text, 0},
	DestructionWitness2:    {"destruction.witness2", Public, text, 0},
	DestructionCertificate: {"destruction.certificate", Public, text, 0},

	FileCarriers:      {"file.carriers", Public, number, 0},
	FileProducts:      {"file.products", Public, number, 0},
	GroupRecords:      {"group.records", Public, number, 0},
	TotalsCRC32:       {"totals.crc32", Public, text, 8},
	TotalsSHA256:      {"totals.sha256", Public, text, 64},
	CardTrackName:     {"card.track_name", Personal, text, 0},
	FileSHA256:        {"file.sha256", Public, text, 64},
	FileBytes:         {"file.bytes", Public, number, 0},
	CardIssueNumber:   {"card.issue_number", Public, number, 0},
	CardRequest:       {"card.request", Public, text, 0},
	ChipData:          {"chip.data", Track, binary, 0},
	CustomerReference: {"customer.reference", Personal, text, 0},
	CardName2:         {"card.name2", Personal, text, 0},
	CardPrintName:     {"card.print_name", Personal, text, 0},
	RecordCards:       {"record.cards", Public, number, 0},
	RecordLastUID:     {"record.last_uid", Public, text, 0},
	TotalsCards:       {"totals.cards", Public, number, 0},
	TotalsCarriers:    {"totals.carriers", Public, number, 0},
	CardCSC5:          {"card.csc5", Code, digits, 5},
	CardCSC4:          {"card.csc4", Code, digits, 4},
	CardCSC3:          {"card.csc3", Code, digits, 3},
	FileMadeAt:        {"file.made_at", Public, text, 0},
	FileZPKKCV:        {"file.zpk_kcv", Public, text, 6},
	TotalsControl1:    {"totals.control1", Public, number, 0},
	TotalsControl2:    {"totals.control2", Public, number, 0},
	TotalsControl3:    {"totals.control3", Public, number, 0},
	TotalsControl4:    {"totals.control4", Public, number, 0},

	ExtraLine1:   {"extra.line1", Personal, text, 0},
	ExtraLine2:   {"extra.line2", Personal, text, 0},
	ExtraLine3:   {"extra.line3", Personal, text, 0},
	ExtraLine4:   {"extra.line4", Personal, text, 0},
	ExtraLine5:   {"extra.line5", Personal, text, 0},
	ExtraName:    {"extra.name", Personal, text, 0},
	ExtraCompany: {"extra.company", Personal, text, 0},
	ExtraLayout:  {"extra.layout", Public, text, 0},
	ExtraSegment: {"extra.segment", Public, text, 0},
	ExtraWallet:  {"extra.wallet", Public, text, 0},
	ExtraValues:  {"extra.values", Personal, text, 0},

	// What is enciphered is as secret as its value, which its column says.
	Sealed1: {"sealed1", Code, text, 0},
	Sealed2: {"sealed2", Code, text, 0},
	Sealed3: {"sealed3", Code, text, 0},
	Sealed4: {"sealed4", Code, text, 0},
	KeyKCV1: {"kcv1", Public, text, 6},
	KeyKCV2: {"kcv2", Public, text, 6},
	KeyKCV3: {"kcv3", Public, text, 6},
	KeyKCV4: {"kcv4", Public, text, 6},
}

// ParseField finds a field by its name.
func ParseField(name string) (Field, bool) {
	for f := Field(1); f < numFields; f++ {
		if catalogue[f].name == name && !f.isHidden() {
			return f, true
		}
	}
	return 0, false
}

// Fields lists the whole catalogue in order, without what only a layout names.
func Fields() []Field {
	all := make([]Field, 0, numFields-1)
	for f := Field(1); f < numFields; f++ {
		if !f.isHidden() {
			all = append(all, f)
		}
	}
	return all
}

// String is the field's name, as layouts write it.
func (f Field) String() string {
	if f == 0 || f >= numFields {
		return fmt.Sprintf("unknown(%d)", uint16(f))
	}
	return catalogue[f].name
}

// Sensitivity is the class of the field's values.
func (f Field) Sensitivity() Sensitivity { return catalogue[f].sensitivity }

// fits tells whether v is a value of type t; an absent value always is.
func (t valueType) fits(v []byte) bool {
	if len(v) == 0 || t == text || t == binary {
		return true
	}
	if t == signed {
		if v[0] == '-' {
			return len(v) > 1 && v[1] != '0' && number.fits(v[1:])
		}
		return number.fits(v)
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return false
		}
	}
	switch t {
	case number:
		return len(v) <= 18 && (v[0] != '0' || len(v) == 1)
	case month:
		return len(v) == 4 && between(v[2:4], 1, 12)
	case date:
		return len(v) == 8 && between(v[4:6], 1, 12) && between(v[6:8], 1, 31)
	case daytime:
		return len(v) == 6 && between(v[0:2], 0, 23) && between(v[2:4], 0, 59) && between(v[4:6], 0, 60)
	}
	return true
}

func between(twoDigits []byte, low, high int) bool {
	n := int(twoDigits[0]-'0')*10 + int(twoDigits[1]-'0')
	return n >= low && n <= high
}
