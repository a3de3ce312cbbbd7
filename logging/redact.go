package logging

import (
	"regexp"
	"strings"

	"github.com/backend-platform/sdk/internal/redact"
)

// redactor decides what is a secret. A nil redactor knows none.
type redactor struct {
	secret   map[string]bool // by plainName; false: not a secret, whatever the built-in rules say
	patterns []*regexp.Regexp
}

func newRedactor(cfg Config) *redactor {
	if cfg.NoRedaction {
		return nil
	}
	r := &redactor{secret: make(map[string]bool), patterns: cfg.SecretPatterns}
	for _, key := range cfg.SecretKeys {
		r.secret[plainName(key)] = true
	}
	for _, key := range cfg.PlainKeys {
		r.secret[plainName(key)] = false
	}
	return r
}

// key reports whether what is called name is a secret.
func (r *redactor) key(name string) bool {
	if r == nil {
		return false
	}
	if len(r.secret) > 0 {
		if secret, ok := r.secret[plainName(name)]; ok {
			return secret
		}
	}
	return redact.Key(name)
}

// text returns s without the secrets that are known by their form.
func (r *redactor) text(s string) string {
	if r == nil {
		return s
	}
	s = redact.Text(s)
	for _, p := range r.patterns {
		s = p.ReplaceAllLiteralString(s, redact.Placeholder)
	}
	return s
}

// plainName makes api_key, API-Key and apiKey one name.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == '_' || r == '-' || r == '.' || r == ' ' || r == '/' || r == ':':
			return -1
		}
		return r
	}, name)
}
