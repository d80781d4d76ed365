package bureau

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"
)

// journalName is the log of what a bureau did, in its directory, where no client sees it: one JSON object a line.
const journalName = "journal.jsonl"

// Entry is one thing that a bureau did. Counts are those of its own answer.
type Entry struct {
	At       time.Time `json:"at"`
	Bureau   string    `json:"bureau"`
	Did      string    `json:"did"`
	File     string    `json:"file,omitempty"`   // of the issuer
	SHA256   string    `json:"sha256,omitempty"` // of its plaintext
	Answer   string    `json:"answer,omitempty"` // a file of the bureau's
	Records  int64     `json:"records,omitempty"`
	Produced int64     `json:"produced,omitempty"`
	Rejected int64     `json:"rejected,omitempty"`
	Spoiled  int64     `json:"spoiled,omitempty"`
	Reason   string    `json:"reason,omitempty"`

	// Of what was made, when the bureau tells everything: what will have become of it when its last answer is given.
	Shipments  int64 `json:"shipments,omitempty"`
	Dispatched int64 `json:"dispatched,omitempty"`
	Delivered  int64 `json:"delivered,omitempty"`
	Returned   int64 `json:"returned,omitempty"`
	Lost       int64 `json:"lost,omitempty"`
	Destroyed  int64 `json:"destroyed,omitempty"`
}

// note writes down what was done. A bureau that cannot write its journal goes on: it is evidence for rehearsals, not part of what is rehearsed.
func (s *Simulator) note(e Entry) {
	e.At, e.Bureau = s.config.Now().UTC(), s.config.Bureau.Code
	line, err := json.Marshal(e)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		var f *os.File
		if f, err = s.root.OpenFile(journalName, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
			_, err = f.Write(append(line, '\n'))
			err = errors.Join(err, f.Close())
		}
	}
	if err != nil {
		s.config.Log.Error().Err(err).Str("bureau", e.Bureau).Msg("the journal cannot be written")
	}
}

// Journal reads what the bureau did, in order, in earlier runs too. What a death interrupted may stand in it twice.
func (s *Simulator) Journal() ([]Entry, error) {
	f, err := s.root.Open(journalName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	var all []Entry
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, lines.Err()
}
