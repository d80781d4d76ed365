// Command generate writes the sample orders. It draws nothing: row n is a function of n, so that a second run writes the same bytes.
//
//	go run ./samples/generate samples/orders
package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"

	"platen/formats"
)

const bulkRows = 1000

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate DIRECTORY")
		os.Exit(2)
	}
	for _, f := range orders() {
		if err := os.WriteFile(filepath.Join(os.Args[1], f.name), f.content, 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

type file struct {
	name    string
	content []byte
}

func orders() []file {
	return []file{
		{"mass-10000.csv", table(massRows())},
		{"bulk-1000.csv", table(namedRows())},
		{"card-actions-200.csv", table(actionRows())},
	}
}

// table writes rows as CSV; rows may differ in width.
func table(rows [][]string) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	for _, r := range rows {
		if err := w.Write(r); err != nil {
			panic(err) // a buffer takes everything
		}
	}
	w.Flush()
	return out.Bytes()
}

// pick chooses one of list for a row and a purpose.
func pick[T any](list []T, row int, purpose string) T {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s/%d", purpose, row)
	return list[h.Sum64()>>7%uint64(len(list))]
}

var bulkColumns = []string{"product", "title", "first_name", "last_name", "emboss_name", "customer_reference", "address1", "address2", "city",
	"region", "postcode", "country", "delivery", "branch", "language", "expiry", "same_day"}

// namedRows is one named card a row, with one row in fifty bad in a way of its own.
func namedRows() [][]string {
	rows := [][]string{bulkColumns}
	for n := 1; n <= bulkRows; n++ {
		row := goodRow(n)
		if n%50 == 23 {
			row = spoil(row, n/50)
		}
		rows = append(rows, row)
	}
	return rows
}

func goodRow(n int) []string {
	p := everybody[n%len(everybody)]
	first, last, at := pick(p.first, n, "first"), pick(p.last, n, "last"), pick(p.places, n, "place")
	emboss := ""
	if _, fault := formats.FitName(first+" "+last, 26); fault != nil {
		initial := []rune(first)[:1]
		emboss = string(initial) + ". " + last
	}
	product := pick([]string{"visa-debit-chip", "visa-debit-chip", "mc-credit-chip"}, n, "product")
	delivery := pick([]string{"STANDARD", "STANDARD", "STANDARD", "REGISTERED", "COURIER", ""}, n, "delivery")
	branch, expiry, sameDay := "", "", ""
	if n%17 == 0 {
		delivery, branch = "BRANCH", fmt.Sprintf("B-%03d", n%40+1)
	}
	if n%97 == 0 {
		expiry = "2029-06"
	}
	if n%211 == 0 {
		sameDay = "true"
	}
	address2 := ""
	if n%13 == 0 {
		address2 = "c/o " + pick(p.last, n, "care of")
	}
	return []string{product, pick(p.titles, n, "title"), first, last, emboss, fmt.Sprintf("CIF-%08d", 10_000_000+n*7919), at.street, address2, at.city,
		at.region, at.postcode, p.country, delivery, branch, p.language, expiry, sameDay}
}

// with sets one column of a row.
func with(row []string, column, value string) []string {
	for i, name := range bulkColumns {
		if name == column {
			row[i] = value
		}
	}
	return row
}

// spoil makes a row bad in the way numbered i, 0 to 19.
func spoil(row []string, i int) []string {
	switch i {
	case 0: // longer than a card shows
		return with(with(with(row, "first_name", "Maximiliane Theodora"), "last_name", "Freifrau von Hohenlohe"), "emboss_name", "")
	case 1: // Arabic
		return with(with(with(row, "first_name", "محمد"), "last_name", "عبد الله"), "emboss_name", "")
	case 2: // Chinese
		return with(with(with(row, "first_name", "小明"), "last_name", "王"), "emboss_name", "")
	case 3: // Thai
		return with(with(with(row, "first_name", "สมชาย"), "last_name", "ใจดี"), "emboss_name", "")
	case 4:
		return with(row, "expiry", "2024-05")
	case 5:
		return with(row, "product", "visa-platinum")
	case 6: // the code of the United Kingdom is GB
		return with(row, "country", "UK")
	case 7:
		return with(row, "last_name", "")
	case 8:
		return with(row, "address1", "Building 4, Staircase 12, Seventh Floor, Flat 1207, 221 Long Acre Industrial Estate North")
	case 9: // cut off
		return row[:len(row)-4]
	case 10: // a comma too many
		return append(row[:7:7], append([]string{"Flat 2"}, row[7:]...)...)
	case 11:
		return with(row, "address1", "")
	case 12:
		return with(row, "city", "")
	case 13:
		return with(row, "delivery", "PIGEON")
	case 14:
		return with(row, "language", "French")
	case 15:
		return with(row, "expiry", "12/29")
	case 16:
		return with(row, "same_day", "maybe")
	case 17: // signs that cards do not show
		return with(row, "emboss_name", "J@NE D*E")
	case 18: // Hebrew
		return with(row, "address1", "רחוב הרצל 12")
	}
	return with(row, "branch", "B/001 #2")
}

// massRows orders 10,000 cards without names for branches.
func massRows() [][]string {
	rows := [][]string{{"product", "quantity", "recipient", "branch", "delivery", "address1", "city", "region", "postcode", "country"}}
	quantities := []int{2500, 2000, 1500, 1000, 1000, 750, 500, 500, 200, 50}
	for n, quantity := range quantities {
		p := everybody[n]
		at := p.places[0]
		rows = append(rows, []string{"prepaid-mag", strconv.Itoa(quantity), fmt.Sprintf("Demo Bank, branch %03d", n+1), fmt.Sprintf("B-%03d", n+1), "COURIER",
			at.street, at.city, at.region, at.postcode, p.country})
	}
	return rows
}

// actionRows asks for 200 new issues of cards of the two other orders. Cards are named by the reference that the demo gives those orders and
// the card's number within.
func actionRows() [][]string {
	rows := [][]string{{"card", "reason", "emboss_name", "delivery", "same_day"}}
	named := []string{"RENEWAL", "DAMAGED", "LOST", "STOLEN", "NAME_CHANGE", "NOT_RECEIVED", "COMPROMISED", "EMERGENCY", "DAMAGED", "RENEWAL"}
	for i := range 160 {
		unit := 1 + i*6
		if unit%50 == 23 { // this row is bad, there is no card
			unit++
		}
		reason := named[i%len(named)]
		emboss, delivery, sameDay := "", "", ""
		switch reason {
		case "NAME_CHANGE":
			p := everybody[unit%len(everybody)]
			emboss, _ = formats.FitName(pick(p.first, unit, "first")+" "+pick(p.last, unit+1, "new name"), 26)
		case "EMERGENCY":
			delivery, sameDay = "COURIER", "true"
		}
		rows = append(rows, []string{fmt.Sprintf("DEMO-BULK#%d", unit), reason, emboss, delivery, sameDay})
	}
	anonymous := []string{"DAMAGED", "LOST", "STOLEN", "RENEWAL"}
	for i := range 40 {
		rows = append(rows, []string{fmt.Sprintf("DEMO-MASS#%d", 2*i+1), anonymous[i%len(anonymous)], "", "", ""})
	}
	return rows
}
