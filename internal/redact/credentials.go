package redact

import "strings"

// credentials finds what follows Bearer or Basic, unless it is a word such as "authentication".
func credentials(s string, i int) (from, to int) {
	if i > 0 && (s[i-1] == '-' || s[i-1] == '_') {
		return 0, 0
	}
	word := i + strings.IndexByte(s[i:min(len(s), i+len("bearer "))], ' ')
	if word < i || !scheme(s[i:word]) {
		return 0, 0
	}
	from = skipBlanks(s, word)
	to = token(s, from)
	if to-from < 8 || !random(s[from:to]) {
		return 0, 0
	}
	return from, to
}

// scheme knows the words that may stay before the credentials of an Authorization header.
func scheme(word string) bool {
	return strings.EqualFold(word, "bearer") || strings.EqualFold(word, "basic") || strings.EqualFold(word, "digest")
}

// knownToken finds the tokens that well-known services mark by how they begin, so that they are found
// in a leak: AWS, Google, GitHub, GitLab, Slack and Stripe.
func knownToken(s string, i int) (from, to int) {
	for _, known := range knownTokens {
		if !strings.HasPrefix(s[i:], known.prefix) {
			continue
		}
		end := i + len(known.prefix)
		for end < len(s) && base64url[s[end]] {
			end++
		}
		if end-i-len(known.prefix) >= known.least {
			return i, end
		}
	}
	return 0, 0
}

// knownTokens say how many characters follow at the least.
var knownTokens = [...]struct {
	prefix string
	least  int
}{
	{"AKIA", 16}, {"ASIA", 16}, {"AIza", 35}, {"ghp_", 16}, {"gho_", 16}, {"github_pat_", 16}, {"glpat-", 16},
	{"xoxb-", 16}, {"xoxp-", 16}, {"sk_live_", 16}, {"rk_live_", 16},
}
