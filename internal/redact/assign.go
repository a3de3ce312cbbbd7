package redact

import "strings"

// assigned finds the value in name=value, name: value and name => value, whose separator is at i, where
// the name is secret.
func assigned(s string, i int) (from, to int) {
	begin, end, closed := nameBefore(s, i)
	name := s[begin:end]
	parameter := begin > 0 && (s[begin-1] == '?' || s[begin-1] == '&')
	if !Key(name) && !(parameter && secretParameter(name)) {
		return 0, 0
	}
	from = i + 1
	if s[from] == '>' || s[from] == '=' { // =>, := and ==
		from++
	}
	from = skipBlanks(s, from)
	escapes := backslashes(s, from)
	if at := from + escapes; at < len(s) && (s[at] == '"' || s[at] == '\'') {
		return at + 1, quoted(s, at+1, s[at], escapes)
	}
	if from < len(s) && (s[from] == '[' || s[from] == '{') {
		return from + 1, closing(s, from)
	}
	authorization, cookie := endsIn(name, "authorization"), endsIn(name, "cookie") || endsIn(name, "cookies")
	word := token(s, from)
	sentence := s[i] == ':' && from == i+2 && s[i+1] == ' ' && !authorization && prose(s, from, word)
	if sentence || harmless(name, s[from:word]) {
		return 0, 0
	}
	if after := skipBlanks(s, word); after > word && scheme(s[from:word]) {
		from = after
	}
	if !parameter && (authorization || cookie) {
		if begin > 0 && !closed && (s[begin-1] == '"' || s[begin-1] == '\'') {
			return from, restOfLine(s, from, s[begin-1], backslashesBefore(s, begin-1))
		}
		return from, restOfLine(s, from, '\n', 0)
	}
	return from, bare(s, from)
}

// endsIn finds the headers whose values have blanks and semicolons in them.
func endsIn(name, ending string) bool {
	return len(name) >= len(ending) && strings.EqualFold(name[len(name)-len(ending):], ending)
}

// nameBefore returns where the name before the separator at i begins and ends, and whether it is
// in quotes, escaped ones too, or in brackets.
func nameBefore(s string, i int) (begin, end int, closed bool) {
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
	return begin, end, end < unclosed
}

const longestName = 64

var nameByte = set(letters + digits + "_-.")

func skipBlanks(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	return i
}

// bare returns the end of a value without quotes, with the lists and forms in it.
func bare(s string, from int) int {
	to := token(s, from)
	for to < len(s) && (s[to] == '[' || s[to] == '{' || s[to] == '(') { // map[k:v], []string{"v"}
		to = token(s, min(closing(s, to)+1, len(s)))
	}
	if start, end := formAt(s, from); start == from && end > to { // a form goes on behind a blank
		to = token(s, end)
	}
	return to
}

// token returns the end of a value without quotes.
func token(s string, i int) int {
	for i < len(s) && !delimiter[s[i]] {
		i++
	}
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
	word := strings.TrimSuffix(s[from:to], ":")
	if word == "" || scheme(word) || strings.Trim(word, lower) != "" {
		return false
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
