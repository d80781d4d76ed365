package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"platen/delivery"
)

// afterABreak checks what must hold after a cut, and then carries on as a worker does: probe what is in doubt, send what is proved
// not to be delivered. In the end the file is there whole; beside it there is at most the temporary file of a request that the server
// carried out after its connection was gone.
func afterABreak(t *testing.T, root string, target delivery.Target, b []byte, err error) {
	t.Helper()
	var e *delivery.Error
	if !errors.As(err, &e) {
		t.Fatalf("the error %v has no outcome", err)
	}
	u := upload(t, b, 1)
	if e.Outcome == delivery.InDoubt {
		result, err := delivery.Probe(t.Context(), target, finalName, []int64{int64(len(b))}, u.EarlierTemps)
		if err != nil {
			t.Fatal(err)
		}
		if result.AtFinal == result.TempsDeleted {
			t.Fatalf("neither delivered nor proved not to be: %+v", result)
		}
		if got := atFinal(t, root); result.AtFinal != (got != nil) {
			t.Fatalf("probe %+v, but the file at the final name has %d bytes", result, len(got))
		}
	} else if got := atFinal(t, root); got != nil {
		t.Fatalf("called not delivered, but %d bytes stand at the final name: %v", len(got), err)
	}
	if got := atFinal(t, root); got == nil {
		if _, err := delivery.Send(t.Context(), target, u); err != nil {
			t.Fatalf("the next attempt: %v", err)
		}
	}
	if got := atFinal(t, root); !bytes.Equal(got, b) {
		t.Fatalf("%d of %d bytes stand at the final name", len(got), len(b))
	}
	for _, name := range names(t, root, "in") {
		if name != finalName && !delivery.Unfinished(name) {
			t.Errorf("a bureau would take %q for a file", name)
		}
	}
}

func TestACutAtAnyMessageNeverLeavesHalfAFileAtTheFinalName(t *testing.T) {
	for _, after := range []bool{false, true} {
		name := map[bool]string{false: "message lost", true: "answer lost"}[after]
		t.Run(name, func(t *testing.T) {
			b := content(t, 80_000)
			inDoubt := 0
			for n := 1; ; n++ {
				server := startFaultyServer(t)
				server.misbehave(faults{cutAt: n, cutAfter: after})
				renaming := false
				u := upload(t, b, 0)
				u.BeforeRename = func(context.Context) error { renaming = true; return nil }
				_, err := delivery.Send(t.Context(), server.target(), u)
				server.misbehave(faults{})
				if err == nil {
					if n < 8 {
						t.Fatalf("only %d messages", n)
					}
					wantOnly(t, server.root, b)
					break
				}
				if delivery.IsInDoubt(err) {
					inDoubt++
					if !renaming {
						t.Fatalf("in doubt before the caller was told: %v", err)
					}
				}
				afterABreak(t, server.root, server.target(), b, err)
			}
			if inDoubt == 0 {
				t.Error("no cut ever came at the rename")
			}
		})
	}
}

// cuttingProxy passes budget bytes of a connection to the server and then cuts it, or falls silent.
type cuttingProxy struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu     sync.Mutex
	budget int64
	silent chan struct{} // when it is set, the end of the budget is silence until it is closed
}

func startProxy(t *testing.T, to string) *cuttingProxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &cuttingProxy{listener: listener, to: to, budget: 1 << 40}
	p.running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.pass(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.running.Wait()
	})
	return p
}

func (p *cuttingProxy) set(budget int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.budget = budget
}

func (p *cuttingProxy) pass(client net.Conn) {
	p.mu.Lock()
	budget, silent := p.budget, p.silent
	p.mu.Unlock()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = client.Close()
		return
	}
	cut := func() {
		_ = client.Close()
		_ = server.Close()
	}
	var both sync.WaitGroup
	both.Go(func() {
		if n, _ := io.CopyN(server, client, budget); n == budget && silent != nil {
			<-silent
		}
		cut()
	})
	both.Go(func() {
		_, _ = io.Copy(client, server)
		cut()
	})
	both.Wait()
}

func TestACutAtAnyByteNeverLeavesHalfAFile(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		proxy := startProxy(t, server.Addr)
		direct := server.target()
		target := server.target()
		target.Address = proxy.listener.Addr().String()
		b := content(t, 40_000)
		for budget, step := int64(0), int64(997); ; budget += step {
			proxy.set(budget)
			_, err := delivery.Send(t.Context(), target, upload(t, b, 0))
			if err == nil {
				wantOnly(t, server.Root, b)
				return
			}
			if budget > 1<<20 {
				t.Fatalf("a megabyte is not enough for 40 kB: %v", err)
			}
			if budget > 40_000 {
				step = 61 // the end of the conversation holds the interesting messages
			}
			afterABreak(t, server.Root, direct, b, err)
			for _, name := range names(t, server.Root, "in") {
				if err := os.Remove(filepath.Join(server.Root, "in", name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestAServerThatFallsSilentIsGivenUp(t *testing.T) {
	onEveryServer(t, func(t *testing.T, server place) {
		proxy := startProxy(t, server.Addr)
		proxy.silent = make(chan struct{})
		t.Cleanup(sync.OnceFunc(func() { close(proxy.silent) })) // before the proxy waits for its connections
		b := content(t, 400_000)
		for name, budget := range map[string]int64{"while it is asked for its key": 0, "while the file is written": 100_000} {
			t.Run(name, func(t *testing.T) {
				proxy.set(budget)
				target := server.target()
				target.Address = proxy.listener.Addr().String()
				target.Stall = 500 * time.Millisecond
				_, err := delivery.Send(t.Context(), target, upload(t, b, 0))
				if code := delivery.Code(err); delivery.IsInDoubt(err) || code != delivery.CodeConnectionLost && code != delivery.CodeUnreachable {
					t.Fatalf("error %v", err)
				}
				if atFinal(t, server.Root) != nil {
					t.Error("there is a file at the final name")
				}
			})
		}
	})
}
