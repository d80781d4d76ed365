// Package fault marks the places where a process may die: before and after each commit, around each file that is made durable, around each step of a
// conversation with a bureau. A rehearsal arms the points and dies, or lets something else die, at one of them.
//
// Unarmed, which is always in production, a point is one look at a pointer. Nothing in the program but the command line can arm them, and it refuses
// to with production keys.
package fault

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
)

// Hit is called at every point that is reached: n counts them from 1, and point names the place and who came by.
type Hit func(n int64, point string)

type plan struct {
	hit   Hit
	count atomic.Int64
}

var armed atomic.Pointer[plan]

// ErrArmed says that the points are armed already.
var ErrArmed = errors.New("the fault points are armed already")

// Arm makes every point call hit until disarm is called. Points are reached by whoever comes by, so hit may be called by several goroutines at once.
func Arm(hit Hit) (disarm func(), err error) {
	p := &plan{hit: hit}
	if !armed.CompareAndSwap(nil, p) {
		return nil, ErrArmed
	}
	return func() { armed.CompareAndSwap(p, nil) }, nil
}

// Armed tells whether the points are armed.
func Armed() bool { return armed.Load() != nil }

// Point is a place where a process may die.
func Point(name string) {
	if p := armed.Load(); p != nil {
		p.hit(p.count.Add(1), name+caller())
	}
}

// caller names the nearest function above the store, whose transactions are everybody's.
func caller() string {
	var places [16]uintptr
	n := runtime.Callers(3, places[:])
	frames := runtime.CallersFrames(places[:n])
	for {
		f, more := frames.Next()
		name := f.Function[strings.LastIndexByte(f.Function, '/')+1:]
		if !strings.HasPrefix(name, "store.") {
			return fmt.Sprintf(" [%s]", name)
		}
		if !more {
			return ""
		}
	}
}
