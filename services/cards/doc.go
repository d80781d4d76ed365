// Package cards does what a card-operations desk decides about one card: put it into use, stop it for a while, let it go on. Each is one transaction with its event.
package cards
