package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"platen/api"
)

// massCSV is an order of n anonymous cards, a row each.
func massCSV(n int) string {
	return "product,quantity\n" + strings.Repeat("prepaid-mag,1\n", n)
}

func TestAnOrderIsTakenInOnceAndAnsweredTheSameEveryTime(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		first := s.submit(s.mine, "A-1", massCSV(3)+"prepaid-mag,0\n").want(http.StatusCreated)
		o := decode[api.Order](first)
		if o.Reference != "A-1" || o.Kind != "mass" || o.Requested != 3 || *o.AcceptedRows != 3 || o.RefusedRows != 1 || o.SubmittedBy != "demo-bank-desk" {
			t.Errorf("order %s", first.body)
		}
		if first.header.Get("Location") != "/v1/orders/"+o.ID || first.header.Get("Idempotent-Replay") != "" {
			t.Errorf("headers %v", first.header)
		}
		// Noon on Saturday in Paris: the next cut-off is on Monday evening.
		if c := o.NextCutoff; c == nil || c.Schedule != "nightly" || c.BusinessDate != "2026-11-23" || !c.At.Equal(time.Date(2026, 11, 23, 19, 30, 0, 0, time.UTC)) {
			t.Errorf("next cut-off %+v", o.NextCutoff)
		}
		again := s.submit(s.mine, "A-1", massCSV(3)+"prepaid-mag,0\n").want(http.StatusOK)
		if !bytes.Equal(first.body, again.body) || again.header.Get("Idempotent-Replay") != "true" || again.header.Get("Location") != first.header.Get("Location") {
			t.Errorf("the repetition differs: %s after %s", again.body, first.body)
		}
		s.submit(s.mine, "A-1", massCSV(4)).refused(http.StatusUnprocessableEntity, "reference_reused")
		if page := decode[api.Page[api.Order]](s.get(s.mine, "/v1/orders")); len(page.Items) != 1 {
			t.Errorf("%d orders", len(page.Items))
		}
	})
}

func TestAnIdempotencyKeyStandsInForAReference(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	post := func(body string, options ...option) answer {
		return s.do(s.mine, http.MethodPost, "/v1/orders", strings.NewReader(body), append(options, asCSV)...)
	}
	o := decode[api.Order](post(massCSV(1), header("Idempotency-Key", "key-1")).want(http.StatusCreated))
	if o.Reference != "key-1" {
		t.Errorf("reference %q", o.Reference)
	}
	post(massCSV(1), header("Idempotency-Key", "key-1")).want(http.StatusOK)
	post(massCSV(2), header("Idempotency-Key", "key-1")).refused(http.StatusUnprocessableEntity, "reference_reused")
	post(massCSV(1)).refused(http.StatusUnprocessableEntity, "bad_reference")
	post(massCSV(1), header("Idempotency-Key", "a key with blanks")).refused(http.StatusUnprocessableEntity, "bad_reference")
	post(massCSV(1), header("Idempotency-Key", strings.Repeat("k", 65))).refused(http.StatusUnprocessableEntity, "bad_reference")
	post(massCSV(1), func(r *http.Request) { r.Header["Idempotency-Key"] = []string{"a", "b"} }).refused(http.StatusUnprocessableEntity, "invalid_request")
}

func TestTwoClientsWithOneReferenceNeverMakeTwoOrders(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		body, feed := io.Pipe()
		first := s.start(s.request(s.mine, http.MethodPost, "/v1/orders?reference=RACE", body, asCSV))
		if _, err := io.WriteString(feed, massCSV(10)); err != nil {
			t.Fatal(err)
		}
		// The first client has claimed the reference once its order is seen.
		for len(decode[api.Page[api.Order]](s.get(s.mine, "/v1/orders")).Items) == 0 {
		}
		a := s.submit(s.mine, "RACE", massCSV(10))
		a.refused(http.StatusConflict, "order_in_flight")
		if a.header.Get("Retry-After") == "" {
			t.Error("a conflict that passes does not say when to come again")
		}
		if err := feed.Close(); err != nil {
			t.Fatal(err)
		}
		answered := <-first
		if answered.err != nil {
			t.Fatal(answered.err)
		}
		answered.answer.want(http.StatusCreated)
		s.submit(s.mine, "RACE", massCSV(10)).want(http.StatusOK)
		if page := decode[api.Page[api.Order]](s.get(s.mine, "/v1/orders")); len(page.Items) != 1 || page.Items[0].Requested != 10 {
			t.Errorf("orders %+v", page.Items)
		}
	})
}

