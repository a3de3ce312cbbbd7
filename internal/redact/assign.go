package redact

import "strings"

// assigned finds the value in name=value, name: value and name => value, whose separator is at i, where
// the name is secret.
func (sc *scanner) assigned(i int) (from, to int) {
	s := sc.s
	begin, end, closed := sc.nameBefore(i)
	name := s[begin:end]
	if closed && begin > 0 && s[begin-1] == '/' {
		return 0, 0 // the end of a path in quotes
	}
	parameter := begin > 0 && (s[begin-1] == '?' || s[begin-1] == '&')
	if !Key(name) && !(parameter && secretParameter(name)) {
		return 0, 0
	}
	from = i + 1
	if s[from] == '>' || s[from] == '=' { // =>, := and ==
		from++
	}
	from = sc.skipBlanks(from)
	escapes := sc.backslashes(from)
	if at := from + escapes; at < len(s) && (s[at] == '"' || s[at] == '\'') {
		return at + 1, sc.quoted(at+1, s[at], escapes)
	}
	if from < len(s) && (s[from] == '[' || s[from] == '{') {
		return from + 1, sc.closing(from)
	}
	authorization, cookie := endsIn(name, "authorization"), endsIn(name, "cookie") || endsIn(name, "cookies")
	word := sc.token(from)
	sentence := s[i] == ':' && from == i+2 && s[i+1] == ' ' && !authorization && prose(s, from, word)
	if sentence || harmless(name, s[from:word]) {
		return 0, 0
	}
	if after := sc.skipBlanks(word); after > word && scheme(s[from:word]) {
		from = after
	}
	if !parameter && (authorization || cookie) {
		if begin > 0 && !closed && (s[begin-1] == '"' || s[begin-1] == '\'') {
			return from, sc.restOfLine(from, s[begin-1], sc.backslashesBefore(begin-1))
		}
		return from, sc.restOfLine(from, '\n', 0)
	}
	return from, sc.bare(from)
}

// flag finds the value in --name value, as on a command line, where the name is secret. That of --name=value has
// a separator.
func (sc *scanner) flag(i int) (from, to int) {
	s := sc.s
	begin := i + len("--")
	if !strings.HasPrefix(s[i:], "--") || strings.HasPrefix(s[begin:], "-") || i > 0 && s[i-1] == '-' {
		return 0, 0
	}
	end := begin
	for end < len(s) && end-begin < longestName && nameByte[s[end]] {
		end++
	}
	sc.looked += end - i
	from = sc.skipBlanks(end)
	if from == end || from == len(s) || s[from] == '-' || !Key(s[begin:end]) {
		return 0, 0
	}
	if s[from] == '"' || s[from] == '\'' {
		return from + 1, sc.quoted(from+1, s[from], 0)
	}
	to = sc.token(from)
	if prose(s, from, to) || harmless(s[begin:end], s[from:to]) {
		return 0, 0
	}
	return from, to
}

// endsIn finds the headers whose values have blanks and semicolons in them.
func endsIn(name, ending string) bool {
	return len(name) >= len(ending) && strings.EqualFold(name[len(name)-len(ending):], ending)
}

// nameBefore returns where the name before the separator at i begins and ends, and whether it is
// in quotes, escaped ones too, or in brackets.
func (sc *scanner) nameBefore(i int) (begin, end int, closed bool) {
	s := sc.s
	end = i
	for end > 0 && (s[end-1] == ' ' || s[end-1] == '\t') {
		end--
	}
	unclosed := end
	if end > 0 && s[end-1] == ']' {
		end--
	}
	if end > 0 && (s[end-1] == '"' || s[end-1] == '\'') {
		end--
		for end > 0 && s[end-1] == '\\' {
			end--
		}
	}
	begin = end
	for begin > 0 && end-begin < longestName && nameByte[s[begin-1]] {
		begin--
	}
	sc.looked += i - begin
	return begin, end, end < unclosed
}

const longestName = 64

var nameByte = set(letters + digits + "_-.")

func (sc *scanner) skipBlanks(begin int) int {
	s, i := sc.s, begin
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	sc.looked += i - begin
	return i
}

// bare returns the end of a value without quotes, with the lists and forms in it.
func (sc *scanner) bare(from int) int {
	s, to := sc.s, sc.token(from)
	if start, end := sc.formAt(from); start == from && end > to { // a form goes on behind a blank
		to = sc.token(end)
	}
	for to < len(s) && (s[to] == '[' || s[to] == '{' || s[to] == '(') { // map[k:v], []string{"v"}
		to = sc.token(min(sc.closing(to)+1, len(s)))
	}
	return to
}

// token returns the end of a value without quotes.
func (sc *scanner) token(begin int) int {
	s, i := sc.s, begin
	for i < len(s) && !delimiter[s[i]] {
		i++
	}
	sc.looked += i - begin
	return i
}

var delimiter = set(" \t\r\n,;&\"'<>{}()[]\\")

// harmless knows the values that hide nothing.
func harmless(name, value string) bool {
	for _, none := range []string{"true", "false", "null", "nil"} {
		if strings.EqualFold(value, none) {
			return true
		}
	}
	if strings.EqualFold(name, "pass") { // "pass: 10, fail: 2"
		return len(value) <= 3 && strings.Trim(value, digits) == ""
	}
	signal, isSignal := strings.CutPrefix(value, "SIG")
	return isSignal && strings.EqualFold(name, "sig") && strings.Trim(signal, letters) == ""
}

// prose tells the beginning of a sentence, "must not be empty", "dial tcp" or "vault: no such key", from
// a value: a word in lower case that another word follows, unless that is the name in name=value. The
// words that a [net/url.Error] begins with are followed by the URL in quotes.
func prose(s string, from, to int) bool {
	if strings.HasPrefix(s[to:], ` "http`) && strings.Trim(s[from:to], letters) == "" {
		return true
	}
	word, colon := strings.CutSuffix(s[from:to], ":")
	inWord := lower
	if colon {
		inWord = lower + "/" // crypto/rsa: verification error
	}
	if word == "" || scheme(word) || strings.Trim(word, inWord) != "" {
		return false
	}
	if fileOperation(word) && strings.HasPrefix(s[to:], " /") {
		return true
	}
	if to+1 >= len(s) || s[to] != ' ' || strings.IndexByte(letters, s[to+1]) < 0 {
		return false
	}
	next := to + 1
	for next < len(s) && next-to <= longestName && nameByte[s[next]] {
		next++
	}
	return next == len(s) || s[next] != '='
}

// fileOperation knows the usual words that an [io/fs.PathError] begins with.
func fileOperation(word string) bool {
	switch word {
	case "open", "stat", "lstat", "read", "write", "mkdir", "remove":
		return true
	}
	return false
}
