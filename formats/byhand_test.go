package formats

import (
	"encoding/hex"
	"errors"
)

// byHand are formatters of details as somebody writes them who knows one format and nothing else: no layout, no catalogue, one function for
// one format. They check what a careful writer must, that nothing is too long or holds a control character, and they are what the engine's
// speed is compared with.
var byHand = map[string]func(dst []byte, r *handRecord) ([]byte, error){
	"north-fixed": fixedByHand, "south-delimited": columnsByHand, "native-jsonl": jsonByHand, "cardgen-style": xmlByHand, "datacard-style": segmentsByHand,
}

// handRecord is a card as such a program would hold it.
type handRecord struct {
	number, uid, token, reason, pan, psn, expiry, effective, name, trackName, service, track1, track2, chipTrack2, cvv2, icvv, pinBlock, chip         string
	carrier, address1, address2, address3, city, region, postcode, country, delivery, branch, language, title, first, last, order, unit, pvki, design string
	product, technology, scheme, currency, request                                                                                                    string
}

func handRecordOf(r *Record) *handRecord {
	v := func(f Field) string { return string(r.Get(f)) }
	return &handRecord{
		v(RecordNumber), v(RecordUID), v(CardToken), v(CardReason), v(CardPAN), v(CardPSN), v(CardExpiry), v(CardEffective), v(CardName), v(CardTrackName), v(CardServiceCode), v(CardTrack1), v(CardTrack2), v(CardChipTrack2),
		v(CardCVV2), v(CardICVV), v(CardPINBlock), v(ChipData), v(CarrierName), v(CarrierAddress1), v(CarrierAddress2), v(CarrierAddress3), v(CarrierCity), v(CarrierRegion), v(CarrierPostcode),
		v(CarrierCountry), v(CarrierDelivery), v(CarrierBranch), v(HolderLanguage), v(HolderTitle), v(HolderFirstName), v(HolderLastName), v(OrderReference), v(OrderUnit), v(CardPVKI), v(ProductDesign),
		v(ProductCode), v(ProductTechnology), v(ProductScheme), v(ProductCurrency), v(CardRequest),
	}
}

var errByHand = errors.New("a value does not fit")

// padded appends a value in n places of ASCII.
func padded(dst []byte, v string, n int) ([]byte, error) {
	if len(v) > n {
		return dst, errByHand
	}
	for i := range len(v) {
		if v[i] < ' ' || v[i] > '~' {
			return dst, errByHand
		}
	}
	dst = append(dst, v...)
	for range n - len(v) {
		dst = append(dst, ' ')
	}
	return dst, nil
}

func upperPadded(dst []byte, v string, n int) ([]byte, error) {
	start := len(dst)
	dst, err := padded(dst, v, n)
	for i := start; i < len(dst); i++ {
		if dst[i] >= 'a' && dst[i] <= 'z' {
			dst[i] -= 'a' - 'A'
		}
	}
	return dst, err
}

func zeroPadded(dst []byte, v string, n int) ([]byte, error) {
	if len(v) > n {
		return dst, errByHand
	}
	for range n - len(v) {
		dst = append(dst, '0')
	}
	return append(dst, v...), nil
}

func grouped(dst []byte, pan string) []byte {
	for i := 0; i < len(pan); i++ {
		if i > 0 && i%4 == 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, pan[i])
	}
	return dst
}

func fixedByHand(dst []byte, r *handRecord) ([]byte, error) {
	dst = append(dst, 'D')
	dst, err := zeroPadded(dst, r.number, 7)
	for _, f := range [...]struct {
		v string
		n int
	}{{r.uid, 24}, {r.token, 19}, {r.reason, 16}, {"", 3}} {
		if err == nil {
			dst, err = padded(dst, f.v, f.n)
		}
	}
	at := len(dst)
	dst = grouped(dst, r.pan)
	for len(dst)-at < 23 {
		dst = append(dst, ' ')
	}
	dst = append(append(append(append(dst, r.psn...), r.expiry[2:]...), '/'), r.expiry[:2]...)
	if err == nil {
		dst, err = padded(dst, r.name, 26)
	}
	dst = append(dst, r.service...)
	at = len(dst)
	dst = append(append(append(dst, '%'), r.track1...), '?')
	for len(dst)-at < 78 {
		dst = append(dst, ' ')
	}
	at = len(dst)
	dst = append(append(append(dst, ';'), r.track2...), '?')
	for len(dst)-at < 39 {
		dst = append(dst, ' ')
	}
	if err == nil {
		dst, err = padded(dst, r.chipTrack2, 38)
	}
	dst = append(append(dst, r.cvv2...), r.icvv...)
	at = len(dst)
	for i := range len(r.pinBlock) {
		dst = append(dst, "0123456789ABCDEF"[r.pinBlock[i]>>4], "0123456789ABCDEF"[r.pinBlock[i]&15])
	}
	for len(dst)-at < 32 {
		dst = append(dst, ' ')
	}
	for _, f := range [...]struct {
		v string
		n int
	}{{r.carrier, 92}, {r.address1, 40}, {r.address2, 40}, {r.address3, 40}, {r.city, 30}, {r.region, 30}, {r.postcode, 12}} {
		if err == nil {
			dst, err = upperPadded(dst, f.v, f.n)
		}
	}
	for _, f := range [...]struct {
		v string
		n int
	}{{r.country, 2}, {r.delivery, 12}, {r.branch, 12}, {r.language, 2}} {
		if err == nil {
			dst, err = padded(dst, f.v, f.n)
		}
	}
	return append(dst, '\r', '\n'), err
}

