package httpserver

import (
	"strconv"
	"strings"
)

// Weights that a client gives to a form of an answer, beside those of its Accept header in thousandths.
const (
	unmentioned = -1
	refused     = -2
)

// form is a kind of representation. It says how exactly a media range names it: 0 not at all, 1 "*/*",
// 2 "type/*", 3 by its name.
type form func(media string) (exactness int)

// jsonForms are application/json and every type with the suffix +json (RFC 6839, section 3.1).
func jsonForms(media string) int {
	if isJSON(media) {
		return 3
	}
	return wildcard(media, "application/*")
}

// textForms are what people read. A browser asks for HTML and shows plain text as well.
func textForms(media string) int {
	if strings.EqualFold(media, "text/html") || strings.EqualFold(media, "text/plain") {
		return 3
	}
	return wildcard(media, "text/*")
}

func wildcard(media, kind string) int {
	switch {
	case strings.EqualFold(media, kind):
		return 2
	case media == "*/*":
		return 1
	}
	return 0
}

func isJSON(media string) bool {
	const suffix = "+json"
	return strings.EqualFold(media, "application/json") ||
		len(media) > len(suffix) && strings.EqualFold(media[len(media)-len(suffix):], suffix)
}

// weigh reads Accept (RFC 9110, section 12.5.1): of the ranges that name a form the most exact decides,
// of equal ones the greatest weight. A client that says nothing takes everything.
func weigh(accept []string, f form) int {
	weight, exactness := unmentioned, 0
	for _, value := range accept {
		for part := range strings.SplitSeq(value, ",") {
			media, params, _ := strings.Cut(part, ";")
			e := f(strings.TrimSpace(media))
			if e == 0 || e < exactness {
				continue
			}
			if w := weightOf(params); e > exactness || w > weight {
				weight, exactness = w, e
			}
		}
	}
	return weight
}

// weightOf returns the parameter q in thousandths; one that is no number counts as absent.
func weightOf(params string) int {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		switch q, err := strconv.ParseFloat(value, 64); {
		case err != nil || !(q >= 0 && q <= 1):
			return 1000
		case q == 0:
			return refused
		default:
			return int(q * 1000)
		}
	}
	return 1000
}
