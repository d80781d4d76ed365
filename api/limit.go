package api

import (
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"platen/sql/store"
)

// defaultRate is how many requests a second a client may send where its own rate says nothing. A client that was quiet may send two seconds' worth at once.
const defaultRate = 100

// limits keep one client from taking the server from the others. They count in this process.
type limits struct {
	mu       sync.Mutex
	byClient map[uuid.UUID]*rate.Limiter
}

func newLimits() *limits { return &limits{byClient: map[uuid.UUID]*rate.Limiter{}} }

// allow takes one request of a client off its rate; false when there is none left at this time.
func (l *limits) allow(c store.Client, now time.Time) bool {
	perSecond := c.Rate
	if perSecond == 0 {
		perSecond = defaultRate
	}
	l.mu.Lock()
	limiter, ok := l.byClient[c.ID]
	if !ok || limiter.Limit() != rate.Limit(perSecond) {
		limiter = rate.NewLimiter(rate.Limit(perSecond), 2*perSecond)
		l.byClient[c.ID] = limiter
	}
	l.mu.Unlock()
	return limiter.AllowN(now, 1)
}
