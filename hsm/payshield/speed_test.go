package payshield_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"platen/card"
	"platen/hsm"
	"platen/hsm/conformance"
	"platen/hsm/payshield"
	"platen/hsm/payshield/mock"
	"platen/hsm/thales"
)

const (
	ceiling     = 2500 // commands a second
	connections = 4    // of the client, as it has by itself, and of the peer
	turns       = 5
	perTurn     = 3 * ceiling
)

// BenchmarkCodesAtALicensedSpeed tells what part of a module's 2,500 commands a second the client gets with one call of many cards, and beside it, in
// turns and from the same mock, what a plain peer gets, which sends the same commands ready-made and counts the answers.
func BenchmarkCodesAtALicensedSpeed(b *testing.B) {
	server := mock.Start(b, mock.Options{PerSecond: ceiling})
	in, messages := licensedWork(b)
	m := newModule(b, payshield.Options{Connections: connections}, server)
	peer := newPeer(b, server.Address())
	out := card.NewSecrets(len(in), 3)
	client := func() error { return m.Codes(context.Background(), card.KeyRef{Label: conformance.CVK}, in, out) }
	if err := m.Ready(context.Background()); err != nil {
		b.Fatal(err)
	}
	var ofCeiling, peerOfCeiling, ofPeer []float64
	for b.Loop() {
		for range turns {
			c, p := speed(b, client), speed(b, func() error { return peer.run(messages) })
			ofCeiling, peerOfCeiling, ofPeer = append(ofCeiling, c/ceiling), append(peerOfCeiling, p/ceiling), append(ofPeer, c/p)
		}
	}
	for unit, all := range map[string][]float64{"of-ceiling": ofCeiling, "peer-of-ceiling": peerOfCeiling, "of-peer": ofPeer} {
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2], unit)
	}
}

// speed is how many commands a second a way of working has.
func speed(b *testing.B, run func() error) float64 {
	b.Helper()
	began := time.Now()
	if err := run(); err != nil {
		b.Fatal(err)
	}
	return perTurn / time.Since(began).Seconds()
}

// licensedWork is what the client is asked for, and the same as messages.
func licensedWork(b *testing.B) ([]hsm.CodeRequest, []byte) {
	b.Helper()
	keys := testKeys(b)
	cvk := keys[slices.IndexFunc(keys, func(k payshield.Key) bool { return k.Label == conformance.CVK })].Value
	in := make([]hsm.CodeRequest, perTurn)
	var messages []byte
	for i := range in {
		payload := fmt.Appendf(nil, "400000%09d", i)
		pan, err := card.NewPAN(append(payload, card.CheckDigit(payload)))
		if err != nil {
			b.Fatal(err)
		}
		in[i] = hsm.CodeRequest{PAN: pan, Expiry: card.Expiry{Year: 2030, Month: 1}, ServiceCode: [3]byte{'2', '0', '1'}}
		frame, err := thales.Frame("0001", "CW"+cvk+string(pan.Reveal())+";3001201")
		if err != nil {
			b.Fatal(err)
		}
		messages = append(messages, frame...)
	}
	return in, messages
}

// peer is the least that can speak to a module: it writes what it was given without waiting and takes nothing apart.
type peer struct{ conns []net.Conn }

func newPeer(b *testing.B, address string) peer {
	b.Helper()
	var p peer
	for range connections {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		p.conns = append(p.conns, conn)
	}
	return p
}

// run sends messages of one length over all connections and waits until each is answered with a success.
func (p peer) run(messages []byte) error {
	var all errgroup.Group
	size := len(messages) / perTurn
	share := perTurn / len(p.conns)
	for i, conn := range p.conns {
		mine := messages[i*share*size : (i+1)*share*size]
		all.Go(func() error {
			_, err := conn.Write(mine)
			return err
		})
		all.Go(func() error { return count(conn, share) })
	}
	return all.Wait()
}

func count(r io.Reader, n int) error {
	in, buffer := bufio.NewReader(r), make([]byte, 64)
	for range n {
		if _, err := io.ReadFull(in, buffer[:2]); err != nil {
			return err
		}
		size := min(int(binary.BigEndian.Uint16(buffer)), len(buffer))
		if _, err := io.ReadFull(in, buffer[:size]); err != nil {
			return err
		}
		if !bytes.HasPrefix(buffer[:size], []byte("0001CX00")) {
			return errors.New("an answer is no success")
		}
	}
	return nil
}
