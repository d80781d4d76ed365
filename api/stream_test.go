package api_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"

	"platen/api"
	"platen/testbed"
)

// written is an order that is made while it is read; it measures the heap as it goes.
type written struct {
	head, row, tail string
	rows, sent      int
	rest            string
	first, most     uint64
}

func (w *written) Read(p []byte) (int, error) {
	if w.rest == "" {
		switch {
		case w.sent == 0:
			w.rest = w.head
		case w.sent <= w.rows:
			w.rest = w.row
		case w.sent == w.rows+1:
			w.rest = w.tail
		default:
			return 0, io.EOF
		}
		if w.sent++; w.sent%5_000 == 0 {
			w.measure()
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

func (w *written) measure() {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if w.first == 0 {
		w.first = m.HeapAlloc
	}
	w.most = max(w.most, m.HeapAlloc)
}

func TestALargeOrderStreamsInBoundedMemory(t *testing.T) {
	const address = "12 Rue de la Paix, batiment C"
	csv := written{head: "product,quantity,recipient,address1,city,postcode,country\n", rows: 100_000,
		row: fmt.Sprintf("prepaid-mag,1,Branch of the Demo Bank,%q,Paris,75002,FR\n", address)}
	document := written{head: `{"kind":"mass","rows":[{"product":"prepaid-mag","quantity":1}`, rows: 20_000 - 1, tail: "]}",
		row: fmt.Sprintf(`,{"product":"prepaid-mag","quantity":1,"recipient":"Branch of the Demo Bank","address1":%q,"city":"Paris","postcode":"75002","country":"FR"}`, address)}
	fewer := csv
	fewer.rows = 20_000
	for name, c := range map[string]struct {
		address func(testing.TB) string
		body    written
		kind    option
		want    int64
	}{
		"CSV of a hundred thousand rows to PostgreSQL": {testbed.Postgres, csv, asCSV, 100_000},
		"CSV to SQLite":      {sqlite, fewer, asCSV, 20_000},
		"JSON to PostgreSQL": {testbed.Postgres, document, asJSON, 20_000},
		"JSON to SQLite":     {sqlite, document, asJSON, 20_000},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, c.address(t), api.Config{})
			o := decode[api.Order](s.do(s.mine, http.MethodPost, "/v1/orders?reference=LARGE", &c.body, c.kind).want(http.StatusCreated))
			if o.Requested != c.want || *o.AcceptedRows != c.want || o.RefusedRows != 0 {
				t.Errorf("order %+v", o)
			}
			// What is on its way at one moment are some thousand rows of about a kibibyte, more of them where the machine is busy. A hundred thousand would be 100 MiB.
			const mebibyte = 1 << 20
			if grown := int64(c.body.most) - int64(c.body.first); grown > 16*mebibyte {
				t.Errorf("the heap grew by %d MiB while the order streamed", grown/mebibyte)
			}
		})
	}
}
