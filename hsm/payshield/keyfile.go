package payshield

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// maxKeyFile is more than any number of keys needs.
const maxKeyFile = 4 << 20

// ReadKeys reads a file of keys under the LMK: a JSON list. They are worth nothing without the module; a file that is not there is an empty list.
func ReadKeys(path string) ([]Key, error) {
	body, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("payShield: read keys: %w", err)
	}
	var keys []Key
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&keys); err != nil || len(body) > maxKeyFile || decoder.More() {
		return nil, fmt.Errorf("payShield: %s is no list of keys", path)
	}
	return keys, nil
}

// WriteKeys replaces a file of keys as a whole.
func WriteKeys(path string, keys []Key) error {
	body, err := json.MarshalIndent(keys, "", "  ")
	if err != nil {
		return fmt.Errorf("payShield: write keys: %w", err)
	}
	if err := os.WriteFile(path+".part", append(body, '\n'), 0o600); err != nil {
		return fmt.Errorf("payShield: write keys: %w", err)
	}
	if err := os.Rename(path+".part", path); err != nil {
		return fmt.Errorf("payShield: write keys: %w", err)
	}
	return nil
}
