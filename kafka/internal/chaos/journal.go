package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// A journal is the file in which a consumer process notes what its handler did.
// Each note is one write to a file that is only appended to, before the handler
// returns: what the system has taken survives the process.
type journal struct{ file *os.File }

// handling is one success of a handler. The times are of the machine's clock,
// which all processes share.
type handling struct {
	place
	key, seq   int
	begin, end int64 // Unix time in nanoseconds
	by         *process
}

// place is where a record is in the topic.
type place struct {
	partition int32
	offset    int64
}

func openJournal(name string) (journal, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	return journal{file}, err
}

// note is safe for concurrent use.
func (j journal) note(h handling) error {
	line := make([]byte, 0, 80)
	for _, number := range []int64{int64(h.partition), h.offset, int64(h.key), int64(h.seq), h.begin, h.end} {
		line = append(strconv.AppendInt(line, number, 10), ' ')
	}
	line[len(line)-1] = '\n'
	_, err := j.file.Write(line)
	return err
}

// readJournal returns the notes of a process. A last line without an end is from
// a handler that never returned.
func readJournal(name string, by *process) ([]handling, error) {
	text, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		return nil, nil // It was killed before it could open the file.
	}
	if err != nil {
		return nil, err
	}
	var all []handling
	for line := range bytes.Lines(text) {
		if line[len(line)-1] != '\n' {
			break
		}
		h := handling{by: by}
		_, err := fmt.Sscan(string(line), &h.partition, &h.offset, &h.key, &h.seq, &h.begin, &h.end)
		if err != nil {
			return nil, fmt.Errorf("%s: line %q: %w", name, line, err)
		}
		all = append(all, h)
	}
	return all, nil
}
