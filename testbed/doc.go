// Package testbed gives tests real neighbours: a PostgreSQL server and an OpenSSH server on the loopback interface, started from
// the machine's own packages and stopped when the test binary ends. Only tests import it.
//
// A missing neighbour is a failure that names the package to install; nothing here ever skips a test.
package testbed
