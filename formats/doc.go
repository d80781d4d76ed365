// Package formats says how bytes look: layouts that write and read files, order files, and the forms of names. A layout is data; the
// same layout writes a file and reads it back.
//
// The package knows no database, no key and no network. It reads no clock and iterates no map while it writes, so equal records give
// equal bytes. Its errors name lines and fields, never values.
package formats