func columnsByHand(dst []byte, r *handRecord) ([]byte, error) {
	dst = append(dst, 'D')
	for _, v := range [...]string{r.number, r.uid, r.token, r.reason, r.pan, r.psn, r.expiry[2:] + "/20" + r.expiry[:2], r.name, r.service, r.track1, r.track2, r.cvv2, r.carrier,
		r.address1, r.address2, r.address3, r.city, r.region, r.postcode, r.country, r.delivery, r.branch} {
		dst = append(dst, ';')
		quote := false
		for i := range len(v) {
			if v[i] < ' ' || v[i] == 0x7f {
				return dst, errByHand
			}
			quote = quote || v[i] == ';' || v[i] == '"'
		}
		if !quote {
			dst = append(dst, v...)
			continue
		}
		dst = append(dst, '"')
		for i := range len(v) {
			if v[i] == '"' {
				dst = append(dst, '"')
			}
			dst = append(dst, v[i])
		}
		dst = append(dst, '"')
	}
	return append(dst, '\n'), nil
}

func jsonByHand(dst []byte, r *handRecord) ([]byte, error) {
	dst = append(dst, `{"type":"detail","record":`...)
	dst = append(dst, r.number...)
	for _, m := range [...]struct{ key, v string }{
		{`,"uid":"`, r.uid}, {`,"token":"`, r.token}, {`,"reason":"`, r.reason}, {`,"order":"`, r.order},
	} {
		dst = jsonMember(dst, m.key, m.v)
	}
	dst = append(append(dst, `,"unit":`...), r.unit...)
	for _, m := range [...]struct{ key, v string }{
		{`,"pan":"`, r.pan}, {`,"psn":"`, r.psn}, {`,"expiry":"`, "20" + r.expiry[:2] + "-" + r.expiry[2:]}, {`,"service_code":"`, r.service}, {`,"name":"`, r.name}, {`,"track1":"`, r.track1}, {`,"track2":"`, r.track2},
		{`,"chip_track2":"`, r.chipTrack2}, {`,"cvv2":"`, r.cvv2}, {`,"icvv":"`, r.icvv}, {`,"pin_block":"`, upperHex(r.pinBlock)},
	} {
		dst = jsonMember(dst, m.key, m.v)
	}
	dst = append(append(dst, `,"pvki":`...), r.pvki...)
	for _, m := range [...]struct{ key, v string }{
		{`,"title":"`, r.title}, {`,"first_name":"`, r.first}, {`,"last_name":"`, r.last}, {`,"language":"`, r.language}, {`,"carrier":"`, r.carrier}, {`,"address1":"`, r.address1}, {`,"address2":"`, r.address2},
		{`,"address3":"`, r.address3}, {`,"city":"`, r.city}, {`,"region":"`, r.region}, {`,"postcode":"`, r.postcode}, {`,"country":"`, r.country}, {`,"delivery":"`, r.delivery}, {`,"branch":"`, r.branch},
	} {
		dst = jsonMember(dst, m.key, m.v)
	}
	return append(dst, '}', '\n'), nil
}

func jsonMember(dst []byte, key, v string) []byte {
	if v == "" {
		return dst
	}
	dst = append(dst, key...)
	for i := range len(v) {
		if v[i] == '"' || v[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, v[i])
	}
	return append(dst, '"')
}

func upperHex(v string) string {
	b := hex.AppendEncode(nil, []byte(v))
	asciiUpper(b)
	return string(b)
}

