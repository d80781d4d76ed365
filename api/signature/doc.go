// Package signature verifies HTTP message signatures (RFC 9421) and the digests of bodies (RFC 9530) on requests that a server received. It knows
// no client and no store: keys come through a lookup, and what it answers is who signed what.
//
// Signing is not part of it. Structured fields are read by httpsfv.
package signature
