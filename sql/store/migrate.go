package store

import (
	"fmt"

	"github.com/pressly/goose/v3/lock"
)

// sessionLocker lets one process migrate while the others wait.
func sessionLocker() (lock.SessionLocker, error) {
	l, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fmt.Errorf("prepare the migration lock: %w", err)
	}
	return l, nil
}
