package batch

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"platen/card"
	"platen/formats"
	"platen/personalization"
	"platen/sql/store"
)

// headOf fills what is true of a whole file: its header, its name and the file fields of every record.
func headOf(i store.Institution, f store.File, p *card.Product) *formats.Record {
	r := new(formats.Record)
	r.SetInt(formats.FileReference, f.Number)
	r.SetString(formats.FileName, f.Name)
	r.SetString(formats.FileDate, strings.ReplaceAll(f.BusinessDate, "-", ""))
	r.SetString(formats.FileTime, f.FileTime)
	r.SetString(formats.FileMadeAt, f.CreatedAt.UTC().Truncate(time.Second).Format(time.RFC3339))
	r.SetInt(formats.FileSequence, f.Sequence)
	r.SetString(formats.FileStamp, f.Stamp)
	r.SetString(formats.FileIssuer, i.Code)
	r.SetString(formats.FileBureau, f.BureauCode)
	r.SetString(formats.FilePurpose, f.Purpose.String())
	r.SetInt(formats.FileRecords, f.Planned)
	r.SetInt(formats.FileCarriers, f.Planned) // every card has a letter of its own
	r.SetInt(formats.FileProducts, min(f.Planned, 1))
	r.SetString(formats.CarrierBranch, f.Branch)
	r.SetString(formats.CarrierDelivery, f.Delivery)
	r.SetString(formats.CarrierCountry, f.Country)
	r.SetString(formats.ProductCode, p.Code)
	r.SetString(formats.ProductDesign, p.Design)
	r.SetString(formats.ProductScheme, p.Scheme)
	r.SetString(formats.ProductTechnology, p.Technology.String())
	r.SetString(formats.ProductCurrency, p.Currency)
	return r
}

// RecordUID names a line of a file towards the bureau.
func RecordUID(file, line int64) string { return string(appendUID(nil, file, line)) }

// appendUID appends file and line, the line with seven digits or more.
func appendUID(dst []byte, file, line int64) []byte {
	dst = append(strconv.AppendInt(dst, file, 10), '-')
	for p := int64(1_000_000); p > max(line, 1); p /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, line, 10)
}

// parseUID reads what RecordUID wrote.
func parseUID(uid string) (file, line int64, ok bool) {
	a, b, found := strings.Cut(uid, "-")
	if !found {
		return 0, 0, false
	}
	file, err1 := strconv.ParseInt(a, 10, 64)
	line, err2 := strconv.ParseInt(b, 10, 64)
	return file, line, err1 == nil && err2 == nil && RecordUID(file, line) == uid
}

// mailerReference is the number that a PIN mailer shows instead of a card number: 9, file, line, check digit. The mailer's PIN block is bound to it, so
// that nobody who prints PINs ever sees a card number.
func mailerReference(file, line int64) (card.PAN, error) {
	if file > 9_999_999 || line > 9_999_999 {
		return card.PAN{}, fmt.Errorf("file %d line %d is beyond what a mailer reference can say", file, line)
	}
	digits := fmt.Appendf(nil, "9%07d%07d", file, line)
	return card.NewPAN(append(digits, card.CheckDigit(digits)))
}

