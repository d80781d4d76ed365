// Package samples is what a first run starts from: an institution with its programs, and the layouts that they use. It holds data
// only.
package samples

import "embed"

// FS holds the samples as they lie in the repository: programs/ and layouts/.
//
//go:embed programs layouts
var FS embed.FS
