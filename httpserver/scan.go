package httpserver

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// scanner reads JSON by the grammar of RFC 8259. encoding/json has the last word on what is JSON; the
// scanner knows the place of a fault, about which the versions of Go differ, and the names of members.
type scanner struct {
	data []byte
	pos  int
	deep bool // beyond what is read
}

// mostNested is as deep as encoding/json goes.
const mostNested = 10_000

// value reads one value, and stops at what is wrong.
func (s *scanner) value(depth int) bool {
	s.space()
	if depth > mostNested {
		s.deep = true
		return false
	}
	switch c := s.peek(); {
	case c == '{':
		return s.object(depth)
	case c == '[':
		return s.array(depth)
	case c == '"':
		return s.text()
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	}
	return false
}

func (s *scanner) object(depth int) bool {
	s.pos++
	if s.space(); s.take('}') {
		return true
	}
	for {
		if s.space(); s.peek() != '"' || !s.text() {
			return false
		}
		if s.space(); !s.take(':') || !s.value(depth+1) {
			return false
		}
		if s.space(); !s.take(',') {
			return s.take('}')
		}
	}
}

func (s *scanner) array(depth int) bool {
	s.pos++
	if s.space(); s.take(']') {
		return true
	}
	for {
		if !s.value(depth + 1) {
			return false
		}
		if s.space(); !s.take(',') {
			return s.take(']')
		}
	}
}

func (s *scanner) text() bool {
	for s.pos++; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return true
		case c < ' ':
			return false
		case c == '\\':
			if s.pos++; !s.escape() {
				return false
			}
		}
	}
	return false
}

func (s *scanner) escape() bool {
	if s.peek() != 'u' {
		return s.pos < len(s.data) && bytes.IndexByte([]byte(`"\/bfnrt`), s.data[s.pos]) >= 0
	}
	for range 4 {
		s.pos++
		if c := s.peek() | 0x20; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

func (s *scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	from := s.pos
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > from
}

func (s *scanner) literal(word string) bool {
	for i := range len(word) {
		if !s.take(word[i]) {
			return false
		}
	}
	return true
}

// peek returns the next byte, 0 at the end: it is no part of any token.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.peek() != c || s.pos == len(s.data) {
		return false
	}
	s.pos++
	return true
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// What follows is for text that is known to be JSON.

// skip passes over one value, and returns how many levels there are below it.
func (s *scanner) skip() (levels int) {
	s.space()
	level := 0
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case '"':
			s.text()
		case '{', '[':
			s.pos++
			level++
			levels = max(levels, level)
		case '}', ']':
			s.pos++
			level--
		case ' ', '\t', '\r', '\n', ',', ':':
			s.pos++
		default:
			s.scalar()
		}
		if level == 0 {
			return levels
		}
	}
	return levels
}

func (s *scanner) scalar() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n', ',', '}', ']':
			return
		}
		s.pos++
	}
}

// next opens an object or an array, or goes on in it, and reports whether another item follows. Its
// caller has read one item since the last call.
func (s *scanner) next() bool {
	s.space()
	switch s.data[s.pos] {
	case '{', '[', ',':
		s.pos++
	}
	s.space()
	if c := s.data[s.pos]; c == '}' || c == ']' {
		s.pos++
		return false
	}
	return true
}

// name reads the name of a member and the colon behind it. It is part of the text, unless it has escapes.
func (s *scanner) name() []byte {
	from := s.pos
	s.text()
	raw := s.data[from:s.pos]
	s.space()
	s.take(':')
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	var name string
	_ = json.Unmarshal(raw, &name) // it is JSON
	return []byte(name)
}

// notUTF8 returns the place of the first byte that is none, or -1.
func notUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}