func TestAJSONOrderIsTheSameAsACSVOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		post := func(document string) answer {
			return s.do(s.mine, http.MethodPost, "/v1/orders", strings.NewReader(document), asJSON)
		}
		document := `{"reference":"J-1","kind":"mass","rows":[{"product":"prepaid-mag","quantity":2,"same_day":true},{"product":"prepaid-mag","quantity":"3","branch":null},
			{"product":"nothing","quantity":1}]}`
		o := decode[api.Order](post(document).want(http.StatusCreated))
		if o.Reference != "J-1" || o.Kind != "mass" || o.Requested != 5 || *o.AcceptedRows != 2 || o.RefusedRows != 1 {
			t.Errorf("order %+v", o)
		}
		if o.NextCutoff == nil || o.NextCutoff.Schedule != "same-day" {
			t.Errorf("next cut-off of a same-day order %+v", o.NextCutoff)
		}
		lines := decode[api.Page[api.Line]](s.get(s.mine, "/v1/orders/"+o.ID+"/lines").want(http.StatusOK)).Items
		if len(lines) != 2 || lines[0].Line != 2 || lines[0].Unit != 1 || lines[0].Quantity != 2 || lines[1].Line != 3 || lines[1].Unit != 3 || !lines[0].SameDay {
			t.Errorf("lines %+v", lines)
		}
		bad := decode[api.Page[api.RefusedRow]](s.get(s.mine, "/v1/orders/"+o.ID+"/errors").want(http.StatusOK)).Items
		if len(bad) != 1 || bad[0].Line != 4 || bad[0].Faults[0].Code != "unknown_product" || bad[0].Row["product"] != "nothing" {
			t.Errorf("refused rows %+v", bad)
		}
		post(document).want(http.StatusOK)
		post(document+" ").refused(http.StatusUnprocessableEntity, "reference_reused")
		bulk := `{"kind":"bulk","reference":"J-2","rows":[{"product":"visa-debit-chip","first_name":"Ada","last_name":"Lovelace","address1":"1 Rue X","city":"Paris","country":"FR"}]}`
		if o := decode[api.Order](post(bulk).want(http.StatusCreated)); o.Kind != "bulk" || o.Requested != 1 {
			t.Errorf("order %+v", o)
		}
	})
}

func TestJSONLinesAndFilesOfAnotherSystemAreTakenAsTheyAre(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		for _, c := range []struct{ name, kind, query, body string }{
			{"lines", "application/jsonl", "", `{"product":"prepaid-mag","quantity":2}` + "\n" + `{"product":"prepaid-mag","quantity":"0"}` + "\n" + `{"product":"prepaid-mag","quantity":1}`},
			{"lines by their other name", "application/x-ndjson; charset=UTF-8", "", `{"product":"prepaid-mag","quantity":3}` + "\n" + `{"product":"nothing","quantity":1}`},
			{"mapped CSV", "text/csv", "&mapping=core", "BATCHNO;COUNT;CARDTYPE\n7;3;PPM\n7;1;NONE\n"},
			{"mapped lines", "application/jsonl", "&mapping=core", `{"BATCHNO":7,"COUNT":3,"CARDTYPE":"PPM"}` + "\n" + `{"COUNT":1,"CARDTYPE":"NONE"}`},
			{"a mapped list", "application/json", "&mapping=core", `[{"COUNT":3,"CARDTYPE":"PPM"},{"COUNT":1,"CARDTYPE":"NONE"}]`},
		} {
			post := func() answer {
				return s.do(s.mine, http.MethodPost, "/v1/orders?reference="+strings.ReplaceAll(c.name, " ", "-")+c.query, strings.NewReader(c.body), header("Content-Type", c.kind))
			}
			o := decode[api.Order](post().want(http.StatusCreated))
			if o.Kind != "mass" || o.Requested != 3 || o.RefusedRows != 1 {
				t.Errorf("%s: order %+v", c.name, o)
			}
			if bad := decode[api.Page[api.RefusedRow]](s.get(s.mine, "/v1/orders/"+o.ID+"/errors").want(http.StatusOK)).Items; len(bad) != 1 || bad[0].Line != 3 {
				t.Errorf("%s: refused rows %+v", c.name, bad)
			}
			post().want(http.StatusOK)
		}
	})
}

