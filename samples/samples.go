// Package samples is what a first run starts from: an institution with its programs, the layouts that they use, and three orders. It
// holds data only, and all of it is invented.
package samples

import "embed"

// FS holds the samples as they lie in the repository: programs/, layouts/, orders/ and bureaus/.
//
//go:embed programs layouts orders bureaus
var FS embed.FS
