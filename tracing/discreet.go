package tracing

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/grpc/status"

	"github.com/backend-platform/sdk/internal/redact"
)

// A discretion takes the values of a collector's headers out of what the collector answers. The exporters make
// errors of that, and a collector may repeat a key that it does not know, in no form that tells a secret.
type discretion struct{ values *strings.Replacer }

func newDiscretion(headers map[string]string) discretion {
	const least = 8 // a shorter word is no key, but may be one of the answer's own
	var secrets []string
	for _, value := range headers {
		for word := range strings.FieldsSeq(value) { // of "Bearer key" the key
			if len(word) >= least {
				secrets = append(secrets, word)
			}
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // one may begin with another
	var pairs []string
	for _, secret := range secrets {
		pairs = append(pairs, secret, redact.Placeholder)
	}
	return discretion{strings.NewReplacer(pairs...)}
}

// response changes the answer to an export that failed. It keeps no more of it than an error shows.
func (d discretion) response(r *http.Response) {
	if r.StatusCode/100 == 2 {
		return
	}
	const limit = 16 << 10
	body, err := io.ReadAll(io.LimitReader(r.Body, limit))
	text := []byte(d.values.Replace(string(body)))
	r.ContentLength = int64(len(text))
	r.Body = readAgain(text, &failing{http.NoBody, err}, r.Body)
}

// status changes the error of a call that failed, and keeps what it says for programs.
func (d discretion) status(err error) error {
	s, ok := status.FromError(err)
	if !ok || d.values.Replace(s.Message()) == s.Message() {
		return err
	}
	told := s.Proto()
	told.Message = d.values.Replace(told.GetMessage())
	return status.ErrorProto(told)
}