func TestWhatCannotBeAnOrderIsRefusedWithItsCode(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{MaxBody: 200_000})
	post := func(t *testing.T, path, body string, options ...option) answer {
		return s.on(t).do(s.mine, http.MethodPost, path, strings.NewReader(body), options...)
	}
	row := `{"product":"prepaid-mag","quantity":1}`
	for _, c := range []struct {
		name, path, body string
		option           option
		status           int
		code             string
	}{
		{"a misspelt column", "", "product,quantitty\nprepaid-mag,1\n", asCSV, 422, "bad_header"}, //nolint:misspell // on purpose
		{"a doubled column", "", "product,quantity,product\nprepaid-mag,1,x\n", asCSV, 422, "bad_header"},
		{"a missing column", "", "product\nprepaid-mag\n", asCSV, 422, "bad_header"},
		{"wrong quotes", "", "product,quantity\nprepaid-mag,1\n\"prepaid-mag,1\n", asCSV, 400, "malformed_body"},
		{"no rows", "", "product,quantity\n", asCSV, 422, "no_rows"},
		{"nothing", "", "", asCSV, 422, "bad_header"},
		{"a body that is too large", "", massCSV(20_000), asCSV, 413, "too_large"},
		{"no content type", "", massCSV(1), func(*http.Request) {}, 415, "unsupported_media_type"},
		{"another content type", "", massCSV(1), header("Content-Type", "text/plain"), 415, "unsupported_media_type"},
		{"another charset", "", massCSV(1), header("Content-Type", "text/csv; charset=latin1"), 415, "unsupported_media_type"},
		{"a compressed body", "", massCSV(1), func(r *http.Request) { asCSV(r); r.Header.Set("Content-Encoding", "gzip") }, 415, "unsupported_media_type"},
		{"a misspelt parameter", "?referense=X", massCSV(1), asCSV, 422, "invalid_request"}, //nolint:misspell // on purpose
		{"a doubled parameter", "?reference=X&reference=Y", massCSV(1), asCSV, 422, "invalid_request"},
		{"a reference that is no name", "?reference=a%20b", massCSV(1), asCSV, 422, "bad_reference"},
		{"corrected rows as an order", "", "order,line,field,code,hint,product,quantity\nX,2,,,,prepaid-mag,1\n", asCSV, 422, "is_correction"},
		{"JSON that is no object", "", `[]`, asJSON, 400, "malformed_body"},
		{"JSON that ends early", "", `{"kind":"mass","rows":[` + row, asJSON, 400, "malformed_body"},
		{"JSON without rows", "", `{"kind":"mass"}`, asJSON, 400, "malformed_body"},
		{"JSON with empty rows", "", `{"kind":"mass","rows":[]}`, asJSON, 422, "no_rows"},
		{"JSON without a kind", "", `{"rows":[` + row + `]}`, asJSON, 422, "unknown_kind"},
		{"JSON of another kind", "", `{"kind":"gift","rows":[` + row + `]}`, asJSON, 422, "unknown_kind"},
		{"an unknown member", "", `{"kind":"mass","institution":"other-bank","rows":[` + row + `]}`, asJSON, 422, "unknown_field"},
		{"a number as a member", "", `{"4000000000000002":1}`, asJSON, 422, "unknown_field"},
		{"a number as a member of a row", "", `{"kind":"mass","rows":[{"4000000000000002":1}]}`, asJSON, 422, "unknown_field"},
		{"a number as a column", "", "4000000000000002,x\n", asCSV, 422, "bad_header"},
		{"a number as a reference", "?reference=4000000000000002", massCSV(1), asCSV, 422, "bad_reference"},
		{"a number as a parameter", "?4000000000000002=1", massCSV(1), asCSV, 422, "invalid_request"},
		{"an unknown member of a row", "", `{"kind":"mass","rows":[` + row + `,{"product":"prepaid-mag","quantity":1,"pan":"x"}]}`, asJSON, 422, "unknown_field"},
		{"a member in other letters", "", `{"kind":"mass","rows":[{"Product":"prepaid-mag","quantity":1}]}`, asJSON, 422, "unknown_field"},
		{"a line that the client chose", "", `{"kind":"mass","rows":[{"product":"prepaid-mag","quantity":1,"line":7}]}`, asJSON, 422, "unknown_field"},
		{"a doubled member", "", `{"kind":"mass","rows":[{"product":"a","product":"b"}]}`, asJSON, 422, "doubled_field"},
		{"a member after the rows", "", `{"rows":[` + row + `],"kind":"mass"}`, asJSON, 422, "unknown_kind"},
		{"garbage after the end", "", `{"kind":"mass","rows":[` + row + `]}{}`, asJSON, 400, "malformed_body"},
		{"a row that is no object", "", `{"kind":"mass","rows":[7]}`, asJSON, 400, "malformed_body"},
		{"a value of another type", "", `{"kind":"mass","rows":[{"product":7}]}`, asJSON, 400, "malformed_body"},
		{"a nested value", "", `{"kind":"mass","rows":[{"product":{}}]}`, asJSON, 400, "malformed_body"},
		{"bytes that are no characters", "", "{\"kind\":\"mass\",\"rows\":[{\"product\":\"\xff\",\"quantity\":1}]}", asJSON, 400, "malformed_body"},
		{"half of a character", "", `{"kind":"mass","rows":[{"product":"\ud800","quantity":1}]}`, asJSON, 400, "malformed_body"},
		{"a row that is too long", "", `{"kind":"mass","rows":[{"branch":"` + strings.Repeat("x", 70_000) + `"}]}`, asJSON, 422, "row_too_long"},
		{"a mapping that is not declared", "?reference=X&mapping=none", massCSV(1), asCSV, 422, "invalid_request"},
		{"a mapping without a name", "?reference=X&mapping=", massCSV(1), asCSV, 422, "invalid_request"},
		{"a mapped column that is unknown", "?reference=X&mapping=core", "CARDTYPE;COUNT;SIZE\nPPM;1;2\n", asCSV, 422, "bad_header"},
		{"lines as CSV", "", row, asCSV, 400, "malformed_body"},
		{"CSV as lines", "", massCSV(1), asLines, 400, "malformed_body"},
		{"no lines", "", "", asLines, 422, "bad_header"},
		{"a line that is no row", "", row + "\n7\n", asLines, 400, "malformed_body"},
		{"a line that is cut", "", row + "\n" + row[:20], asLines, 400, "malformed_body"},
		{"an unknown member of a line", "", row + "\n" + `{"product":"prepaid-mag","quantity":1,"pan":"x"}`, asLines, 400, "malformed_body"},
		{"a member with a long name", "", `{"` + strings.Repeat("x", 5000) + `":1}`, asLines, 400, "malformed_body"},
		{"a line without end", "", row + "\n" + `{"branch":"` + strings.Repeat("x", 150_000), asLines, 400, "malformed_body"},
		{"a second reference", "?reference=X", `{"reference":"Y","kind":"mass","rows":[` + row + `]}`, asJSON, 422, "invalid_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := "/v1/orders" + c.path
			if c.path == "" {
				path += "?reference=BAD"
			}
			p := post(t, path, c.body, c.option).refused(c.status, c.code)
			if body, err := json.Marshal(p); err != nil || strings.Contains(string(body), "4000000000000002") {
				t.Errorf("it tells a card number: %s %v", body, err)
			}
			if len(p.Detail) > 500 {
				t.Errorf("it tells %d bytes", len(p.Detail))
			}
			if c.code == "bad_header" && c.body != "" && p.Column == "" {
				t.Errorf("the problem does not name the column: %+v", p)
			}
		})
	}
	if page := decode[api.Page[api.Order]](s.get(s.mine, "/v1/orders")); len(page.Items) != 0 {
		t.Errorf("%d orders were left behind", len(page.Items))
	}
}

