package certs

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Interval is how often files are looked at, at most. Renewals come days ahead, and a handshake must
// not pay for a slow disk often.
const Interval = 10 * time.Second

// maxFile bounds what is read of a file, in bytes.
const maxFile = 1 << 20

// files is what was last read from files that belong together.
type files[T any] struct {
	what   string
	names  []string
	parse  func(contents [][]byte) (*T, error)
	logger *slog.Logger

	current atomic.Pointer[T]
	next    atomic.Int64 // Unix nanoseconds: not looked at before

	mu      sync.Mutex        // held while the files are looked at
	sum     [sha256.Size]byte // of the contents that current was made from; a key is not kept twice
	refused string            // what the log said last; "": nothing since current was taken
}

// first reads the files for the first time.
func (f *files[T]) first() error {
	f.next.Store(time.Now().Add(Interval).UnixNano())
	sum, value, err := f.load()
	if err != nil {
		return fmt.Errorf("read %s: %w", f.what, err)
	}
	f.sum = sum
	f.current.Store(value)
	return nil
}

// get returns what is in use. One caller at a time looks at the files; the others do not wait for it.
func (f *files[T]) get() *T {
	if now := time.Now(); now.UnixNano() >= f.next.Load() && f.mu.TryLock() {
		defer f.mu.Unlock()
		f.next.Store(now.Add(Interval).UnixNano())
		f.look()
	}
	return f.current.Load()
}

func (f *files[T]) look() {
	contents, err := f.read()
	if err == nil && sumOf(contents) == f.sum {
		f.refused = ""
		return
	}
	// Read once more: the files may have been replaced between the one and the other.
	sum, value, err := f.load()
	if err != nil {
		f.refuse(err)
		return
	}
	f.sum, f.refused = sum, ""
	f.current.Store(value)
	f.log().Info(f.what+" replaced", "files", f.names)
}

// refuse tells of each reason once.
func (f *files[T]) refuse(err error) {
	if reason := err.Error(); f.refused != reason {
		f.refused = reason
		f.log().Warn(f.what+" not replaced: the old one stays in use", "files", f.names, "error", err)
	}
}

func (f *files[T]) load() (sum [sha256.Size]byte, value *T, err error) {
	contents, err := f.read()
	if err != nil {
		return sum, nil, err
	}
	value, err = f.parse(contents)
	return sumOf(contents), value, err
}

func sumOf(contents [][]byte) [sha256.Size]byte {
	h := sha256.New()
	for _, content := range contents {
		part := sha256.Sum256(content)
		h.Write(part[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (f *files[T]) read() ([][]byte, error) {
	contents := make([][]byte, len(f.names))
	for i, name := range f.names {
		var err error
		if contents[i], err = readFile(name); err != nil {
			return nil, err
		}
	}
	return contents, nil
}

func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s: has more than %d bytes", name, maxFile)
	}
	return content, err
}

func (f *files[T]) log() *slog.Logger {
	if f.logger != nil {
		return f.logger
	}
	return slog.Default()
}
