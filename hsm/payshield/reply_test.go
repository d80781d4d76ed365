package payshield

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"platen/hsm/thales"
)

func waiting() *awaited {
	return &awaited{trailer: "00112233445566778", command: command{name: "CW", fits: func(f string) bool { return isDecimal(f, 3) }}}
}

func TestOnlyTheWholeAnswerToTheCommandIsTaken(t *testing.T) {
	end := delimiter + waiting().trailer
	for text, want := range map[string]bool{
		"CX00561" + end: true, "CX10" + end: true, "CX00561": false, "CX0056" + end: false, "CX005613" + end: false, "CX0056A" + end: false,
		"CZ00561" + end: false, "CX" + end: false, "CX\x00\x00" + end: false, "CX00561" + end + "0": false, "CX00561" + delimiter + "00112233445566779": false, "": false, end: false,
	} {
		if _, err := waiting().answer(text); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzReplies reads any bytes as a module's answers: no panic, and what is taken is exactly what a module would have to send.
func FuzzReplies(f *testing.F) {
	frame := func(header, text string) string {
		out, err := thales.Frame(header, text)
		if err != nil {
			f.Fatal(err)
		}
		return string(out)
	}
	end := delimiter + waiting().trailer
	good := frame("0001", "CX00561"+end)
	for _, seed := range []string{
		"", good, good + good, good[:9], frame("0002", "CX00561"+end), frame("0001", "CX15"+end), frame("0001", "CX0056"+end), frame("0001", "JB0012345"+end),
		frame("0001", "CX00561"), "\x00\x00", "\x00\x03abc", "\xff\xff" + good, frame("0001", "CX00561%01"+end), frame("~~~~", "ND00"+strings.Repeat("F", 16)),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		r, buffer := bufio.NewReader(bytes.NewReader(input)), make([]byte, maxReply)
		for {
			message, err := readMessage(r, buffer, 8)
			if err != nil {
				return
			}
			header, text := string(message[:4]), string(message[4:])
			reply, err := waiting().answer(text)
			if err != nil {
				continue
			}
			if again := frame(header, reply.Command+reply.Error+reply.Fields+end); !bytes.Contains(input, []byte(again)) {
				t.Fatal("something else was taken than was sent")
			}
			if reply.Error == "00" && !isDecimal(reply.Fields, 3) {
				t.Fatal("malformed fields were taken")
			}
		}
	})
}
