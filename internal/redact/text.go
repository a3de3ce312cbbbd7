package redact

// Text returns s without the secrets that are known by their form: Bearer and Basic credentials, JSON
// Web Tokens, private keys in PEM, passwords in URLs and data source names, card numbers that pass the
// Luhn check, the tokens of well-known services, and the values of secret names, written name=value,
// name: value, "name":"value" or <name>value</name>, also in lists, in printed maps and in JSON within
// JSON. Of an Authorization or Cookie header nothing is left but the scheme, to the end of its line or
// quote. It returns s itself where there is no secret. The time is linear in the length of s.
//
// Error texts have colons too: of "refresh token: dial tcp" nothing is taken, nor is any other
// lower-case word after "name: " that a second word follows.
func Text(s string) string {
	var b []byte
	kept, done := 0, 0 // s[:kept] is in b; s[:done] has been looked at
	for i := 0; i < len(s)-1; i++ {
		if first[s[i]]&second[s[i+1]] == 0 {
			continue
		}
		from, to := secretAt(s, i)
		from = max(from, done)
		if to <= from {
			continue
		}
		if s[from:to] != Placeholder {
			b = append(append(b, s[kept:from]...), Placeholder...)
			kept = to
		}
		done, i = to, to-1
	}
	if kept == 0 {
		return s
	}
	return string(append(b, s[kept:]...))
}

// A secret shows itself where a byte of first and the byte after it, of second, have a bit in common.
// The two tables spare most of a harmless text the call of secretAt.
var first, second = pairs([][2]string{
	{"=:", ""}, // anything may follow
	{">", ""},
	{"@", "tu"},
	{"-", "-"},
	{"e", "y"},
	{"bB", "aeAE"},
	{"23456", "0123456789"},
	{"A", "IKS"},
	{"g", "hil"},
	{"rs", "k"},
	{"x", "o"},
})

func pairs(of [][2]string) (first, second [256]uint16) {
	for bit, pair := range of {
		for i := range len(pair[0]) {
			first[pair[0][i]] |= 1 << bit
		}
		after := set(pair[1])
		for c := range second {
			if pair[1] == "" || after[c] {
				second[c] |= 1 << bit
			}
		}
	}
	return first, second
}

// secretAt returns where a secret that shows itself at i begins and ends; to is 0 where none does.
func secretAt(s string, i int) (from, to int) {
	switch s[i] {
	case '=', ':':
		if s[i] == ':' && s[i+1] == '/' && i+2 < len(s) && s[i+2] == '/' {
			return userinfo(s, i+3)
		}
		return assigned(s, i)
	case '>':
		return element(s, i)
	case '@':
		return dataSource(s, i)
	}
	return formAt(s, i)
}

// formAt finds a secret that begins at i and is known by its form alone.
func formAt(s string, i int) (from, to int) {
	if i == len(s) || !startsRun(s, i) {
		return 0, 0
	}
	switch s[i] {
	case '-':
		return privateKey(s, i)
	case 'e':
		return jwt(s, i)
	case 'b', 'B':
		return credentials(s, i)
	case '2', '3', '4', '5', '6':
		return card(s, i)
	case 'A', 'g', 'r', 's', 'x':
		return knownToken(s, i)
	}
	return 0, 0
}

// startsRun reports whether no letter or digit stands before i; the n of an escaped \n is none.
func startsRun(s string, i int) bool {
	if i == 0 || !alphanumeric[s[i-1]] || s[i] == '-' {
		return true
	}
	return i > 1 && s[i-2] == '\\' && (s[i-1] == 'n' || s[i-1] == 'r' || s[i-1] == 't')
}

const (
	lower   = "abcdefghijklmnopqrstuvwxyz"
	letters = lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

var (
	alphanumeric = set(letters + digits)
	base64url    = set(letters + digits + "-_")
)

func set(bytes string) (in [256]bool) {
	for i := range len(bytes) {
		in[bytes[i]] = true
	}
	return in
}

// random tells a credential from a word: it has a digit, or a capital that does not start it.
func random(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= '0' && s[i] <= '9' || i > 0 && s[i] >= 'A' && s[i] <= 'Z' {
			return true
		}
	}
	return false
}
