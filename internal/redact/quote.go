package redact

// backslashes returns how many backslashes begin at i.
func (sc *scanner) backslashes(i int) int {
	s, n := sc.s, 0
	for i+n < len(s) && s[i+n] == '\\' {
		n++
	}
	sc.looked += n
	return n
}

// backslashesBefore returns how many backslashes end at i.
func (sc *scanner) backslashesBefore(i int) int {
	s, n := sc.s, 0
	for n < i && s[i-n-1] == '\\' {
		n++
	}
	sc.looked += n
	return n
}

// quoted returns the end of the text that begins at i, after a quote with as many backslashes before
// it as escapes says: none in JSON, one in JSON within JSON, three in the next.
func (sc *scanner) quoted(i int, quote byte, escapes int) int {
	s, run := sc.s, 0 // of backslashes before j
	for j := i; j < len(s); j++ {
		sc.looked++
		switch {
		case s[j] == '\\':
			run++
			continue
		case s[j] == quote && closes(run, escapes):
			return j - min(run, escapes)
		}
		run = 0
	}
	return len(s)
}

// closes reports whether a quote behind a run of backslashes ends what a quote with escapes began.
// Each level doubles the backslashes and adds one for the quote. With fewer, an outer text ends.
func closes(run, escapes int) bool {
	return run < escapes || run%(2*escapes+2) == escapes
}

// restOfLine is [quoted] that ends with its line as well, also where line breaks are written \r\n.
func (sc *scanner) restOfLine(i int, quote byte, escapes int) int {
	s, run := sc.s, 0
	for j := i; j < len(s); j++ {
		sc.looked++
		switch {
		case s[j] == '\n' || s[j] == '\r':
			return j
		case s[j] == '\\':
			if j+4 <= len(s) && s[j:j+4] == `\r\n` {
				return j
			}
			run++
			continue
		case s[j] == quote && closes(run, escapes):
			return j - min(run, escapes)
		}
		run = 0
	}
	return len(s)
}

// closing returns where the bracket or brace at i is closed, or the end of s; those in quotes do not
// count.
func (sc *scanner) closing(i int) int {
	s := sc.s
	opening, end := s[i], s[i]+2 // in ASCII, [ and ] as well as { and } are two apart
	if opening == '(' {
		end = ')'
	}
	depth, run := 0, 0
	for j := i; j < len(s); j++ {
		sc.looked++
		switch s[j] {
		case '\\':
			run++
			continue
		case '"':
			if j = sc.quoted(j+1, '"', run); j < len(s) {
				j += sc.backslashes(j)
			}
		case opening:
			depth++
		case end:
			if depth--; depth == 0 {
				return j
			}
		}
		run = 0
	}
	return len(s)
}
