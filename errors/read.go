package errors

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A document of somebody else is read by hand, as ours is written: one pass over bounded bytes, no
// reflection, and the same answer with every version of encoding/json, which differ in what they do
// with duplicate names, with names in another case, and with bytes that are not UTF-8. Here names are
// compared as they are, of equal names the last counts, and bytes that are not UTF-8 become U+FFFD.

// maxDepth bounds how deep arrays and objects nest in a document that is read.
const maxDepth = 64

// value is one JSON value as it stands in a document, without space around it. It is valid; its zero
// value stands for a member that is not there, and is of no type.
type value []byte

// parse returns the one value in b; nil if b is no JSON or is nested too deeply.
func parse(b []byte, depth int) value {
	b = bytes.TrimPrefix(b, []byte("\ufeff")) // RFC 8259, section 8.1, lets a reader ignore it
	begin := skipSpace(b, 0)
	end := skipValue(b, begin, depth)
	if end < 0 || skipSpace(b, end) != len(b) {
		return nil
	}
	return b[begin:end]
}

func (v value) is(first byte) bool { return len(v) > 0 && v[0] == first }

// members iterates over the names and values of an object; of anything else it yields nothing.
func (v value) members() iter.Seq2[[]byte, value] {
	return func(yield func([]byte, value) bool) {
		if !v.is('{') {
			return
		}
		for i := skipSpace(v, 1); v[i] != '}'; i = skipComma(v, i) {
			end := skipString(v, i+1)
			begin := skipSpace(v, skipSpace(v, end)+1) // the colon
			next := skipValue(v, begin, maxDepth)
			if !yield(unquoteName(v[i:end]), v[begin:next]) {
				return
			}
			i = next
		}
	}
}

// elements iterates over the values of an array; of anything else it yields nothing.
func (v value) elements() iter.Seq[value] {
	return func(yield func(value) bool) {
		if !v.is('[') {
			return
		}
		for i := skipSpace(v, 1); v[i] != ']'; i = skipComma(v, i) {
			next := skipValue(v, i, maxDepth)
			if !yield(v[i:next]) {
				return
			}
			i = next
		}
	}
}

// elementsOnly returns v if it is an array.
func (v value) elementsOnly() value {
	if v.is('[') {
		return v
	}
	return nil
}

// member returns the value of the object's member.
func (v value) member(name string) (found value) {
	for key, member := range v.members() {
		if string(key) == name {
			found = member
		}
	}
	return found
}

// text returns a string's first limit bytes, and "" for anything else.
func (v value) text(limit int) string {
	if !v.is('"') {
		return ""
	}
	return unquote(v, limit)
}

// flag returns a boolean; ok is false for anything else.
func (v value) flag() (value, ok bool) {
	return string(v) == "true", string(v) == "true" || string(v) == "false"
}

// number returns a number, which is infinite if it is out of range; ok is false for anything else.
func (v value) number() (n float64, ok bool) {
	if !v.is('-') && (len(v) == 0 || v[0] < '0' || v[0] > '9') {
		return 0, false
	}
	n, _ = strconv.ParseFloat(string(v), 64)
	return n, true
}

// plainText reports whether a string's inside stands for itself.
func plainText(inside []byte) bool {
	return bytes.IndexByte(inside, '\\') < 0 && utf8.Valid(inside)
}

// unquoteName copies nothing in the usual case: names are compared.
func unquoteName(v value) []byte {
	if inside := v[1 : len(v)-1]; plainText(inside) {
		return inside
	}
	return []byte(unquote(v, len(v)))
}

// unquote decodes a string to at most limit bytes.
func unquote(v value, limit int) string {
	inside := v[1 : len(v)-1]
	if plainText(inside) {
		return string(boundedBytes(inside, limit))
	}
	var b strings.Builder
	for i := 0; i < len(inside); {
		r, size := decodeRune(inside[i:])
		if b.Len()+utf8.RuneLen(r) > limit {
			break
		}
		b.WriteRune(r)
		i += size
	}
	return b.String()
}

// boundedBytes is bounded for bytes.
func boundedBytes(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}

// decodeRune decodes the first character of a string's inside. What is no character is U+FFFD.
func decodeRune(b []byte) (r rune, size int) {
	if b[0] != '\\' {
		return utf8.DecodeRune(b)
	}
	switch b[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, size = hex4(b[2:]), 6
		if utf16.IsSurrogate(r) {
			if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
				if pair := utf16.DecodeRune(r, hex4(b[8:])); pair != utf8.RuneError {
					return pair, 12
				}
			}
			return utf8.RuneError, 6
		}
		return r, size
	}
	return rune(b[1]), 2
}

func hex4(b []byte) (r rune) {
	for _, c := range b[:4] {
		r = r<<4 | rune(unhex(c))
	}
	return r
}

// unhex returns the value of a hexadecimal digit; 16 of anything else.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}
