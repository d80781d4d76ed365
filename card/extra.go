package card

// Extra is what an order of a card says besides its columns, for layouts that have a place for it. An empty member says nothing.
type Extra struct {
	Line1   string `json:"line1,omitempty" maxLength:"32" doc:"First of five lines that the bureau has a place for"`
	Line2   string `json:"line2,omitempty" maxLength:"32"`
	Line3   string `json:"line3,omitempty" maxLength:"32"`
	Line4   string `json:"line4,omitempty" maxLength:"32"`
	Line5   string `json:"line5,omitempty" maxLength:"32"`
	Name    string `json:"name,omitempty" maxLength:"26" doc:"A second name on the card"`
	Company string `json:"company,omitempty" maxLength:"26"`
	Layout  string `json:"layout,omitempty" maxLength:"32" doc:"Plastic, as its bureau calls it"`
	Segment string `json:"segment,omitempty" maxLength:"32" doc:"Group that the issuer counts the card to"`
	Wallet  string `json:"wallet,omitempty" maxLength:"32" doc:"Artwork in digital wallets"`
	Values  string `json:"values,omitempty" maxLength:"600" doc:"Further pairs, as key=value with ; between them"`
}

// IsZero tells whether nothing is said.
func (e *Extra) IsZero() bool { return *e == Extra{} }
