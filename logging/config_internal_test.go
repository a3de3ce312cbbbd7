package logging

import (
	"os"
	"path/filepath"
	"testing"
)

// The null device stands in for a terminal: both are character devices.
func TestLinesAreForPeopleOnATerminalAndColouredUnlessTheyMustNot(t *testing.T) {
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, test := range []struct {
		name          string
		output        *os.File
		noColor, term string
		format        Format
		coloured      bool
	}{
		{"terminal", device, "", "xterm", FormatConsole, true},
		{"NO_COLOR", device, "1", "xterm", FormatConsole, false},
		{"dumb terminal", device, "", "dumb", FormatConsole, false},
		{"file", file, "", "xterm", FormatJSON, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", test.noColor)
			t.Setenv("TERM", test.term)
			cfg, err := Config{Output: test.output}.withDefaults("orders")
			if err != nil {
				t.Fatal(err)
			}
			if got := newOutput(cfg, "orders", nil, os.Getenv); cfg.Format != test.format || got.colour != test.coloured {
				t.Errorf("%v, coloured: %v", cfg.Format, got.colour)
			}
		})
	}
}
