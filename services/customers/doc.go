// Package customers keeps who cards are for: customers, the accounts that they hold, and which cards hang on those. An institution declares them by its own names; each
// change is a new version, and every version is kept. It knows nothing of money: limits are kept as data for whoever asks.
package customers
