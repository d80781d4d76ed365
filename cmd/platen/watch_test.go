package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8"

	"platen/card"
	"platen/sql/store"
)

func TestAWatchedOrderTellsTheTruth(t *testing.T) {
	began := time.Date(2027, time.January, 4, 20, 0, 0, 0, time.UTC)
	o := store.Order{Reference: "LARGE", State: card.OrderLocked}
	f := store.Fates{Requested: 1000}
	var r rates
	for _, c := range []struct {
		what     string
		after    time.Duration
		how      store.Progress
		fates    store.Fates
		done     int64
		says     string
		saysNone string
	}{
		{"at first nothing is known", 0, store.Progress{Files: 4, FilesHeld: 1}, f, 0, "no pace yet", "left"},
		{"minting and rendering are half each", 10 * time.Second, store.Progress{Files: 4, FilesHeld: 2, FilesSealed: 1, Minted: 300, Rendered: 100, Sealed: 100}, f, 200, "20 cards/s, 40s left", ""},
		{"rendering is lost with a worker", 12 * time.Second, store.Progress{Files: 4, FilesHeld: 1, Minted: 300, Rendered: 80}, f, 190, "no pace yet", "cards/s"},
		{"nobody is at it", 100 * time.Second, store.Progress{Files: 4, Minted: 300, Rendered: 80}, f, 190, "no worker is at it", "cards/s"},
		{"a bureau has no pace", 110 * time.Second, store.Progress{Files: 4, FilesSealed: 4, Minted: 900, Rendered: 900, Sealed: 900, Sent: 500}, store.Fates{Requested: 1000, Cancelled: 100, Fulfilled: 30, Rejected: 2}, 32, "sent 500, answered 32, cancelled 100", "left"},
	} {
		got := watched(o, c.fates, c.how, &r, began.Add(c.after))
		if got.done != c.done || got.total != c.fates.Requested-c.fates.Cancelled || !strings.Contains(got.detail, c.says) || c.saysNone != "" && strings.Contains(got.detail, c.saysNone) {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
}

func TestABarThatIsFollowedShowsOnlyWhereItIsNow(t *testing.T) {
	var out bytes.Buffer
	p := &progress{w: &out, bars: mpb.New(mpb.WithOutput(&out), mpb.WithWidth(48), mpb.WithAutoRefresh())}
	p.follow(stand{label: "locked", done: 7, total: 10, detail: "minted 7"})
	p.follow(stand{label: "with its bureaus", done: 2, total: 9, detail: "answered 2"}) // one was cancelled, and the bar begins anew
	p.done()
	last := ""
	for line := range strings.Lines(out.String()) {
		if last = line; strings.Contains(line, "locked") && strings.Contains(line, "answered 2") {
			t.Errorf("a bar of what was before stays: %q", line)
		}
	}
	if !strings.Contains(last, "with its bureaus") || !strings.Contains(last, "2 / 9") || !strings.Contains(last, "answered 2") {
		t.Errorf("the bar is %q at last", last)
	}
}
