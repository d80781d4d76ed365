package main_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// babble is a bureau that writes a card number wherever a status file has words: in a reason that counts, in one that is refused, in a word for a state. It must be told with its last
// four digits only, wherever it is told, and the number must be found nowhere.
func babble(t *testing.T, dir, said string) {
	t.Helper()
	line, file := madeBySouth(t, dir)
	apart := line.pan[:4] + " " + line.pan[4:8] + "-" + line.pan[8:]
	now := time.Now().UTC().Format(time.RFC3339)
	row := func(word, reason string) string {
		return fmt.Sprintf("D,%s,%s,prepaid-mag,%s,%s,%s,1,", file, line.uid, word, reason, now)
	}
	rows := []string{fmt.Sprintf("H,status,v1,south,20261125,060000,%s", file), row("DISPATCHED", "left for the holder of "+line.pan), row("REJECTED", "was "+apart), row("SENT"+line.pan, "no word for it"),
		row("RETURNED", line.pan), "T,4", ""}
	put(t, filepath.Join(dir, "bureaus", "south", "root", "out", "babble.status"), []byte(strings.Join(rows, "\n")))

	bureaus := simulateBureaus(t, dir)
	until(t, "both bureaus", func() bool { return strings.Count(bureaus.stderr.String(), "bureau listens") == 2 })
	number := ""
	until(t, "the lines of the babbling bureau", func() bool {
		run(t, "work", "--once", config(dir))
		for _, r := range loose[[]struct {
			Number                                   int64
			Name, State                              string
			Applied, Rejected, Quarantined, Archived any
		}](t, platen(t, "return", "list", "--json", config(dir))) {
			if r.Name == "babble.status" && r.State == "PARTLY_APPLIED" {
				number = fmt.Sprint(r.Number)
			}
		}
		return number != ""
	})
	bureaus.stop()
	masked := strings.Repeat("*", len(line.pan)-4) + line.pan[len(line.pan)-4:]
	story := platen(t, "card", "explain", config(dir), line.token)
	for name, text := range map[string]string{
		"return show": platen(t, "return", "show", config(dir), number), "return show json": platen(t, "return", "show", "--json", config(dir), number),
		"inbox": platen(t, "inbox", config(dir)), "card explain json": platen(t, "card", "explain", "--json", config(dir), line.token), "file lines": platen(t, "file", "lines", config(dir), file),
		"card explain": story,
	} {
		put(t, filepath.Join(said, "babble "+name+".txt"), []byte(text))
		if name != "inbox" && !strings.Contains(text, masked) {
			t.Errorf("%s does not tell what the bureau said, masked:\n%s", name, text)
		}
	}
}

// madeBySouth is a card of the demonstration that the bureau south has made, and the number of its file.
func madeBySouth(t *testing.T, dir string) (line printed, file string) {
	t.Helper()
	for _, f := range takenFiles(t, dir) {
		records := cardRecords([]taken{f})
		if f.bureau != "south" || len(records) == 0 {
			continue
		}
		file, _, _ = strings.Cut(records[0].uid, "-")
		made := map[string]string{}
		for _, l := range loose[[]struct{ UID, Token string }](t, platen(t, "file", "lines", "--json", "--state", "PRODUCED", config(dir), file)) {
			made[l.UID] = l.Token
		}
		for _, r := range records {
			if token, ok := made[r.uid]; ok {
				r.token = token
				return r, file
			}
		}
	}
	t.Fatal("the bureau south has made no card")
	return line, file
}
