package redact

import "strings"

// credentials finds what follows Bearer or Basic, unless it is a word such as "authentication".
func (sc *scanner) credentials(i int) (from, to int) {
	s := sc.s
	if i > 0 && (s[i-1] == '-' || s[i-1] == '_') {
		return 0, 0
	}
	word := i + strings.IndexByte(s[i:min(len(s), i+len("bearer "))], ' ')
	if word < i || !scheme(s[i:word]) {
		return 0, 0
	}
	from = sc.skipBlanks(word)
	to = sc.token(from)
	if value := s[from:to]; len(value) < 8 || !random(value) || strings.ContainsRune(strings.TrimRight(value, "="), '=') {
		return 0, 0 // an = within is a name=value (RFC 6750, section 2.1)
	}
	return from, to
}

// scheme knows the words that may stay before the credentials of an Authorization header.
func scheme(word string) bool {
	return strings.EqualFold(word, "bearer") || strings.EqualFold(word, "basic") || strings.EqualFold(word, "digest")
}

// knownToken finds the tokens that well-known services mark by how they begin, so that they are found
// in a leak. A run without digits and capitals, such as npm_package_name, is none.
func (sc *scanner) knownToken(i int) (from, to int) {
	s := sc.s
	if i < sc.plainUntil {
		return 0, 0
	}
	for _, known := range knownTokens {
		if !strings.HasPrefix(s[i:], known.begin) {
			continue
		}
		start := i + len(known.begin)
		end := runOf(s, start)
		sc.looked += 2 * (end - i)
		switch {
		case !random(s[start:end]):
			sc.plainUntil = end
		case end-start >= known.least:
			return i, end
		}
	}
	return 0, 0
}

// runOf returns the end of a run of base64url, in which a dot may stand.
func runOf(s string, i int) int {
	for i < len(s) && (base64url[s[i]] || s[i] == '.' && i+1 < len(s) && base64url[s[i+1]]) {
		i++
	}
	return i
}

// knownTokens say how many characters follow at the least. Of the services' own documentation: AWS,
// Google, GitHub, GitLab, Slack, Stripe, npm, PyPI, SendGrid, Hugging Face, Vault, DigitalOcean, Docker,
// Shopify, Grafana, OpenAI, Anthropic.
var knownTokens = [...]struct {
	begin string
	least int
}{
	{"AKIA", 16}, {"ASIA", 16},
	{"AIza", 35}, {"ya29.", 20}, {"GOCSPX-", 20},
	{"ghp_", 16}, {"gho_", 16}, {"ghu_", 16}, {"ghs_", 16}, {"ghr_", 16}, {"github_pat_", 16}, {"glpat-", 16},
	{"xoxa-", 16}, {"xoxb-", 16}, {"xoxp-", 16}, {"xoxr-", 16}, {"xoxs-", 16}, {"xapp-", 16},
	{"sk_live_", 16}, {"sk_test_", 16}, {"rk_live_", 16}, {"rk_test_", 16}, {"whsec_", 24},
	{"npm_", 30}, {"pypi-", 50}, {"SG.", 40}, {"hf_", 30}, {"hvs.", 20},
	{"dop_v1_", 32}, {"dckr_pat_", 20}, {"shpat_", 32}, {"glsa_", 32},
	{"sk-ant-", 20}, {"sk-proj-", 20}, {"sk-", 40},
}
