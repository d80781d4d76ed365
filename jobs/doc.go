// Package jobs says when things happen: windows that come due, files that wait for a worker, outboxes to look into. River carries the work
// to workers on both databases, but it is only speed: every sweep looks at Platen's own tables, raises the epoch of what nobody holds, and
// inserts (id, epoch). It holds no business rule.
package jobs
