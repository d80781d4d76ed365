// Package card says what things are: card numbers, expiry dates, products, reasons and the states that
// cards, issues, orders, files and batches may be in. It is pure: it reads no clock, no database and no
// file, and it imports nothing of Platen.
//
// Every type that holds card data prints as a mask in every way Go can print. The only way to its value
// is a method whose name says so (Reveal, AppendTo), which makes each use easy to find.
package card
