// Package ledger keeps the money that prepaid cards are loaded with: wallets, pools that several cards share, and the cards' own accounts. Money is moved by
// operations, each of which is one transaction with its entries and its event, and is carried out once for each reference of a client. Nothing is ever overdrawn, and what
// comes into an account leaves another: the house's own accounts stand for the world outside and for fees.
package ledger
