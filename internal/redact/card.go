package redact

// card finds 13 to 19 digits that pass the Luhn check (ISO/IEC 7812-1), together or in the groups that
// are printed on cards, with a space or a hyphen between; what follows, a date or a check value, does
// not matter. Card numbers begin with 2 to 6; times in milliseconds or nanoseconds begin with 1.
func (sc *scanner) card(i int) (from, to int) {
	s := sc.s
	sc.looked += len("4111-1111-1111-1111-111") // at the most
	var number [19]byte
	n, size, before := 0, 0, 0
	for end := i; ; end++ {
		size, before = 0, size
		for ; end < len(s) && digit(s[end]); end++ {
			if n == len(number) {
				return i, to
			}
			number[n] = s[end] - '0'
			n++
			size++
		}
		if !grouped(n, size, before) {
			return i, to
		}
		if n >= 13 && luhn(number[:n]) && !identifier(s, i, end) {
			to = end
		}
		if n == size && n >= 13 || end+1 >= len(s) || s[end] != ' ' && s[end] != '-' || !digit(s[end+1]) {
			return i, to
		}
	}
}

// grouped reports whether n digits, of which the last size are a group behind one of before digits,
// are all, or the beginning, of 16 in one, 4-4-4-4, 4-4-4-4-3, 4-6-5 or 4-6-4.
func grouped(n, size, before int) bool {
	switch {
	case n == size:
		return n == 4 || n >= 13
	case n == 10:
		return size == 6
	case before == 6:
		return size == 5 || size == 4
	case n <= 12:
		return size == 4
	}
	return n <= 16 || before == 4 && size <= 3
}

// identifier reports whether the digits are a part of something longer: a trace context, a hash, a
// decimal fraction.
func identifier(s string, begin, end int) bool {
	const run = 8 // shorter ones, as in card-4111… or 4111…-01, say nothing
	if end < len(s) && alphanumeric[s[end]] || begin > 0 && s[begin-1] == '.' {
		return true
	}
	if end < len(s) && (s[end] == '-' || s[end] == '_') {
		after := end + 1
		for after < len(s) && after-end <= run && alphanumeric[s[after]] {
			after++
		}
		if after-end > run && random(s[end+1:after]) {
			return true
		}
	}
	if begin == 0 || s[begin-1] != '-' && s[begin-1] != '_' {
		return false
	}
	before := begin - 1
	for before > 0 && begin-before <= run && alphanumeric[s[before-1]] {
		before--
	}
	return begin-before > run && random(s[before:begin-1])
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func luhn(digits []byte) bool {
	sum := 0
	for i, d := range digits {
		if (len(digits)-i)%2 == 0 {
			d *= 2
			if d > 9 {
				d -= 9
			}
		}
		sum += int(d)
	}
	return sum%10 == 0
}
