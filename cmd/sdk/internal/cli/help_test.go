package cli_test

import (
	"strings"
	"testing"
)

func TestEachCommandHasHelpWithAnExample(t *testing.T) {
	for _, name := range []string{"new", "upgrade", "doctor", "version"} {
		for _, args := range [][]string{{"help", name}, {name, "-h"}, {name, "--help"}} {
			code, out, errs := sdk(t, t.TempDir(), args...)
			if code != 0 || errs != "" || !strings.HasPrefix(out, "usage: sdk "+name) || !strings.Contains(out, "\n  ") {
				t.Errorf("%v: exit %d, %q %q", args, code, out, errs)
			}
			for line := range strings.Lines(out) {
				if len([]rune(line)) > 122 {
					t.Errorf("%s: the line is too long: %s", name, line)
				}
			}
		}
	}
}

func TestHelpAndErrorsOfTheCommandItself(t *testing.T) {
	for _, test := range []struct {
		args        []string
		code        int
		out, stderr string
	}{
		{[]string{}, 2, "", "sdk new github.com/acme/orders"},
		{[]string{"help"}, 0, "sdk upgrade", ""},
		{[]string{"help", "nwe"}, 2, "", `no command "nwe"`},
		{[]string{"nwe"}, 2, "", `no command "nwe"`},
		{[]string{"version"}, 0, "sdk ", ""},
		{[]string{"--version"}, 0, "sdk ", ""},
		{[]string{"version", "x"}, 2, "", "too many"},
	} {
		code, out, errs := sdk(t, t.TempDir(), test.args...)
		if code != test.code || !strings.Contains(out, test.out) || !strings.Contains(errs, test.stderr) {
			t.Errorf("%v: exit %d, %q %q", test.args, code, out, errs)
		}
		if strings.Contains(out+errs, "\x1b") {
			t.Errorf("%v: colours, and no terminal", test.args)
		}
	}
}
