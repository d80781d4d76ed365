package faults_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// beginCrashes rehearses deaths of PostgreSQL: the process is stopped at a fault point, all of the server is killed, and either wakes first.
func beginCrashes(t *testing.T, made *presses) (func(string) (int, violations), func() []string) {
	p, r := made.recorded(t, true)
	cases := func() (all []string) {
		for i := range 110 {
			first := "the-process"
			if fraction(made.seed, "wakes", i) < 0.5 {
				first = "the-server"
			}
			all = append(all, fmt.Sprintf("%d/%s-wakes-first", 1+int(fraction(made.seed, "crash", i)*float64(r.total())), first))
		}
		return all
	}
	return func(c string) (int, violations) {
		at, first, _ := strings.Cut(c, "/")
		return p.stopped(r, at, func(resume func()) {
			must(t, p.server.cluster.Kill())
			if strings.HasPrefix(first, "the-process") {
				resume()
			}
			must(t, p.server.cluster.Restart())
			resume()
		})
	}, cases
}

// beginCommitCuts rehearses commits whose reply is lost: the server has done it, and the process cannot know.
func beginCommitCuts(t *testing.T, made *presses) (func(string) (int, violations), func() []string) {
	p, r := made.recorded(t, true)
	proxy := startMute(t, p.database)
	return func(c string) (int, violations) {
		p.through = proxy.address
		defer func() { p.through = nil }()
		n, v := p.stopped(r, c, func(resume func()) {
			proxy.mute.Store(true)
			resume()
		})
		if proxy.mute.Swap(false) {
			n = 0 // nothing came back that could have been lost
		}
		return n, v
	}, func() []string { return commits(r, made.seed, 130) }
}

// commits draws count commits of a life, among them at least one of each place that commits.
func commits(r recording, seed string, count int) []string {
	kinds := map[string][]int{}
	var names []string
	n := 0
	for _, list := range r.points {
		for _, name := range list {
			if n++; strings.HasPrefix(name, "commit [") {
				if kinds[name] == nil {
					names = append(names, name)
				}
				kinds[name] = append(kinds[name], n)
			}
		}
	}
	var all []string
	for i := 0; len(all) < count; i++ {
		for _, name := range names {
			list := kinds[name]
			c := strconv.Itoa(list[int(fraction(seed, name, i)*float64(len(list)))])
			if !slices.Contains(all, c) && len(all) < count {
				all = append(all, c)
			}
		}
		if i > 100*count {
			break // there are not so many
		}
	}
	return all
}

// stopped rehearses a case in which the process stands still at a fault point while something else breaks.
func (p *press) stopped(r recording, at string, breaks func(resume func())) (int, violations) {
	p.t.Helper()
	n, err := strconv.Atoi(at)
	must(p.t, err)
	stage, point := r.at(n)
	p.back(r, stage)
	injected := 0
	cmd, wait := p.start(fmt.Sprint("stop@", point), r.stages[stage].args...)
	if p.untilStopped(cmd.Process.Pid) {
		injected = 1
		breaks(sync.OnceFunc(func() { must(p.t, cmd.Process.Signal(syscall.SIGCONT)) }))
	}
	o := wait()
	if injected == 0 && o.code != 0 {
		return 0, violations{{other, fmt.Sprintf("%s ends with exit code %d\n%s%s", r.stages[stage].name, o.code, o.stdout, o.stderr)}}
	}
	p.bury()
	p.pardon()
	v := p.goOn(r, stage)
	return injected, append(v, p.prove(r.journal, p.close())...)
}

// pardon ends the pauses that failures have earned, which would end by themselves.
func (p *press) pardon() {
	p.t.Helper()
	s := p.store()
	for _, table := range []string{"files", "bureau_links"} {
		_, err := s.DB().ExecContext(p.t.Context(), `UPDATE `+table+` SET retry_after = 0`)
		must(p.t, err)
	}
	must(p.t, s.Close())
}

// untilStopped returns true when a process stands still, and false when it has ended.
func (p *press) untilStopped(pid int) bool {
	p.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		body, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		must(p.t, err) // it is not waited for yet, so it is there
		fields := strings.Fields(string(body[strings.LastIndexByte(string(body), ')')+1:]))
		if fields[0] == "T" || fields[0] == "Z" {
			return fields[0] == "T"
		}
	}
	return false
}

// mute is a way to a database server on which the next reply can be lost, together with its connection.
type mute struct {
	to   string
	mute atomic.Bool
	port string
}

func startMute(t testing.TB, database string) *mute {
	t.Helper()
	u, err := url.Parse(database)
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	m := &mute{to: u.Host, port: listener.Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { m.pass(client) })
		}
	})
	t.Cleanup(func() {
		must(t, listener.Close())
		running.Wait()
	})
	return m
}

// address is a database's address through the proxy.
func (m *mute) address(t testing.TB, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	must(t, err)
	u.Host = m.port
	return u.String()
}

func (m *mute) pass(client net.Conn) {
	server, err := net.Dial("tcp", m.to)
	if err != nil {
		_ = client.Close()
		return
	}
	end := sync.OnceFunc(func() {
		_ = client.Close()
		_ = server.Close()
	})
	defer end()
	go func() {
		defer end()
		copyUntil(server, client, func() bool { return false })
	}()
	// What comes back first after the silence has begun is the reply to the commit: the server has carried it out. A connection that is newer than the silence is
	// another process's.
	older := !m.mute.Load()
	copyUntil(client, server, func() bool { return older && m.mute.CompareAndSwap(true, false) })
}

// copyUntil passes bytes on; what stop is asked about and says yes to is lost, and nothing follows it.
func copyUntil(to, from net.Conn, stop func() bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && stop() {
			return
		}
		if _, failed := to.Write(buffer[:n]); errors.Join(err, failed) != nil {
			return
		}
	}
}
