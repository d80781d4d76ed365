package main_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

var answerRehearsals = []rehearsal{
	{
		runbook: "ANSWER_OVERDUE", name: "the ack comes late", about: "file 1", programs: expects("ack"), trouble: overdue,
		way: func(d *desk) {
			f := d.file(1)
			d.ack(f, d.takes(f.Name), "ACCEPTED")
			d.becomes(1, "RECONCILING")
		},
	},
	{
		runbook: "ANSWER_OVERDUE", name: "the bureau lost the file", about: "file 1", programs: expects("ack"), trouble: overdue,
		way: func(d *desk) {
			f := d.file(1)
			lost := d.takes(f.Name)
			d.says(d.as("platen file resend N --reason WHY", "N", "1", "WHY", "the bureau lost it"), "_DUPLICATE1")
			if again := d.takes(strings.Replace(f.Name, ".csv", "_DUPLICATE1.csv", 1)); string(again) != string(lost) {
				d.t.Error("the duplicate has other bytes")
			}
			d.ack(f, lost, "ACCEPTED")
			d.becomes(1, "RECONCILING")
		},
	},
	{
		runbook: "ANSWER_OVERDUE", name: "the status does not come", about: "file 1", programs: expects("production"),
		trouble: func(d *desk) {
			ordered(d)
			f := d.file(1)
			d.ack(f, d.takes(f.Name), "ACCEPTED")
			d.becomes(1, "RECONCILING")
			d.work()
		},
		way: func(d *desk) {
			if o := d.ends("platen books --file N", "N", "1"); o.code != 1 || !strings.Contains(o.stdout, "12") {
				d.t.Errorf("the books of a file without answers end with %d:\n%s", o.code, o.stdout)
			}
			d.status(d.file(1), "late.status", "PRODUCED")
			d.becomes(1, "BALANCED")
			d.work()
		},
	},
	{
		runbook: "ANSWER_OVERDUE", name: "the dispatch does not come, and never did", about: "file 1", programs: expects("dispatch"),
		trouble: func(d *desk) {
			d.order()
			d.produced(1)
			d.work()
		},
		way: func(d *desk) {
			d.says(d.as("platen card explain TOKEN", "TOKEN", "MASS#1"), "PRODUCED")
			d.edit("programs/bureaus/south.yaml", `(?m)^expect: .*$`, "expect: {ack: 4h}")
			d.as("platen apply -f programs")
			d.work()
		},
	},
	{
		runbook: "BOOKS_DIFFER", name: "a count that nobody can explain", about: "file 1", stays: true,
		trouble: func(d *desk) {
			ordered(d)
			d.sql(`UPDATE files SET sealed = sealed - 1`)
			f := d.file(1)
			d.ack(f, d.takes(f.Name), "ACCEPTED")
			d.status(f, f.Name+".status", "PRODUCED")
			d.becomes(1, "RECONCILING")
			d.work()
		},
		way: func(d *desk) {
			if o := d.ends("platen books --file N", "N", "1"); o.code != 1 || !strings.Contains(o.stdout, "12 planned, 11 sealed") {
				d.t.Errorf("the books end with %d:\n%s", o.code, o.stdout)
			}
			if o := d.ends("platen books"); o.code != 1 {
				d.t.Errorf("all books end with %d", o.code)
			}
		},
	},
	{
		runbook: "RETURN_QUARANTINED", name: "its name is not declared", about: "return 1",
		trouble: func(d *desk) {
			ordered(d)
			d.status(d.file(1), "cards.done", "PRODUCED")
			d.returnNumber("cards.done", "QUARANTINED")
		},
		way: func(d *desk) {
			d.says(d.as("platen return list --quarantined"), "declares no layout for a file of this name")
			d.says(d.as("platen return show N", "N", "1"), "cards.done")
			d.edit("programs/bureaus/south.yaml", `returns:\n`, "returns:\n  - pattern: \"*.done\"\n    layout: status\n")
			d.as("platen apply -f programs")
			d.as("platen return requeue N --reason WHY", "N", "1", "WHY", "they call it so")
			d.returnNumber("cards.done", "APPLIED")
		},
	},
	{
		runbook: "RETURN_QUARANTINED", name: "it is not what its layout says", about: "return 1",
		trouble: func(d *desk) {
			ordered(d)
			d.answer("short.status", "H,status,v1,south,20261125,060000,1", "D,1")
			d.returnNumber("short.status", "QUARANTINED")
		},
		way: func(d *desk) {
			d.says(d.as("platen return show N", "N", "1"), "line 2")
			d.as("platen return discard N --reason WHY", "N", "1", "WHY", "the bureau sends it again")
			d.status(d.file(1), "again.status", "PRODUCED")
			d.returnNumber("again.status", "APPLIED")
		},
	},
	{
		runbook: "RETURN_QUARANTINED", name: "it is not signed by the sender", about: "return 1",
		programs: func(d *desk) { d.edit("programs/bureaus/south.yaml", `pgp:\n`, "pgp:\n  sealed_returns: true\n") },
		trouble: func(d *desk) {
			ordered(d)
			d.status(d.file(1), "clear.status", "PRODUCED")
			d.returnNumber("clear.status", "QUARANTINED")
		},
		way: func(d *desk) {
			d.says(d.as("platen return show N", "N", "1"), "cannot be decrypted")
			d.as("platen return discard N --reason WHY", "N", "1", "WHY", "the bureau did not send it")
		},
	},
	{
		runbook: "RETURN_LINES_QUARANTINED", name: "a word that is not declared", about: "return 1", trouble: oddWord,
		way: func(d *desk) {
			d.says(d.as("platen return show N", "N", "1"), "unknown_status")
			d.edit("programs/bureaus/south.yaml", `status_map:\n`, "status_map:\n  PRINTED: PRODUCED\n")
			d.platen("apply", "-f", "programs")
			d.as("platen return requeue N --reason WHY", "N", "1", "WHY", "PRINTED means PRODUCED")
			d.returnNumber("odd.status", "APPLIED")
		},
	},
	{
		runbook: "RETURN_LINES_QUARANTINED", name: "a word that nobody knows", about: "return 1", trouble: oddWord,
		way: func(d *desk) {
			d.as("platen return discard N --reason WHY", "N", "1", "WHY", "nobody knows what it means")
		},
	},
	{
		runbook: "RETURN_LINES_REFUSED", name: "a line beyond the file", about: "return 1",
		trouble: func(d *desk) {
			ordered(d)
			f := d.file(1)
			f.Lines++
			d.status(f, "long.status", "PRODUCED")
			d.returnNumber("long.status", "PARTLY_APPLIED")
		},
		way: func(d *desk) {
			d.says(d.as("platen return list --quarantined"), "long.status")
			d.says(d.as("platen return show N", "N", "1"), "unknown_reference")
			d.as("platen return discard N --reason WHY", "N", "1", "WHY", "they counted a setup card")
			if strings.Contains(d.platen("return", "list", "--quarantined"), "long.status") {
				d.t.Error("what was decided still waits for a person")
			}
		},
	},
}