// putRow fills a record with what the store knows of one line.
func putRow(r *formats.Record, f *store.File, row *store.PrintRow) {
	l := row.OrderLine
	r.SetInt(formats.RecordNumber, row.Position)
	var uid [40]byte
	r.Set(formats.RecordUID, appendUID(uid[:0], f.Number, row.Position))
	r.SetString(formats.CardReason, row.Reason().String())
	r.SetInt(formats.CardIssueNumber, int64(row.Issue.Issue))
	r.SetString(formats.CustomerReference, l.CustomerReference)
	r.SetString(formats.CardName, l.EmbossName)
	r.SetString(formats.CardName2, l.EmbossName2)
	r.SetString(formats.CardPrintName, l.PrintName)
	r.SetString(formats.HolderTitle, l.Title)
	r.SetString(formats.HolderFirstName, l.FirstName)
	r.SetString(formats.HolderLastName, l.LastName)
	r.SetString(formats.HolderLanguage, l.Language)
	r.SetString(formats.CarrierName, carrierName(l))
	r.SetString(formats.CarrierAddress1, l.Address1)
	r.SetString(formats.CarrierAddress2, l.Address2)
	r.SetString(formats.CarrierAddress3, l.Address3)
	r.SetString(formats.CarrierCity, l.City)
	r.SetString(formats.CarrierRegion, l.Region)
	r.SetString(formats.CarrierPostcode, l.Postcode)
	r.SetString(formats.CarrierCountry, l.Country)
	r.SetString(formats.CarrierDelivery, l.Delivery)
	r.SetString(formats.CarrierBranch, l.Branch)
	r.SetString(formats.OrderReference, row.Reference)
	r.SetInt(formats.OrderUnit, l.Unit)
	for i := range formats.ExtraFields {
		x := &formats.ExtraFields[i]
		r.SetString(x.Field, *x.Value(&l.Extra.Extra))
	}
}

// carrierName is whom the letter is addressed to.
func carrierName(l *store.OrderLine) string {
	if l.Recipient != "" {
		return l.Recipient
	}
	if l.Title == "" && l.FirstName == "" && l.LastName == "" {
		return "" // as on most cards of a mass order
	}
	return strings.TrimSpace(strings.Join(strings.Fields(l.Title+" "+l.FirstName+" "+l.LastName), " "))
}

// putCard fills a record with the personalized data of one card.
func putCard(r *formats.Record, s *personalization.Sheet, i int, in *personalization.Issue, p *card.Product, token string) {
	r.Set(formats.CardPAN, in.PAN.Reveal())
	r.SetString(formats.CardToken, token)
	yymm := in.Expiry.YYMM()
	r.Set(formats.CardExpiry, yymm[:])
	r.SetString(formats.CardPSN, in.PSN.String())
	r.SetString(formats.CardServiceCode, p.ServiceCode)
	r.Set(formats.CardTrackName, trackName(s.Track1(i)))
	r.Set(formats.CardTrack1, s.Track1(i))
	r.Set(formats.CardTrack2, s.Track2(i))
	r.Set(formats.CardChipTrack2, s.ChipTrack2(i))
	r.Set(formats.CardCVV, s.CVV(i))
	r.Set(formats.CardCVV2, s.CVV2(i))
	r.Set(formats.CardICVV, s.ICVV(i))
	r.Set(formats.CardCSC5, s.CSC5(i))
	r.Set(formats.CardCSC4, s.CSC4(i))
	r.Set(formats.CardCSC3, s.CSC3(i))
	r.Set(formats.CardPINBlock, s.PINBlock(i))
	r.Set(formats.ProductBIN, in.PAN.Reveal()[:6])
	if in.HasPVV {
		r.Set(formats.CardPVV, in.PVV[:])
		r.SetInt(formats.CardPVKI, int64(p.PIN.PVKI))
	}
	if in.Offset.N > 0 {
		r.Set(formats.CardPINOffset, in.Offset.Digits[:in.Offset.N])
	}
}

// trackName is the name that track 1 shows, which the chip must repeat.
func trackName(track1 []byte) []byte {
	_, rest, _ := bytes.Cut(track1, []byte("^"))
	name, _, _ := bytes.Cut(rest, []byte("^"))
	return name
}

// requestOf is what a bureau is asked for: a new card or another of the same, and whether a PIN mailer goes with it.
func requestOf(p *card.Product, reason card.Reason) string {
	request := "REPLACEMENT"
	if reason == card.New || reason == card.Additional || reason == card.ProductChange {
		request = "NEW"
	}
	if action, ok := p.Action(reason); ok && action.Mailer && p.PIN.Mailer {
		request += "_WITH_MAILER"
	}
	return request
}

func hexString(b []byte) string { return hex.EncodeToString(b) }
