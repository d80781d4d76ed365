package formats

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"platen/card"
)

// sampleNames are made-up people of every length that cards meet, in the scripts that can be romanised. The first column is the given names.
var sampleNames = [...][2]string{
	{"Asha", "Rao"}, {"Jo", "Li"}, {"Łucja", "Żółkiewska"}, {"Jean-Baptiste", "de La Fontaine"}, {"Maria", "O'Sullivan"}, {"Günther", "Großmann"},
	{"Søren", "Ågård-Nielsen"}, {"Αλεξάνδρα", "Παπαδοπούλου"}, {"Наталья", "Щербакова"}, {"Ana Lucía", "Fernández Ñandú"}, {"Þórdís", "Ægisdóttir"},
	{"Max", "Ng"}, {"Christopher", "Featherstonehaugh"}, {"Bartholomew", "Wellesley-Smythe"}, {"Anne", "Dufour"}, {"İpek", "Çağlar"},
	{"Wolfgang Amadeus", "Holzer"}, {"Ioana-Cristina", "Constantinescu"}, {"Zoë", "van der Meer"}, {"José", "Quintana y Vega"}, {"Émilie", "Lefèvre"},
	{"Tomáš", "Dvořák"}, {"Kristín", "Hrafnkelsdóttir"}, {"Dimitrios", "Karagiannopoulos"}, {"Ian", "St. John & Co"}, {"Oluwaseun", "Adebayo-Williams"},
}

// samplePlaces are made-up addresses: street, city, postcode, country.
var samplePlaces = [...][4]string{
	{"12 Lake Road", "Pune", "411001", "IN"}, {"ul. Długa 7/12", "Łódź", "90-001", "PL"}, {"Königsstraße 19", "Düsseldorf", "40212", "DE"},
	{"3, rue de l'Abbé Grégoire", "Besançon", "25000", "FR"}, {"Λεωφόρος Αλεξάνδρας 101", "Αθήνα", "114 74", "GR"}, {"Hauptgasse \"Zum Löwen\" 4", "Zürich", "8001", "CH"},
}

// SampleCards makes n made-up lines of one file of a kind: card data of test numbers, names and addresses of many lengths and scripts. They
// are the same each time. Nearly every field of the catalogue has a value, so that they serve layouts of any kind; American Express codes have none, for the cards are Visa cards.
func SampleCards(kind Kind, n int) (head *Record, records []*Record) {
	for i := range n {
		r := sampleCard(i)
		if kind == PINMailer {
			r.SetString(CardRequest, "MAILER")
		}
		records = append(records, r)
	}
	head = sampleFile(n)
	return head, records
}

// sampleFile is what is true of the whole file.
func sampleFile(n int) *Record {
	r := new(Record)
	for f, v := range map[Field]string{
		FileReference: "42", FileName: "cards_42", FileDate: "20260115", FileTime: "020000", FileSequence: "7", FileStamp: "TEST", FileMadeAt: "2026-01-15T01:00:00Z", FileZPKKCV: "0A1B2C", FileIssuer: "demo-bank", FileBureau: "north",
		FilePurpose: "CARDS", FileSHA256: strings.Repeat("0123456789ABCDEF", 4), FileBytes: "123456", ProductCode: "visa-debit-chip", ProductDesign: "VD-BLUE", ProductScheme: "visa",
		ProductTechnology: "DUAL_INTERFACE", ProductCurrency: "978", ProductBIN: "411111", ReturnFile: "42",
	} {
		r.SetString(f, v)
	}
	r.SetInt(FileRecords, int64(n))
	r.SetInt(FileCarriers, int64(n))
	r.SetInt(FileProducts, int64(min(n, 1)))
	return r
}

