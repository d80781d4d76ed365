package enfuce

import (
	"fmt"
	"regexp"
	"time"
	"unicode/utf8"

	"platen/api"
)

// newCard is createVirtualResourceBody of the service's document, and what its other kinds of cards have besides.
type newCard struct {
	Expiration        *expiration       `json:"expiration,omitempty"`
	Segment           string            `json:"segment,omitempty" enum:"SEGMENT_A,SEGMENT_B,SEGMENT_C,SEGMENT_D,SEGMENT_E,SEGMENT_F"`
	PINStatus         string            `json:"pinStatus,omitempty" enum:"D,W,S"`
	DigitalLayoutCode string            `json:"digitalLayoutCode,omitempty" maxLength:"32" pattern:"^[a-zA-Z0-9]+$"`
	ScheduledClosing  *scheduledClosing `json:"scheduledClosing,omitempty"`
	AdditionalValues  []keyValuePair    `json:"additionalValues,omitempty" maxItems:"10"`
	EncryptedData     string            `json:"encryptedData,omitempty"`
	Embossing         *embossing        `json:"embossing,omitempty"`
	ProductCode       string            `json:"productCode,omitempty" pattern:"^[A-Z][A-Z_0-9]{1,64}$"`
	CardDeliveryType  string            `json:"cardDeliveryType,omitempty" enum:"MAIL,COURIER,CUSTOM_1,CUSTOM_2,CUSTOM_3,CUSTOM_4,CUSTOM_5"`
}

type expiration struct {
	Year  int32 `json:"year,omitempty"`
	Month int32 `json:"month,omitempty"`
}

type scheduledClosing struct {
	Type string `json:"type,omitempty" enum:"TIMEBASED"`
	Time string `json:"time,omitempty" format:"date-time"`
}

// timeBased is the one type of scheduled closing.
const timeBased = "TIMEBASED"

type keyValuePair struct {
	Key   string `json:"key,omitempty" minLength:"1" maxLength:"8"`
	Value string `json:"value,omitempty" minLength:"1" maxLength:"50"`
}

type embossing struct {
	AdditionalField1        string `json:"additionalField1,omitempty" maxLength:"32"`
	AdditionalField2        string `json:"additionalField2,omitempty" maxLength:"32"`
	AdditionalField3        string `json:"additionalField3,omitempty" maxLength:"32"`
	AdditionalField4        string `json:"additionalField4,omitempty" maxLength:"32"`
	AdditionalField5        string `json:"additionalField5,omitempty" maxLength:"32"`
	CompanyName             string `json:"companyName,omitempty" maxLength:"26"`
	ExternalLayoutCode      string `json:"externalLayoutCode,omitempty" maxLength:"32"`
	FirstName               string `json:"firstName,omitempty" maxLength:"26"`
	LastName                string `json:"lastName,omitempty" maxLength:"26"`
	AdditionalEmbossingName string `json:"additionalEmbossingName,omitempty" maxLength:"26"`
	Manufacturer            string `json:"manufacturer,omitempty" pattern:"^[A-Z0-9_\\-]{1,32}$"`
	Physical                *bool  `json:"physical,omitempty"`
}

// maxNames is how many characters first and last name have together.
const maxNames = 26

// Letters of names that are embossed, and of additional values, as the service's document has them.
var (
	embossed   = regexp.MustCompile(`^[A-Za-zÁáÄäÅåÆæÉéÍíÐðÓóÖöØøÚúÜüÝýÞþ0-9\-/.,&+' ]*$`)
	extraKey   = regexp.MustCompile(`^[a-zA-Z0-9\-_ ]*$`)
	extraValue = regexp.MustCompile(`^[a-zA-Z0-9|\-_ +.éàèùçâêîôûëïü'ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿ\x{100}-\x{13E}\x{13F}-\x{148}\x{149}-\x{17E}ſǪǫȘșȚțȪȫȮȯȲȳḐḑṢṣẞỌọ]*$`)
)

// check holds the members against what the schema cannot say.
func (n *newCard) check() error {
	for i, v := range n.AdditionalValues {
		at := fmt.Sprintf("body.additionalValues[%d].", i)
		switch {
		case v.Key == "" || !extraKey.MatchString(v.Key):
			return api.Invalid(at+"key", "must be letters, digits, -, _ and blanks")
		case v.Value == "" || !extraValue.MatchString(v.Value):
			return api.Invalid(at+"value", "holds another character than it may")
		}
	}
	if e := n.Expiration; e != nil && (e.Year < 2000 || e.Year > 2099 || e.Month < 1 || e.Month > 12) {
		return api.Invalid("body.expiration", "must be a year and a month")
	}
	if c := n.ScheduledClosing; c != nil {
		if _, err := time.Parse(time.RFC3339, c.Time); err != nil || c.Type == "" {
			return api.Invalid("body.scheduledClosing", "must have a type and a time in UTC")
		}
	}
	if n.Embossing == nil {
		return nil
	}
	return n.Embossing.check()
}

func (e *embossing) check() error {
	for member, v := range map[string]string{"firstName": e.FirstName, "lastName": e.LastName, "companyName": e.CompanyName, "additionalEmbossingName": e.AdditionalEmbossingName,
		"additionalField1": e.AdditionalField1, "additionalField2": e.AdditionalField2, "additionalField3": e.AdditionalField3, "additionalField4": e.AdditionalField4,
		"additionalField5": e.AdditionalField5} {
		if !embossed.MatchString(v) {
			return api.Invalid("body.embossing."+member, "holds a character that is not embossed")
		}
	}
	if utf8.RuneCountInString(e.FirstName)+utf8.RuneCountInString(e.LastName) > maxNames {
		return api.Invalid("body.embossing", "firstName and lastName have 26 characters together at most")
	}
	return nil
}
