package payshield

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"platen/hsm/thales"
)

// command is a host command and the form of its answer.
type command struct {
	name   string // two characters
	fields string
	warns  bool // 02 is a success: the key is longer than the command foresaw
	fits   func(fields string) bool
}

// delimiter stands between a message and its trailer, which the module sends back unchanged.
const delimiter = "\x19"

// maxReply is the longest answer to any command used here.
const maxReply = 4096

// awaited is a command in flight.
type awaited struct {
	command command
	trailer string
	timer   *time.Timer
	done    chan struct{} // closed when one of the next two is set
	reply   thales.Reply
	err     error
}

// answer takes the answer apart, without its header. Two things must name the command that was sent: the header, by which it was found, and
// the trailer, so that an answer under another's header is not taken.
func (w *awaited) answer(text string) (thales.Reply, error) {
	end := len(text) - len(delimiter) - len(w.trailer)
	if end < 0 || text[end:] != delimiter+w.trailer {
		return thales.Reply{}, &fault{"an answer has not the trailer of its command"}
	}
	reply, ok := thales.ParseReply(text[:end])
	if !ok || reply.Command != thales.ReplyTo(w.command.name) || !isWord(reply.Error) {
		return thales.Reply{}, &fault{"an answer is malformed"}
	}
	if w.succeeded(reply) && w.command.fits != nil && !w.command.fits(reply.Fields) {
		return thales.Reply{}, &fault{"an answer has malformed fields"}
	}
	return reply, nil
}

func (w *awaited) succeeded(reply thales.Reply) bool {
	return reply.Error == "00" || reply.Error == "02" && w.command.warns
}

// readMessage reads one frame: two bytes of length, then as many.
func readMessage(r *bufio.Reader, buffer []byte, least int) ([]byte, error) {
	if _, err := io.ReadFull(r, buffer[:2]); err != nil {
		return nil, &fault{"the connection was closed"}
	}
	n := int(binary.BigEndian.Uint16(buffer))
	if n < least || n > len(buffer) {
		return nil, &fault{"an answer has an impossible length"}
	}
	if _, err := io.ReadFull(r, buffer[:n]); err != nil {
		return nil, &fault{"an answer was cut"}
	}
	return buffer[:n], nil
}

// line is one connection. Its first fault ends it: what it owes fails, and it is never used again.
type line struct {
	conn    net.Conn
	options *Options
	session string
	slots   chan struct{} // one for each command in flight
	out     chan []byte
	dead    chan struct{}
	release func() bool // lets go of the context that ends all lines

	mu      sync.Mutex
	count   uint64
	pending map[string]*awaited // by header
	ended   error
}

// newLine takes a connection over until closed is done.
func newLine(closed context.Context, conn net.Conn, options *Options) *line {
	var random [4]byte
	_, _ = rand.Read(random[:])
	l := &line{
		conn: conn, options: options, session: hex.EncodeToString(random[:]), slots: make(chan struct{}, options.InFlight),
		out: make(chan []byte, options.InFlight), dead: make(chan struct{}), pending: map[string]*awaited{},
	}
	l.release = context.AfterFunc(closed, func() { l.end(&fault{"the module was closed"}) })
	go l.write()
	go l.read()
	return l
}

// do sends a command and waits for its answer. A caller that leaves by its context leaves the answer to be read and forgotten.
func (l *line) do(ctx context.Context, c command) (thales.Reply, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.dead:
		return thales.Reply{}, l.ended
	case <-ctx.Done():
		return thales.Reply{}, ctx.Err()
	}
	w, err := l.send(c)
	if err != nil {
		return thales.Reply{}, err
	}
	select {
	case <-w.done:
		return w.reply, w.err
	case <-ctx.Done():
		return thales.Reply{}, ctx.Err()
	}
}

// send numbers a command and hands it to the writer. Its deadline ends the line: a late answer finds nobody.
func (l *line) send(c command) (*awaited, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil {
		return nil, l.ended
	}
	header := l.header()
	for l.pending[header] != nil {
		header = l.header()
	}
	w := &awaited{command: c, trailer: fmt.Sprintf("%s%016x", l.session, l.count), done: make(chan struct{})}
	text := c.name + c.fields
	if l.options.LMK != "" {
		text += "%" + l.options.LMK
	}
	frame, err := thales.Frame(header, text+delimiter+w.trailer)
	if err != nil {
		<-l.slots
		return nil, err
	}
	w.timer = time.AfterFunc(l.options.Timeout, func() { l.end(&fault{"an answer is late"}) })
	l.pending[header] = w
	l.out <- frame // has room for every slot
	return w, nil
}

// header is the next number in the width of a header, hexadecimal.
func (l *line) header() string {
	l.count++
	digits := fmt.Sprintf("%0*X", l.options.Header, l.count)
	return digits[len(digits)-l.options.Header:]
}

func (l *line) write() {
	w := bufio.NewWriter(l.conn)
	for {
		select {
		case <-l.dead:
			return
		case frame := <-l.out:
			_ = l.conn.SetWriteDeadline(time.Now().Add(l.options.Timeout))
			_, err := w.Write(frame)
			if err == nil && len(l.out) == 0 {
				err = w.Flush()
			}
			if err != nil {
				l.end(&fault{"a command could not be sent"})
				return
			}
		}
	}
}

func (l *line) read() {
	r, buffer := bufio.NewReader(l.conn), make([]byte, maxReply)
	for {
		message, err := readMessage(r, buffer, l.options.Header+4)
		if err == nil {
			err = l.settle(string(message[:l.options.Header]), string(message[l.options.Header:]))
		}
		if err != nil {
			l.end(err)
			return
		}
	}
}

// settle gives an answer to the command of its header.
func (l *line) settle(header, text string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.pending[header]
	if l.ended != nil || w == nil {
		return &fault{"an answer belongs to no command"}
	}
	reply, err := w.answer(text)
	if err != nil {
		return err
	}
	delete(l.pending, header)
	w.timer.Stop()
	w.reply = reply
	close(w.done)
	<-l.slots
	return nil
}

// end drops the connection and fails what is in flight.
func (l *line) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil {
		return
	}
	l.ended = err
	close(l.dead)
	l.release()
	_ = l.conn.Close()
	for _, w := range l.pending {
		w.timer.Stop()
		w.err = err
		close(w.done)
	}
	clear(l.pending)
}

func (l *line) alive() bool {
	select {
	case <-l.dead:
		return false
	default:
		return true
	}
}
