package httpserver

import (
	"bytes"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// written is a connection that keeps what is written.
type written struct {
	net.Conn
	buf bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) { return w.buf.Write(p) }

// Frames of any length, written in pieces of any length, arrive as they were, and GOAWAY between two of them, once, and
// not before the first.
func TestGoAwayGoesBetweenFrames(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var frames [][]byte
		var all []byte
		for range 1 + rng.IntN(20) {
			length := []int{0, 1, 8, 9, 300, 5_000}[rng.IntN(6)]
			frame := append([]byte{byte(length >> 16), byte(length >> 8), byte(length)}, make([]byte, 6+length)...)
			for i := 3; i < len(frame); i++ {
				frame[i] = byte(rng.IntN(256))
			}
			frames = append(frames, frame)
			all = append(all, frame...)
		}
		w := new(written)
		c := &http2Conn{Conn: w}
		asked := rng.IntN(len(all)) // when this much was written
		var asking sync.WaitGroup
		for rest := all; len(rest) > 0; {
			if len(all)-len(rest) >= asked {
				asked = len(all) + 1
				asking.Go(c.goAway)
			}
			k := 1 + rng.IntN(min(len(rest), []int{3, 20, 100_000}[rng.IntN(3)]))
			if n, err := c.Write(rest[:k]); n != k || err != nil {
				t.Fatalf("Write of %d bytes = %d, %v", k, n, err)
			}
			rest = rest[k:]
		}
		asking.Wait()
		got, said := w.buf.Bytes(), 0
		for i, frame := range frames {
			if i > 0 && bytes.HasPrefix(got, []byte(goAwayFrame)) {
				said++
				got = got[len(goAwayFrame):]
			}
			if !bytes.HasPrefix(got, frame) {
				t.Fatalf("frame %d of %d, of %d bytes, is not what was written", i, len(frames), len(frame))
			}
			got = got[len(frame):]
		}
		if string(got) == goAwayFrame {
			said++
		} else if len(got) > 0 {
			t.Fatalf("%d bytes more than were written", len(got))
		}
		if asked > len(all) && said != 1 {
			t.Fatalf("GOAWAY was said %d times", said)
		}
	}
}

// The end waits for what is being said, and begins at any time: also while clients are being asked to leave.
func TestEndWhileClientsAreAskedToLeave(t *testing.T) {
	for range 100 {
		h := newHTTP2Server()
		for range 3 {
			h.open[&http2Conn{Conn: new(written), begun: true}] = struct{}{}
		}
		var asking sync.WaitGroup
		asking.Go(h.goAway)
		if err := h.end(); err != nil {
			t.Fatal(err)
		}
		asking.Wait()
	}
}
