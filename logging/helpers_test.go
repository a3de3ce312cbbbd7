package logging_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/backend-platform/sdk/internal/locked"
	"github.com/backend-platform/sdk/logging"
)

// lines is an output that many goroutines may read and write.
type lines struct{ locked.Buffer }

// all returns every line, decoded; a line that is no JSON, or has one key twice, fails the test.
func (l *lines) all(tb testing.TB) []map[string]any {
	tb.Helper()
	var all []map[string]any
	for line := range strings.Lines(l.String()) {
		v, err := decode(line)
		if err != nil {
			tb.Fatalf("%v in line %s", err, line)
		}
		all = append(all, v.(map[string]any))
	}
	return all
}

func (l *lines) last(tb testing.TB) map[string]any {
	tb.Helper()
	all := l.all(tb)
	if len(all) == 0 {
		tb.Fatal("nothing was written")
	}
	return all[len(all)-1]
}

// fields is the last line without what every line has.
func (l *lines) fields(tb testing.TB) map[string]any {
	tb.Helper()
	fields := l.last(tb)
	for _, key := range []string{"timestamp", "severity_text", "body", "code.file.path", "code.line.number", "service.name"} {
		delete(fields, key)
	}
	return fields
}

func newLogger(tb testing.TB, cfg logging.Config) (*zap.Logger, *lines) {
	tb.Helper()
	out := &lines{}
	cfg.Output = out
	l, err := logging.New("orders", cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return l, out
}

// decode is encoding/json, but two members of one name are an error.
func decode(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	v, err := decodeValue(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("more than one value: %w", err)
	}
	return v, nil
}

func decodeValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return decodeObject(d)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := decodeValue(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	return token, nil
}

func decodeObject(d *json.Decoder) (any, error) {
	object := map[string]any{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := key.(string)
		if _, taken := object[name]; taken {
			return nil, fmt.Errorf("key %q stands there twice", name)
		}
		if object[name], err = decodeValue(d); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return object, err
}
