// Package redacttest holds texts with secrets, and texts that only look like it, for the tests of
// whatever must let no secret pass.
package redacttest

import (
	_ "embed" // for the corpus
	"strings"
)

// A Case is a text and what has to be left of it.
type Case struct {
	// Text is what goes in.
	Text string
	// Want is what comes out; Text itself if there is no secret in it.
	Want string
}

// Harmless reports whether the text has no secret in it.
func (c Case) Harmless() bool { return c.Text == c.Want }

//go:embed corpus.txt
var corpus string

var unfold = strings.NewReplacer("⏎", "\n", "␍", "\r", "␉", "\t", "~", "")

// Corpus returns all cases.
func Corpus() (cases []Case) {
	for line := range strings.Lines(corpus) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		text, want, secret := strings.Cut(unfold.Replace(line), " ⇒ ")
		if !secret {
			want = text
		}
		cases = append(cases, Case{Text: text, Want: want})
	}
	return cases
}
