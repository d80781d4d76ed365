// Package scan looks for values that must not be there: card numbers, PINs, tracks and keys that a test planted or knows, in files,
// directories and streams of any size, in every encoding in which they could have leaked. Only tests use it.
//
// Findings never carry the value: they name it.
package scan
