//go:build unix

package logging

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// durable returns a writer to f that gets an error where f is a broken pipe. The runtime ends a program
// that writes to a broken standard output through os.Stdout (package os/signal, SIGPIPE), so that a
// restart of what collects the lines would end the service.
func durable(f *os.File) io.Writer {
	conn, err := f.SyscallConn()
	if err != nil {
		return f
	}
	d := &durableFile{conn: conn}
	d.step = d.writeSome
	return d
}

// durableFile is used by one goroutine at a time.
type durableFile struct {
	conn syscall.RawConn
	rest []byte
	n    int
	err  error
	step func(fd uintptr) bool // writeSome, which then needs no memory
}

// Write implements [io.Writer].
func (d *durableFile) Write(p []byte) (int, error) {
	d.rest, d.n, d.err = p, 0, nil
	err := d.conn.Write(d.step)
	d.rest = nil
	return d.n, errors.Join(err, d.err)
}

func (d *durableFile) writeSome(fd uintptr) bool {
	for len(d.rest) > 0 {
		n, err := syscall.Write(int(fd), d.rest)
		if n > 0 {
			d.n += n
			d.rest = d.rest[n:]
		}
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			time.Sleep(time.Millisecond) // somebody who shares the terminal has made it non-blocking
		case err != nil:
			d.err = os.NewSyscallError("write", err)
			return true
		case n == 0:
			d.err = io.ErrUnexpectedEOF
			return true
		}
	}
	return true
}