func TestABodyThatBreaksOffLeavesNothingBehind(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		body, feed := io.Pipe()
		sent := s.start(s.request(s.mine, http.MethodPost, "/v1/orders?reference=CUT", body, asCSV))
		if _, err := io.WriteString(feed, massCSV(5000)); err != nil {
			t.Fatal(err)
		}
		orders := func() int { return len(decode[api.Page[api.Order]](s.get(s.mine, "/v1/orders")).Items) }
		for orders() == 0 {
		}
		if err := feed.CloseWithError(io.ErrUnexpectedEOF); err != nil {
			t.Fatal(err)
		}
		if answered := <-sent; answered.err == nil {
			t.Error("the client does not see that its upload broke off")
		}
		for orders() != 0 {
		}
		s.submit(s.mine, "CUT", massCSV(5)).want(http.StatusCreated)
	})
}

func TestACorrectionContinuesItsOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		o := decode[api.Order](s.submit(s.mine, "C-1", "product,quantity\nprepaid-mag,2\nprepaid-magg,3\nprepaid-mag,0\n").want(http.StatusCreated))
		if o.State != "OPEN" || o.RefusedRows != 2 || o.Requested != 2 {
			t.Fatalf("order %+v", o)
		}
		path := "/v1/orders/" + o.ID + "/corrections"
		file := s.get(s.mine, "/v1/orders/"+o.ID+"/errors", header("Accept", "text/csv")).want(http.StatusOK)
		if got := file.header.Get("Content-Type"); got != "text/csv; charset=utf-8" {
			t.Errorf("type %q", got)
		}
		fixed := strings.Replace(string(file.body), "prepaid-magg", "prepaid-mag", 1)
		post := func(body string, o option) answer {
			return s.do(s.mine, http.MethodPost, path, strings.NewReader(body), o)
		}
		first := decode[api.Order](post(fixed, asCSV).want(http.StatusCreated))
		if first.Requested != 5 || first.RefusedRows != 1 || *first.AcceptedRows != 2 {
			t.Errorf("order after its correction %+v", first)
		}
		if a := post(fixed, asCSV).want(http.StatusOK); a.header.Get("Idempotent-Replay") != "true" {
			t.Error("the repetition of a correction is not marked")
		}
		post(`{"rows":[{"line":3,"product":"prepaid-mag","quantity":1}]}`, asJSON).refused(http.StatusUnprocessableEntity, "row_not_waiting")
		post(`{"kind":"bulk","rows":[{"line":4,"product":"prepaid-mag"}]}`, asJSON).refused(http.StatusUnprocessableEntity, "other_kind")
		post(`{"rows":[{"product":"prepaid-mag","quantity":1}]}`, asJSON).refused(http.StatusBadRequest, "malformed_body")
		post(massCSV(1), asCSV).refused(http.StatusUnprocessableEntity, "bad_header")
		last := decode[api.Order](post(`{"rows":[{"line":4,"product":"prepaid-mag","quantity":4}]}`, asJSON).want(http.StatusCreated))
		if last.Requested != 9 || last.RefusedRows != 0 {
			t.Errorf("order after its last correction %+v", last)
		}
		if page := decode[api.Page[api.RefusedRow]](s.get(s.mine, "/v1/orders/"+o.ID+"/errors")); len(page.Items) != 0 {
			t.Errorf("rows that still wait: %+v", page.Items)
		}
		other := decode[api.Order](s.submit(s.mine, "C-2", "product,quantity\nx,1\n").want(http.StatusCreated))
		s.do(s.mine, http.MethodPost, "/v1/orders/"+other.ID+"/corrections", strings.NewReader(fixed), asCSV).refused(http.StatusUnprocessableEntity, "other_order")
	})
}

