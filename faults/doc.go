// Package faults rehearses every fault that it can make and counts what came of it: processes killed at every fault point and killed again while they recover,
// databases killed and cut off in the middle of a commit, connections cut at every byte, answers that come twice, in another order or cut short.
//
// After each fault Platen is started again and left alone until nothing is due. Then the program's own `platen check` and books must be without a breach,
// and so must what an outsider sees: the journal of what was ordered, and the files that the bureaus took, opened with the bureaus' own keys.
//
// `go test ./faults` rehearses a sample drawn from a seed that it prints; `make faults` rehearses everything and writes docs/faults.md.
package faults
