// Package batch is what happens to orders: intake, cut-off, planning, minting, building, sealing, sending, reading what the bureau
// says, and the books. Everything it decides is written down in one transaction with the event that tells of it; whatever dies half-way is
// taken up again from the database, and nothing is planned, minted or sent twice.
//
// It must never keep a card number, print one, or let the bytes of a file depend on a clock, on randomness or on which worker made it.
package batch