func sampleCard(i int) *Record {
	r := sampleFile(1)
	n := len(sampleNames)
	person, place := [2]string{sampleNames[i%n][0], sampleNames[(i+i/n)%n][1]}, samplePlaces[(i/3)%len(samplePlaces)]
	full := person[0] + " " + person[1]
	shown, fault := FitName(full, longestName)
	if fault != nil {
		shown, fault = FitName(firstLetter(person[0])+" "+person[1], longestName)
	}
	if fault != nil {
		shown = "SAMPLE NAME"
	}
	surname, _ := romanise(person[1])
	given, _ := romanise(person[0])
	track := strings.ToUpper(surname + "/" + given)
	track = strings.Map(func(c rune) rune {
		if strings.ContainsRune("&\"", c) {
			return ' '
		}
		return c
	}, track)
	track = track[:min(len(track), longestName)]
	pan, uid := samplePAN(i), fmt.Sprintf("42-%07d", i+1)
	end := "2912201" + fmt.Sprintf("1%04d%03d", 1000+i%9000, 100+i%900)
	for f, v := range map[Field]string{
		RecordUID: uid, CardPAN: pan, CardToken: fmt.Sprintf("T01ABCDEFGH%08d", i+1), CardExpiry: "2912", CardEffective: "2601", CardPSN: "01", CardServiceCode: "201", CardName: shown,
		CardTrackName: track, CardTrack1: "B" + pan + "^" + track + "^" + end + "000000", CardTrack2: pan + "=" + end + "00000", CardChipTrack2: pan + "D" + end + "00000F",
		CardCVV: "123", CardCVV2: "456", CardICVV: "789", CardPINBlock: "\x06\x22\xab\xc3\x89\x9a\xab\xbc", CardPVV: "1234", CardPVKI: "1", CardPINOffset: "1234", CardReason: "NEW",
		CardRequest: "NEW", CardIssueNumber: "1", HolderTitle: "", HolderFirstName: person[0], HolderLastName: person[1], HolderLanguage: "en", CarrierName: full,
		CarrierAddress1: place[0], CarrierCity: place[1], CarrierPostcode: place[2], CarrierCountry: place[3], CarrierDelivery: "STANDARD", CarrierBranch: "B017", OrderReference: "SAMPLE-1",
		CustomerReference: fmt.Sprintf("CIF-%08d", 10000000+i), ReturnUID: uid, ReturnStatus: "PRODUCED", ReturnOccurredAt: "2026-01-16T05:55:10Z", ReturnAttempt: "1", ReturnLast4: pan[12:],
		ReturnQuantity: "1", ReturnSite: "SITE-1", ReturnOperator: "OP-7", AckFile: "42", AckName: "cards_42", AckReceivedAt: "2026-01-15T02:10:00Z", AckStatus: "ACCEPTED", AckRead: "1",
		AckOK: "1", AckBad: "0", AckSHA256: strings.Repeat("0123456789abcdef", 4), ProductionOrdered: "10", ProductionProduced: "9", ProductionSpoiled: "1", ProductionRemade: "1",
		ProductionShipped: "9", ProductionPending: "0", ProductionOpening: "0", ProductionClosing: "0", DispatchShipment: "SHIP-1", DispatchCarrier: "POST", DispatchService: "STANDARD",
		DispatchTracking: "TRACK0001", DispatchFrom: "SITE-1", DispatchTo: "B017", DispatchBox: "1", DispatchBoxes: "1", DeliveryReceivedBy: "A. Rao", DeliveryRelation: "SELF",
		StockPlastic: "VD-BLUE", StockOpening: "100", StockReceived: "10", StockUsed: "20", StockDamaged: "1", StockScrap: "1", StockAdjusted: "-1", StockDestroyed: "2", StockAllocated: "5",
		StockClosing: "85", StockReorderLevel: "50", DestructionWhat: "CARD", DestructionMethod: "SHRED", DestructionWitness1: "A. Witness", DestructionWitness2: "B. Witness",
		DestructionCertificate: "CERT-1", ChipData: "\x01\x01\x04\x70\x02\x5f\x34",
	} {
		r.SetString(f, v)
	}
	r.SetInt(RecordNumber, int64(i+1))
	r.SetInt(OrderUnit, int64(i+1))
	digits := fmt.Sprintf("9%07d%07d", 42, i+1)
	r.SetString(MailerReference, digits+string(luhnDigit(digits)))
	r.SetString(MailerPINBlock, "\x06\x22\xab\xc3\x89\x9a\xab\xbc\x06\x22\xab\xc3\x89\x9a\xab\xbc")
	return r
}

func firstLetter(s string) string {
	_, size := utf8.DecodeRuneInString(s)
	return s[:size]
}

// samplePAN is a number of the Visa test range that all of the industry uses.
func samplePAN(i int) string {
	digits := fmt.Sprintf("411111%09d", 111111111+int64(i)*7919)
	return digits + string(luhnDigit(digits))
}

func luhnDigit(digits string) byte { return card.CheckDigit([]byte(digits)) }