// xmlElement appends an element of text that has at most n characters.
func xmlElement(dst []byte, open, v, end string, n int) ([]byte, error) {
	if v == "" {
		return dst, nil
	}
	if len(v) > n {
		return dst, errByHand
	}
	dst = append(dst, open...)
	for i := range len(v) {
		switch c := v[i]; {
		case c < ' ' || c == 0x7f:
			return dst, errByHand
		case c == '&':
			dst = append(dst, "&amp;"...)
		case c == '<':
			dst = append(dst, "&lt;"...)
		case c == '>':
			dst = append(dst, "&gt;"...)
		case c == '"':
			dst = append(dst, "&quot;"...)
		case c == '\'':
			dst = append(dst, "&apos;"...)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, end...), nil
}

var (
	requestsByHand    = map[string]string{"NEW": "New"}
	deliveriesByHand  = map[string]string{"STANDARD": "0", "REGISTERED": "1", "COURIER": "2"}
	technologyByHand  = map[string]string{"DUAL_INTERFACE": "Chip&PIN&Contactless", "CHIP": "Chip&PIN", "MAGSTRIPE": "Mag"}
	countryCodeByHand = map[string]string{"IN": "356"}
	lastDayByHand     = map[string]string{"12": "31"}
)

func xmlByHand(dst []byte, r *handRecord) ([]byte, error) {
	start, end := r.effective[2:]+"/"+r.effective[:2], r.expiry[2:]+"/"+r.expiry[:2]
	var err error
	for _, e := range [...]struct {
		open, v, end string
		n            int
	}{
		{"<RECORD><REQUEST_TYPE>", requestsByHand[r.request], "</REQUEST_TYPE>", 20}, {"<UID>", r.uid, "</UID><CARRIER>", 20}, {"<TITLE>", r.title, "</TITLE>", 16}, {"<FNAME>", r.first, "</FNAME>", 50},
		{"<SNAME>", r.last, "</SNAME>", 50}, {"<NAME>", r.carrier, "</NAME>", 120}, {"<ADD1>", r.address1, "</ADD1>", 50}, {"<ADD2>", r.address2, "</ADD2>", 50}, {"<ADD3>", r.address3, "</ADD3>", 50},
		{"<CITY>", r.city, "</CITY>", 50}, {"<COUNTY>", r.region, "</COUNTY>", 50}, {"<POSTCODE>", r.postcode, "</POSTCODE>", 12}, {"<COUNTRY>", countryCodeByHand[r.country], "</COUNTRY>", 3},
		{"<CARRIER_TYPE>", r.product, "</CARRIER_TYPE>", 32}, {"<DELV_METHOD>", deliveriesByHand[r.delivery], "</DELV_METHOD>", 1}, {"<DELV_CODE>", r.branch, "</DELV_CODE>", 12},
		{"<LANG>", r.language, "</LANG>", 2}, {"</CARRIER><CARD><TYPE>", technologyByHand[r.technology], "</TYPE>", 20}, {"<CURRENCY>", "0" + r.currency, "</CURRENCY>", 4},
		{"<TRACK1>", r.track1, "</TRACK1>", 76}, {"<TRACK2>", r.track2, "</TRACK2>", 37}, {"<EMBOSS_PAN>", string(grouped(make([]byte, 0, 24), r.pan)), "</EMBOSS_PAN>", 23},
		{"<EMBOSS_NAME>", r.name, "</EMBOSS_NAME>", 27}, {"<EMBOSS_START>", start, "</EMBOSS_START>", 5}, {"<EMBOSS_EXPIRY>", end, "</EMBOSS_EXPIRY>", 5},
		{"<EMBOSS_CVC2>", r.pan[len(r.pan)-4:] + " " + r.cvv2, "</EMBOSS_CVC2>", 8}, {"<TOKEN>", r.token, "</TOKEN></CARD><CHIP>", 19}, {"<TYPE>", r.scheme, "</TYPE>", 10}, {"<PAN>", r.pan, "</PAN>", 19},
		{"<PAN_SEQ>", r.psn, "</PAN_SEQ>", 2}, {"<NAME>", r.trackName, "</NAME>", 26}, {"<START_DATE>", r.effective + "01", "</START_DATE>", 6},
		{"<EXPIRY_DATE>", r.expiry + lastDayByHand[r.expiry[2:]], "</EXPIRY_DATE>", 6}, {"<SERVICE_CODE>", r.service, "</SERVICE_CODE>", 3}, {"<CHIP_TRACK_2>", r.chipTrack2, "</CHIP_TRACK_2>", 38},
		{"<PINBLOCK>", upperHex(r.pinBlock), "</PINBLOCK>", 32},
	} {
		if dst, err = xmlElement(dst, e.open, e.v, e.end, e.n); err != nil {
			return dst, err
		}
	}
	return append(dst, "</CHIP></RECORD>\n"...), nil
}

// ended appends a value and the literal that ends it, which it may not hold.
func ended(dst []byte, v string, end byte) ([]byte, error) {
	for i := range len(v) {
		if v[i] == end || v[i] < ' ' || v[i] > '~' {
			return dst, errByHand
		}
	}
	return append(append(dst, v...), end), nil
}

func segmentsByHand(dst []byte, r *handRecord) ([]byte, error) {
	dst = append(grouped(append(dst, "#DCC##EMB#"...), r.pan), '"')
	var err error
	for _, f := range [...]struct {
		open, v string
		end     byte
	}{
		{"", r.expiry[2:] + "/" + r.expiry[:2], '"'}, {"", r.name, '"'}, {"", r.pan[len(r.pan)-4:] + " " + r.cvv2, '"'}, {"", r.uid, '"'}, {"", r.design, '"'}, {"#ENC#%", r.track1, '?'}, {";", r.track2, '?'},
		{"#CHP#5F34=", r.psn, ';'}, {"57=", r.chipTrack2, ';'}, {"PIN=", upperHex(r.pinBlock), ';'},
	} {
		if dst, err = ended(append(dst, f.open...), f.v, f.end); err != nil {
			return dst, err
		}
	}
	length := "0000000"
	digits := []byte(length)
	for i, n := 6, len(r.chip); n > 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	dst = append(append(append(dst, '{'), digits...), r.chip...)
	return append(dst, "#END#@@@@@@\r\n"...), nil
}