// expects declares a time in which nobody can answer.
func expects(what string) func(*desk) {
	return func(d *desk) {
		d.edit("programs/bureaus/south.yaml", `status_map:\n`, fmt.Sprintf("expect: {%s: 1ms}\nstatus_map:\n", what))
	}
}

func overdue(d *desk) {
	ordered(d)
	d.work()
}

func oddWord(d *desk) {
	ordered(d)
	d.status(d.file(1), "odd.status", "PRODUCED", "PRINTED")
	d.returnNumber("odd.status", "PARTLY_APPLIED")
}

var cardRehearsals = []rehearsal{
	{
		runbook: "ROWS_WAIT", name: "a row is corrected", about: "order BAD",
		trouble: func(d *desk) {
			put(d.t, filepath.Join(d.dir, "bad.csv"), []byte("product,quantity\nprepaid-mag,3\nprepaid-mag,none\n"))
			d.platen("order", "submit", "bad.csv", "--reference", "BAD")
		},
		way: func(d *desk) {
			put(d.t, filepath.Join(d.dir, "corrections.csv"), []byte(d.as("platen order errors REFERENCE > corrections.csv", "REFERENCE", "BAD")))
			d.edit("corrections.csv", `prepaid-mag,none`, "prepaid-mag,2")
			d.says(d.as("platen order submit corrections.csv"), "BAD")
		},
	},
	{
		runbook: "CARDS_NOT_MADE", name: "each card is decided", about: "file 1",
		programs: func(d *desk) { d.edit("programs/bureaus/south.yaml", `remake_at_once: true`, "remake_at_once: false") },
		trouble: func(d *desk) {
			d.order()
			d.becomes(1, "SENT")
			f := d.file(1)
			d.ack(f, d.takes(f.Name), "ACCEPTED")
			d.status(f, f.Name+".status", "PRODUCED", "SPOILED")
			d.becomes(1, "BALANCED")
		},
		way: func(d *desk) {
			lines := d.as("platen file lines N --state REJECTED,SPOILED", "N", "1")
			rows := strings.Split(strings.TrimSpace(lines), "\n")
			columns := strings.Fields(rows[len(rows)-1])
			if len(rows) != 2 || len(columns) < 4 || columns[3] != "SPOILED" {
				d.t.Fatalf("the spoiled card is not told:\n%s", lines)
			}
			token := columns[2]
			d.says(d.as("platen card explain TOKEN", "TOKEN", token), "SPOILED")
			d.as("platen card remake TOKEN --reason WHY", "TOKEN", token, "WHY", "the client waits for it")
			d.platen("run", "--cycle", "nightly")
			d.produced(2)
			d.platen("books")
		},
	},
	{
		runbook: "CLOSING_LATE", name: "the order is carried out, or cancelled, or the card is kept", about: "closings",
		trouble: func(d *desk) {
			d.order()
			d.produced(1)
			for _, unit := range []string{"1", "2", "3"} {
				put(d.t, filepath.Join(d.dir, "damaged.csv"), []byte("card,reason\n"+d.token("MASS#"+unit)+",DAMAGED\n"))
				d.platen("order", "submit", "damaged.csv", "--reference", "DAMAGED-"+unit)
				d.platen("card", "close", "MASS#"+unit, "--at", time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "--reason", "the contract ends")
			}
			d.sql(`UPDATE scheduled_closings SET closes_at = '2026-01-01 00:00:00+00:00'`)
			d.work()
		},
		way: func(d *desk) {
			token := d.token("MASS#1")
			detail := d.inbox()["CLOSING_LATE closings"].Detail
			d.says(detail, token+" with order DAMAGED-1")
			d.says(d.as("platen card explain TOKEN", "TOKEN", token), "to be closed at 2026-01-01T00:00:00Z")
			d.as("platen order cancel REFERENCE --reason WHY", "REFERENCE", "DAMAGED-1", "WHY", "it is closed instead")
			d.as("platen card keep TOKEN --reason WHY", "TOKEN", d.token("MASS#2"), "WHY", "the contract goes on")
			d.as("platen run --cycle nightly")
			d.becomes(2, "SENT")
			d.until("cards 1 and 3 closed", func() bool {
				return strings.Contains(d.platen("card", "explain", "MASS#1"), "CLOSED (REQUEST)") && strings.Contains(d.platen("card", "explain", "MASS#3"), "CLOSED (REQUEST)")
			})
			d.says(d.platen("card", "explain", "MASS#2"), "closing_cancelled")
		},
	},
	{
		runbook: "PIN_AWAITED", name: "it is made without, or taken back", about: "plastics",
		trouble: func(d *desk) {
			d.order()
			d.produced(1)
			for _, unit := range []string{"1", "2"} {
				put(d.t, filepath.Join(d.dir, "damaged.csv"), []byte("card,reason\n"+d.token("MASS#"+unit)+",DAMAGED\n"))
				d.platen("order", "submit", "damaged.csv", "--reference", "DAMAGED-"+unit)
				d.platen("card", "await-pin", "MASS#"+unit, "--reason", "they choose it in the app")
			}
			d.platen("run", "--cycle", "nightly")
			d.sql(`UPDATE order_lines SET pin_held_at = '2026-01-01 00:00:00+00:00' WHERE pin_held_at IS NOT NULL`)
			d.work()
		},
		way: func(d *desk) {
			token := d.token("MASS#1")
			detail := d.inbox()["PIN_AWAITED plastics"].Detail
			d.says(detail, "2 plastics wait")
			d.says(detail, token+" with order DAMAGED-1")
			d.says(d.as("platen card explain TOKEN", "TOKEN", token), "its next plastic (DAMAGED) waits for a PIN since 2026-01-01T00:00:00Z")
			d.says(d.as("platen order show REFERENCE", "REFERENCE", "DAMAGED-1"), "Of its cards in work 1 wait for their PINs")
			d.as("platen card release-pin TOKEN --reason WHY", "TOKEN", token, "WHY", "they keep the one they have")
			d.as("platen order cancel REFERENCE --reason WHY", "REFERENCE", "DAMAGED-2", "WHY", "they do not want it")
			d.as("platen run --cycle nightly")
			d.becomes(2, "SENT")
		},
	},
	{
		runbook: "STOCK", name: "a report that does not add up", about: "GIFT-RED at south MAIN",
		trouble: func(d *desk) { d.stock("south_stock_1.csv", 88, time.Now().Add(-time.Hour)) },
		way: func(d *desk) {
			d.says(d.as("platen bureau stock"), "GIFT-RED")
			d.stock("south_stock_2.csv", 90, time.Now())
		},
	},
}

// token is the token of a card that is named by its order.
func (d *desk) token(name string) string {
	d.t.Helper()
	return loose[struct{ Token string }](d.t, d.platen("card", "explain", name, "--json")).Token
}

// stock leaves a report of what is left of a hundred plastics after ten.
func (d *desk) stock(name string, closing int, at time.Time) {
	d.t.Helper()
	d.answer(name, "H,stock,v1,south,20261125,060000", fmt.Sprintf("D,GIFT-RED,MAIN,100,0,10,0,0,0,0,0,%d,20,%s", closing, at.UTC().Format(time.RFC3339)))
	d.returnNumber(name, "APPLIED")
}
