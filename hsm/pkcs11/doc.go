// Package pkcs11 is the security module in a PKCS#11 token (OASIS PKCS #11 v2.40 and later). Keys are unwrapped into the token or made there,
// sensitive and not extractable, and every cipher runs in it, many cards to a call; what stands between two ciphers (card number fields,
// decimalising, the digits of a PIN) is done here, so a clear PIN exists in this package's working storage and is wiped after every chunk.
//
// It needs cgo and is built with the tag pkcs11; without it this package is empty.
package pkcs11
