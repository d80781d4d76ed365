// Package delivery is how bytes travel between Platen and a bureau: SFTP with pinned host keys, OpenPGP, the protocol by which a file
// is at its final name whole or not at all, and the inbox of a bureau's answers. It knows neither cards nor layouts.
//
// What it promises: at the final name the bureau sees the complete file or no file, and never other content under that name. What it
// cannot promise is to know the outcome of a rename whose answer was lost: such an error says InDoubt, and Probe looks again.
package delivery