func TestRefusedRowsOfManyPagesAreOneFileAndManyPages(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	const bad = 2500
	var rows strings.Builder
	rows.WriteString("product,quantity\n")
	for i := range bad {
		fmt.Fprintf(&rows, "nothing-%d,1\n", i)
	}
	o := decode[api.Order](s.submit(s.mine, "BAD", rows.String()).want(http.StatusCreated))
	if o.State != "REJECTED" || o.RefusedRows != bad {
		t.Errorf("order %+v", o)
	}
	file := string(s.get(s.mine, "/v1/orders/"+o.ID+"/errors?format=csv").want(http.StatusOK).body)
	if n := strings.Count(file, "\n"); n != bad+1 || strings.Count(file, "unknown_product") != bad || !strings.Contains(file, "nothing-0,") || !strings.Contains(file, "nothing-2499,") {
		t.Errorf("the file has %d lines", n)
	}
	seen := map[int64]bool{}
	for cursor := ""; ; {
		page := decode[api.Page[api.RefusedRow]](s.get(s.mine, "/v1/orders/"+o.ID+"/errors?limit=500&cursor="+cursor).want(http.StatusOK))
		for _, r := range page.Items {
			seen[r.Line] = true
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if len(seen) != bad {
		t.Errorf("the pages have %d rows, want %d", len(seen), bad)
	}
}
