// Package redact knows secrets by their names and by their forms, and takes them out of texts, headers
// and URLs. It is a net under code that should not log secrets in the first place, and errs on the
// side of hiding.
package redact

import "bytes"

// Placeholder stands where a secret was. It is the word that OpenTelemetry's conventions prescribe for
// url.full.
const Placeholder = "REDACTED"

// Key reports whether what is called name is a secret: password, secret, token, authorization, cookie,
// API key and their like, whatever the case and the separators, alone or as a part of a longer name
// (db_password, X-Auth-Token, clientSecret). Names that only count or describe secrets are none
// (token_count, max_tokens).
func Key(name string) bool {
	var room [64]byte
	var previous []byte
	for rest := split(name, room[:0]); len(rest) > 0; {
		word, after, _ := bytes.Cut(rest, space)
		next, _, _ := bytes.Cut(after, space)
		if secretWord(word, next) || string(word) == "key" && keyOf(previous) || string(word) == "id" && string(previous) == "session" {
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

func secretWord(word, next []byte) bool {
	switch string(word) {
	case "pwd", "pass", "passwords", "cookies", "secrets", "credential", "credentials", "jwt", "passcode", "otp", "cvv", "cvc", "ssn", "sig", "signature":
		return true
	}
	for _, ending := range endings {
		if bytes.HasSuffix(word, ending) {
			return !describes(next)
		}
	}
	return false
}

// endings find clientsecret and accesstoken, which are written without a separator.
var endings = [...][]byte{
	[]byte("password"), []byte("passwd"), []byte("passphrase"), []byte("secret"), []byte("token"),
	[]byte("authorization"), []byte("cookie"), []byte("apikey"), []byte("accesskey"), []byte("privatekey"),
	[]byte("secretkey"), []byte("sessionid"), []byte("accesskeyid"),
}

// describes knows the words that turn the name of a secret into the name of a property of it.
func describes(word []byte) bool {
	switch string(word) {
	case "count", "type", "length", "limit", "expiry", "expires", "expired", "expiration", "ttl", "age", "usage", "bucket", "endpoint", "policy", "name", "version", "url", "uri", "error", "valid", "present", "changed", "attempts":
		return true
	}
	return false
}

// keyOf knows which keys are secret; a partition key or a primary key is none.
func keyOf(word []byte) bool {
	switch string(word) {
	case "api", "access", "private", "secret", "signing", "signature", "encryption", "auth", "master", "account", "shared":
		return true
	}
	return false
}
