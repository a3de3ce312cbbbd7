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
	sc := scanner{s: s}
	return sc.clean()
}

// A scanner looks for the secrets of one text.
type scanner struct {
	s      string
	looked int // at how many bytes, besides each one's first look; tests hold it to be linear

	// A run that is known to hold nothing is not read again from each place in it.
	noJWTUntil, plainUntil int
	tag                    int // where the last < was found
	tagEnd                 int // behind the last >
}

// clean returns the text without its secrets.
func (sc *scanner) clean() string {
	s := sc.s
	var b []byte
	kept, done := 0, 0 // s[:kept] is in b; s[:done] has been looked at
	var before shape
	for i := 0; i < len(s)-1; i++ {
		here := shapes[s[i]]
		if here&before&inRun != 0 {
			continue // secrets do not begin within a word
		}
		before = here
		if before&inRun != 0 && i > 0 && s[i-1] == '\\' && (s[i] == 'n' || s[i] == 'r' || s[i] == 't') {
			before = 0 // the n of an escaped \n is no part of a word
		}
		if here&followers[s[i+1]] == 0 {
			continue
		}
		from, to := sc.secretAt(i)
		from = max(from, done)
		if to <= from {
			continue
		}
		switch {
		case from == done && done > 0: // goes on where the last has ended
			b = append(b, s[kept:from]...)
			kept = to
		case s[from:to] != Placeholder:
			b = append(append(b, s[kept:from]...), Placeholder...)
			kept = to
		}
		done, i = to, to-1
		before = shapes[s[i]]
	}
	if kept == 0 {
		return s
	}
	return string(append(b, s[kept:]...))
}

// A shape is a set of the ways in which a secret shows itself, and whether a byte is part of a word.
type shape uint32

// inRun is a letter or a digit.
const inRun shape = 1 << 31

// A secret shows itself where the shape of a byte and the followers of the next have something in
// common. The tables spare most of a harmless text the call of secretAt.
var shapes, followers = tables([][2]string{
	{"=:", ""}, // anything may follow
	{">", ""},
	{"@", "tu"},
	{"-", "-"},
	{"e", "y"},
	{"bB", "aeAE"},
	{"23456", "0123456789"},
})

func tables(of [][2]string) (shapes, followers [256]shape) {
	for bit, pair := range append(of, tokenPairs()...) {
		for i := range len(pair[0]) {
			shapes[pair[0][i]] |= 1 << bit
		}
		after := set(pair[1])
		for c := range followers {
			if pair[1] == "" || after[c] {
				followers[c] |= 1 << bit
			}
		}
	}
	for c, word := range alphanumeric {
		if word {
			shapes[c] |= inRun
		}
	}
	return shapes, followers
}

// tokenPairs are the first letters of the known tokens, each with all that may stand second.
func tokenPairs() (pairs [][2]string) {
	second := make(map[string]string)
	for _, known := range knownTokens {
		second[known.begin[:1]] += known.begin[1:2]
	}
	for begin, letters := range second {
		pairs = append(pairs, [2]string{begin, letters})
	}
	return pairs
}

// secretAt returns where a secret that shows itself at i begins and ends; to is 0 where none does.
func (sc *scanner) secretAt(i int) (from, to int) {
	s := sc.s
	switch s[i] {
	case '=', ':':
		if s[i] == ':' && s[i+1] == '/' && i+2 < len(s) && s[i+2] == '/' {
			return sc.userinfo(i + 3)
		}
		return sc.assigned(i)
	case '>':
		return sc.element(i)
	case '@':
		return sc.dataSource(i)
	}
	return sc.formAt(i)
}

// formAt finds a secret that begins at i and is known by its form alone.
func (sc *scanner) formAt(i int) (from, to int) {
	if i == len(sc.s) || !startsRun(sc.s, i) {
		return 0, 0
	}
	switch sc.s[i] {
	case '-':
		if from, to = sc.privateKey(i); to > 0 {
			return from, to
		}
		return sc.flag(i)
	case 'b', 'B':
		return sc.credentials(i)
	case '2', '3', '4', '5', '6':
		return sc.card(i)
	}
	if from, to = sc.jwt(i); to > 0 {
		return from, to
	}
	return sc.knownToken(i)
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
