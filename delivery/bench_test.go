package delivery_test

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"platen/delivery"
	"platen/testbed"
)

const (
	benchBytes  = 600_000_000
	benchRounds = 5
	roundTrip   = 20 * time.Millisecond
	benchCipher = "aes256-gcm@openssh.com" // what our client prefers and OpenSSH's takes when told to
)

// BenchmarkUpload delivers 600 MB to OpenSSH on loopback, side by side with OpenSSH's own sftp in batch mode: the same file, cipher, server and fsync, in turns. It prints medians of each
// and their ratio, once directly and once with a round trip of 20 ms. Reading the upload back, which sftp does not do, is measured apart.
func BenchmarkUpload(b *testing.B) {
	program, err := exec.LookPath("sftp")
	if err != nil {
		b.Fatal("OpenSSH's sftp is not installed: apt-get install -y openssh-client")
	}
	server := testbed.SSHD(b)
	bench := &uploadBench{b: b, server: server, sftp: program, file: filepath.Join(b.TempDir(), "file"), login: filepath.Join(b.TempDir(), "login"), hosts: filepath.Join(b.TempDir(), "hosts")}
	bench.prepare()
	for _, link := range []struct {
		name  string
		delay time.Duration
	}{{"loopback", 0}, {"20ms", roundTrip}} {
		b.Run(link.name, func(b *testing.B) {
			bench.b = b
			addr := server.Addr
			if link.delay > 0 {
				addr = startSlowLink(b, server.Addr, link.delay/2)
			}
			var ours, theirs, proved, oursCPU, theirsCPU []float64
			for range b.N * benchRounds {
				took, cpu := bench.theirs(addr)
				theirs, theirsCPU = append(theirs, took), append(theirsCPU, cpu)
				took, cpu = bench.ours(addr, false)
				ours, oursCPU = append(ours, took), append(oursCPU, cpu)
				took, _ = bench.ours(addr, true)
				proved = append(proved, took)
			}
			b.ReportMetric(median(ours), "s/upload")
			b.ReportMetric(median(theirs), "s/sftp")
			b.ReportMetric(median(ours)/median(theirs), "upload/sftp")
			b.ReportMetric(median(oursCPU)/median(theirsCPU), "cpu/cpu-of-sftp")
			b.ReportMetric(median(proved)/median(theirs), "upload+readback/sftp")
			b.ReportMetric(benchBytes/median(ours)/1e6, "MB/s")
		})
	}
}

type uploadBench struct {
	b                        testing.TB
	server                   *testbed.SSHServer
	sftp, file, login, hosts string
	sum                      [32]byte
	turn                     int
}

func (u *uploadBench) must(err error) {
	u.b.Helper()
	if err != nil {
		u.b.Fatal(err)
	}
}

func (u *uploadBench) prepare() {
	f, err := os.Create(u.file)
	u.must(err)
	sum := sha256.New()
	_, err = io.CopyN(io.MultiWriter(f, sum), rand.Reader, benchBytes)
	u.must(err)
	u.must(f.Close())
	u.sum = [32]byte(sum.Sum(nil))
	u.must(os.WriteFile(u.login, u.server.IdentityPEM, 0o600))
}

// deliver makes room, runs one upload and returns its seconds.
func (u *uploadBench) deliver(upload func(name string)) float64 {
	u.turn++
	name := fmt.Sprintf("bench_%d.bin", u.turn)
	start := time.Now()
	upload(name)
	took := time.Since(start).Seconds()
	full := filepath.Join(u.server.Root, "in", name)
	info, err := os.Stat(full)
	u.must(err)
	if info.Size() != benchBytes {
		u.b.Fatalf("%d bytes arrived", info.Size())
	}
	u.must(os.Remove(full))
	return took
}

// theirs returns the seconds that sftp took, and those of the processors that it and its ssh used.
func (u *uploadBench) theirs(addr string) (took, cpu float64) {
	host, port, err := net.SplitHostPort(addr)
	u.must(err)
	key := strings.Fields(u.server.HostKey)
	u.must(os.WriteFile(u.hosts, []byte(fmt.Sprintf("[%s]:%s %s %s\n", host, port, key[0], key[1])), 0o600))
	took = u.deliver(func(name string) {
		full := filepath.Join(u.server.Root, "in", name)
		cmd := exec.Command(u.sftp, "-q", "-b", "-", "-c", benchCipher, "-P", port, "-i", u.login, "-o", "UserKnownHostsFile="+u.hosts, "-o", "StrictHostKeyChecking=yes",
			"-o", "IdentitiesOnly=yes", "-F", "none", u.server.User+"@"+host)
		cmd.Stdin = strings.NewReader(fmt.Sprintf("put -f %s %s.part\nrename %s.part %s\n", u.file, full, full, full))
		if out, err := cmd.CombinedOutput(); err != nil {
			u.b.Fatalf("sftp: %v\n%s", err, out)
		}
		cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	})
	return took, cpu
}

// ours returns the seconds that Send took, and those of the processors that it used, the delaying link's among them.
func (u *uploadBench) ours(addr string, readBack bool) (took, cpu float64) {
	before := u.processorTime()
	took = u.deliver(func(name string) {
		target := opensshTarget(u.server)
		target.Address, target.Concurrency, target.NoReadBack = addr, 64, !readBack
		temp, err := delivery.TempName(name, "bench", "")
		u.must(err)
		_, err = delivery.Send(u.b.Context(), target, delivery.Upload{FinalName: name, TempName: temp, Size: benchBytes, SHA256: u.sum,
			Open: func() (io.ReadCloser, error) { return os.Open(u.file) }})
		u.must(err)
	})
	return took, u.processorTime() - before
}

// processorTime is how many seconds of the processors this process has used.
func (u *uploadBench) processorTime() float64 {
	var used syscall.Rusage
	u.must(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// startSlowLink passes connections on and lets every byte arrive later by delay, however many are under way.
func startSlowLink(t testing.TB, to string, delay time.Duration) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			running.Go(func() { late(server, client, delay) })
			running.Go(func() { late(client, server, delay) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

// late copies from one end to the other; each piece waits until it is due.
func late(to, from net.Conn, delay time.Duration) {
	type piece struct {
		due  time.Time
		data []byte
	}
	under := make(chan piece, 8192)
	var writing sync.WaitGroup
	writing.Go(func() {
		for p := range under {
			if wait := time.Until(p.due); wait > 0 {
				<-time.After(wait)
			}
			if _, err := to.Write(p.data); err != nil {
				_ = from.Close()
			}
		}
		_ = to.Close()
	})
	for {
		data := make([]byte, 64<<10)
		n, err := from.Read(data)
		if n > 0 {
			under <- piece{time.Now().Add(delay), data[:n]}
		}
		if err != nil {
			break
		}
	}
	close(under)
	writing.Wait()
}
