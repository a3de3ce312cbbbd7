package redact

// card finds 13 to 19 digits that pass the Luhn check (ISO/IEC 7812-1), alone or in groups with a
// space or a hyphen between. Card numbers begin with 2 to 6; times in milliseconds or nanoseconds
// begin with 1.
func card(s string, i int) (from, to int) {
	if i > 0 && (base64url(s[i-1]) || s[i-1] == '.') {
		return 0, 0
	}
	var digits [19]byte
	n, end := 0, i
	for end < len(s) {
		c := s[end]
		if c >= '0' && c <= '9' {
			if n == len(digits) {
				return 0, 0
			}
			digits[n] = c - '0'
			n++
			end++
			continue
		}
		if (c == ' ' || c == '-') && end+1 < len(s) && s[end+1] >= '0' && s[end+1] <= '9' && n%4 == 0 {
			end++
			continue
		}
		break
	}
	if n < 13 || end < len(s) && base64url(s[end]) || !luhn(digits[:n]) {
		return 0, 0
	}
	return i, end
}

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
