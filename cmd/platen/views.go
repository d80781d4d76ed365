package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"os/user"
	"time"

	"platen/batch"
	"platen/formats"
	"platen/sql/store"
)

// actor is who runs this command, for the audit log.
func actor() string {
	u, err := user.Current()
	if err != nil {
		return "cli"
	}
	return "cli:" + u.Username
}

// fileJSON is a file as commands print it.
type fileJSON struct {
	ID              string     `json:"id"`
	Number          int64      `json:"number"`
	Name            string     `json:"name"`
	Kind            string     `json:"kind"`
	Bureau          string     `json:"bureau"`
	Batch           int64      `json:"batch"`
	Lines           int64      `json:"lines"`
	State           string     `json:"state"`
	Reason          string     `json:"reason,omitempty"`
	Overdue         string     `json:"overdue,omitempty"` // the answer that its bureau owes beyond its time
	PlaintextSHA256 string     `json:"plaintext_sha256"`
	PlaintextBytes  *int64     `json:"plaintext_bytes,omitempty"`
	InClear         bool       `json:"in_clear"` // it goes to its bureau unencrypted
	Minted          int64      `json:"minted"`
	Sealed          *int64     `json:"sealed,omitempty"`
	AckRead         *int64     `json:"ack_read,omitempty"`
	Produced        int64      `json:"produced"`
	Rejected        int64      `json:"rejected"`
	Spoiled         int64      `json:"spoiled"`
	CreatedAt       time.Time  `json:"created_at"`
	SentAt          *time.Time `json:"sent_at,omitempty"`
	BalancedAt      *time.Time `json:"balanced_at,omitempty"`
}

func fileView(f store.File) fileJSON {
	return fileJSON{ID: f.ID.String(), Number: f.Number, Name: f.Name, Kind: f.Purpose.String(), Bureau: f.BureauCode, Batch: f.Batch, Lines: f.Planned,
		State: f.State.String(), Reason: f.Reason, Overdue: f.Overdue, PlaintextSHA256: hex.EncodeToString(f.PlaintextSHA), PlaintextBytes: f.PlaintextBytes, Minted: f.Minted,
		Sealed: f.Sealed, AckRead: f.AckRead, InClear: f.InClear(), Produced: f.Produced, Rejected: f.Rejected, Spoiled: f.Spoiled, CreatedAt: f.CreatedAt, SentAt: f.SentAt, BalancedAt: f.BalancedAt}
}

func fileViews(files []store.File) []fileJSON {
	all := make([]fileJSON, 0, len(files))
	for _, f := range files {
		all = append(all, fileView(f))
	}
	return all
}

func printFiles(w io.Writer, files []store.File) error {
	t := newTable(w, "number", "id", "name", "kind", "bureau", "lines", "state", "reason")
	for _, f := range files {
		t.row(f.Number, f.ID, f.Name, f.Purpose, f.BureauCode, f.Planned, stateText(f), f.Reason)
	}
	if err := t.flush(); err != nil {
		return err
	}
	for _, f := range files {
		if f.InClear() {
			alarm(w, "PLAINTEXT: file %d goes to bureau %s unencrypted and unsigned.", f.Number, f.BureauCode)
		}
	}
	return nil
}

// stateText is a file's state with its flag.
func stateText(f store.File) string {
	if f.Overdue == "" {
		return f.State.String()
	}
	return f.State.String() + " OVERDUE(" + f.Overdue + ")"
}

// orderJSON is an order as commands print it.
type orderJSON struct {
	ID          string    `json:"id"`
	Reference   string    `json:"reference"`
	Kind        string    `json:"kind"`
	State       string    `json:"state"`
	Requested   int64     `json:"requested"`
	Fulfilled   int64     `json:"fulfilled"`
	Rejected    int64     `json:"rejected"`
	Cancelled   int64     `json:"cancelled"`
	InWork      int64     `json:"in_work"`
	RefusedRows int64     `json:"refused_rows"`
	Remade      int64     `json:"remade"`
	CreatedAt   time.Time `json:"created_at"`
}

func orderView(o store.Order, f store.Fates) orderJSON {
	return orderJSON{ID: o.ID.String(), Reference: o.Reference, Kind: formats.OrderKind(o.Kind).String(), State: o.State.String(), Requested: o.Requested,
		Fulfilled: f.Fulfilled, Rejected: f.Rejected, Cancelled: f.Cancelled, InWork: f.InWork(), RefusedRows: o.RefusedRows, Remade: f.Remade, CreatedAt: o.CreatedAt}
}

func batchView(b store.Batch, files []store.File) map[string]any {
	return map[string]any{"number": b.Number, "id": b.ID.String(), "schedule": b.Schedule, "business_date": b.BusinessDate, "state": b.State.String(),
		"exceptions": b.Exceptions, "files": fileViews(files)}
}

func rangeViews(ranges []batch.Outlook) []map[string]any {
	all := make([]map[string]any, 0, len(ranges))
	for _, r := range ranges {
		all = append(all, map[string]any{"code": r.Code, "prefix": r.Prefix, "length": r.Length, "size": r.Size, "used": r.Next, "left": r.Left(), "days_left": r.DaysLeft, "held": r.Held})
	}
	return all
}

func printCutoff(w io.Writer, schedule, date string, at time.Time) {
	fmt.Fprintf(w, "Its lines are locked at the cut-off of %s, %s (business date %s).\n", schedule, at.Format("2006-01-02 15:04 MST"), date)
}
