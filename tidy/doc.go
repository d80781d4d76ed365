// Package tidy keeps the habits of this code that a compiler does not: which package may import which, where keys and ciphers may
// appear, how long functions get, what never stands in a file. Its test runs over the whole tree; nothing imports it.
package tidy
