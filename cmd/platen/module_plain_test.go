//go:build !pkcs11

package main_test

// buildTags are those that the program is built with: none.
const buildTags = ""
