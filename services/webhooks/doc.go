// Package webhooks tells subscribers what happened: which order, batch, file, return file or card, and what became of it, by ids and tokens alone. A message is written with
// its event, sent in the order in which events were recorded, and tried seven times within 38 hours; then it is dead, and waits for somebody who replays it.
// It may come twice, with the same id: once more when a process died after it was taken.
package webhooks
