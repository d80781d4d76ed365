package store

import (
	"encoding/json"
	"errors"
	"fmt"

	"platen/card"
)

// Extra is what an order line says besides its columns. It is stored as a JSON object; nothing, as an empty text.
type Extra struct{ card.Extra }

// Scan implements sql.Scanner.
func (e *Extra) Scan(src any) error {
	*e = Extra{}
	var text []byte
	switch v := src.(type) {
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return fmt.Errorf("extra data of an order line is a %T", src)
	}
	if len(text) == 0 {
		return nil
	}
	if json.Unmarshal(text, &e.Extra) != nil {
		return errors.New("extra data of an order line is no JSON object")
	}
	return nil
}

// stored is the text that is stored.
func (e *Extra) stored() (string, error) {
	if e.IsZero() {
		return "", nil
	}
	b, err := json.Marshal(e.Extra)
	if err != nil {
		return "", errors.New("extra data of an order line cannot be written")
	}
	return string(b), nil
}
