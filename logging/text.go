package logging

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// special marks the bytes that a JSON string cannot hold as they are, or that need a closer look.
var special = func() (marks [256]bool) {
	for c := range marks {
		marks[c] = c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf
	}
	return marks
}()

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string. Bytes that are no UTF-8 become U+FFFD; what can make a line look
// like another one where it is shown is escaped.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := plain(s, 0); i < len(s); i = plain(s, i) {
		c := s[i]
		if c < utf8.RuneSelf {
			b = appendEscape(append(b, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + size
		case deceptive(r):
			b = append(append(b, s[start:i]...), '\\', 'u', hexDigits[r>>12&0xf], hexDigits[r>>8&0xf], hexDigits[r>>4&0xf], hexDigits[r&0xf])
			start = i + size
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}

// deceptive knows, beyond ASCII, the control characters that a terminal may obey (ECMA-48, C1), the ends of lines
// of JavaScript and of some editors, and the marks that change the direction of writing (Unicode, Bidi_Control).
func deceptive(r rune) bool {
	switch {
	case r < 0xa0, r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// plain returns where the first special byte from i on stands, or the end of s. It looks at eight bytes
// at once: in a byte that is below a blank, or the quote, or the backslash, a subtraction borrows and
// sets the highest bit, as it is in what is not ASCII. Bits that a borrow sets in a byte above are false
// alarms, after which the table decides.
func plain(s string, i int) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		x := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		quote, backslash := x^(ones*'"'), x^(ones*'\\')
		if (x|(x-ones*' ')|(quote-ones)|(backslash-ones))&high != 0 {
			break
		}
	}
	for i < len(s) && !special[s[i]] {
		i++
	}
	return i
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}

// appendBare appends s for people: as it is if nobody can take it for something else, else quoted.
// Quoting also shows control characters and marks that change the direction of writing, with which a
// text could forge lines on a terminal.
func appendBare(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\' {
			return strconv.AppendQuote(b, s)
		}
	}
	if s == "" {
		return append(b, '"', '"')
	}
	return append(b, s...)
}

// appendVisible appends s for people, with what is not printable escaped.
func appendVisible(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || !strconv.IsPrint(r) {
			quoted := strconv.AppendQuote(nil, s[i:i+size])
			b = append(b, quoted[1:len(quoted)-1]...)
		} else {
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return b
}

// appendTime appends t in UTC by RFC 3339, always with nine digits of fraction, so that texts sort as
// times do.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, time.RFC3339Nano)
	}
	hour, minute, second := t.Clock()
	b = append2(append2(b, year/100), year%100)
	b = append2(append(b, '-'), int(month))
	b = append2(append(b, '-'), day)
	b = append2(append(b, 'T'), hour)
	b = append2(append(b, ':'), minute)
	b = append2(append(b, ':'), second)
	return append(appendNanos(append(b, '.'), t.Nanosecond()), 'Z')
}

// A clock appends times, and remembers its last second: most lines are of the same one.
type clock struct {
	second int64
	text   [len("2026-01-02T15:04:05.")]byte
}

func (c *clock) append(b []byte, t time.Time) []byte {
	second := t.Unix()
	if second != c.second || c.text[0] == 0 {
		start := len(b)
		b = appendTime(b, t)
		if len(b)-start == len("2026-01-02T15:04:05.000000000Z") {
			c.second = second
			copy(c.text[:], b[start:])
		}
		return b
	}
	return append(appendNanos(append(b, c.text[:]...), t.Nanosecond()), 'Z')
}

func appendNanos(b []byte, ns int) []byte {
	b = append(b, byte('0'+ns/100_000_000))
	b = append2(append2(b, ns/1_000_000%100), ns/10_000%100)
	return append2(append2(b, ns/100%100), ns%100)
}

// append2 appends two digits.
func append2(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// appendFloat appends f as a JSON number, in the form of encoding/json; what JSON has no number for
// becomes a string.
func appendFloat(b []byte, f float64, bits int) []byte {
	// Most numbers in logs have few digits, which need no search for the shortest form: two decimals of at
	// most 15 digits are never the same float64, so one that is f is the shortest there is.
	const places, most = 3, 1e15
	if thousands := f * 1000; bits == 64 && f != 0 && thousands > -most && thousands < most {
		if n := int64(thousands); float64(n)/1000 == f {
			return appendDecimal(b, n, places)
		}
	}
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"+Inf"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Inf"`...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, bits)
	if n := len(b); format == 'e' && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' { // e-09 is e-9
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

// appendDecimal appends n divided by that power of ten, without zeros at the end.
func appendDecimal(b []byte, n int64, places int) []byte {
	u := uint64(n)
	if n < 0 {
		b, u = append(b, '-'), -u
	}
	for ; places > 0 && u%10 == 0; places-- {
		u /= 10
	}
	power := uint64(1)
	for range places {
		power *= 10
	}
	b = strconv.AppendUint(b, u/power, 10)
	if places == 0 {
		return b
	}
	b = append(b, '.')
	for rest := u % power; places > 0; places-- {
		power /= 10
		b = append(b, byte('0'+rest/power))
		rest %= power
	}
	return b
}

// bounded cuts s to at most n bytes, at the start of a character.
func bounded(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
