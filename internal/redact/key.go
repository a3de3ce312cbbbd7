// Package redact knows secrets by their names and by their forms, and takes them out of texts, headers
// and URLs. It is a net under code that should not log secrets in the first place, and errs on the
// side of hiding.
package redact

import (
	"bytes"
	"slices"
)

// Placeholder stands where a secret was. It is the word that OpenTelemetry's conventions prescribe for
// url.full.
const Placeholder = "REDACTED"

// Key reports whether what is called name is a secret: password, secret, token, authorization, cookie,
// API key and their like, whatever the case and the separators, alone or as a part of a longer name
// (db_password, X-Auth-Token, clientSecret). Names that only count or describe secrets are none
// (token_count, max_tokens, signature_algorithm).
func Key(name string) bool {
	var room [64]byte
	var previous []byte
	for rest := split(name, room[:0]); len(rest) > 0; {
		word, after, _ := bytes.Cut(rest, space)
		next, _, _ := bytes.Cut(after, space)
		word = withoutNumber(word)
		if (secretWord(word) || secretPair(previous, word)) && !describes(next) {
			return true
		}
		previous, rest = word, after
	}
	return false
}

var space = []byte(" ")

// split appends the lower-case words of a name to b, with a space between them.
func split(name string, b []byte) []byte {
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c >= 'A' && c <= 'Z':
			if startsWord(name, i) {
				b = separate(b)
			}
			b = append(b, c+'a'-'A')
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c >= 0x80:
			b = append(b, c)
		default:
			b = separate(b)
		}
	}
	return b
}

// startsWord reports whether the capital at i starts a word: fooBar, HTTPServer.
func startsWord(name string, i int) bool {
	lower := func(i int) bool {
		return i >= 0 && i < len(name) && (name[i] >= 'a' && name[i] <= 'z' || name[i] >= '0' && name[i] <= '9')
	}
	upper := i > 0 && name[i-1] >= 'A' && name[i-1] <= 'Z'
	return lower(i-1) || upper && lower(i+1)
}

func separate(b []byte) []byte {
	if len(b) == 0 || b[len(b)-1] == ' ' {
		return b
	}
	return append(b, ' ')
}

// withoutNumber makes password of password2.
func withoutNumber(word []byte) []byte {
	for len(word) > 0 && digit(word[len(word)-1]) {
		word = word[:len(word)-1]
	}
	return word
}

func secretWord(word []byte) bool {
	switch string(word) {
	case "pwd", "pass", "dbpwd", "dbpass", "userpass", "credential", "credentials", "jwt", "passcode", "otp", "cvv", "cvc", "ssn", "sig", "signature":
		return true
	}
	one := bytes.TrimSuffix(word, plural)
	if len(one) < len(endings[0]) {
		return false
	}
	if len(one) < len(word) && bytes.HasSuffix(one, endings[0]) {
		return false // tokens are counted: secretPair knows better
	}
	switch one[len(one)-1] {
	case 'n', 'd', 'e', 't', 'y': // as endings end
		return slices.ContainsFunc(endings[:], func(ending []byte) bool { return bytes.HasSuffix(one, ending) })
	}
	return false
}

var plural = []byte("s")

// endings find clientsecret and accesstoken, which are written without a separator. The first is the
// shortest.
var endings = [...][]byte{
	[]byte("token"), []byte("password"), []byte("passwd"), []byte("passphrase"), []byte("secret"),
	[]byte("authorization"), []byte("cookie"), []byte("apikey"), []byte("accesskey"), []byte("privatekey"),
	[]byte("secretkey"), []byte("sessionid"), []byte("accesskeyid"),
}

// secretPair knows the secrets that take two words; a partition key or a status code is none.
func secretPair(previous, word []byte) bool {
	switch string(word) {
	case "key", "keys":
		switch string(previous) {
		case "api", "access", "private", "secret", "signing", "signature", "encryption", "decryption", "auth", "master", "account",
			"shared", "functions", "subscription", "webhook", "ssh", "hmac":
			return true
		}
	case "tokens":
		switch string(previous) {
		case "access", "refresh", "id", "auth", "bearer", "session", "api", "csrf":
			return true
		}
	case "id":
		return string(previous) == "session"
	case "assertion":
		return string(previous) == "client"
	case "verifier":
		return string(previous) == "code" || string(previous) == "oauth"
	}
	return false
}

// describes knows the words that turn the name of a secret into the name of a property of it.
func describes(word []byte) bool {
	switch string(word) {
	case "count", "type", "length", "limit", "expiry", "expires", "expired", "expiration", "ttl", "age", "usage", "bucket", "endpoint", "policy", "name", "version", "url", "uri", "error", "failed", "failure", "denied", "valid", "present", "changed", "attempts",
		"rate", "ratio", "algorithm", "alg", "issuer", "consent", "arn", "required", "enabled":
		return true
	}
	return false
}
