// Package pins verifies, blocks and lets go on the PINs of single cards. A clear PIN never leaves the security module: PINs come in as ISO 9564 blocks under the
// key of a declared zone. A try is committed before the module is asked, so that however many come at once, and whatever dies, no more reach it than the product allows.
package pins
