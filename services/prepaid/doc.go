// Package prepaid opens prepaid cards with the money that they need, and does to them what their institution asks for: virtual cards are made and put into use at once, cards from printed
// stock are bound by their number and put into use by a code and a PIN, cards that share a pool are allocated parts of it, gift cards have nothing but an address where they are
// redeemed. Each operation has the client's own number, is carried out once for it, and is one transaction with its money and its event.
package prepaid
