package main

import (
	"context"
	"net/http"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
)

// phrases is the service that knows how to say hello.
type phrases struct {
	client *http.Client
	url    string // empty: there is none, and English is all that is known
}

// in returns the phrase in a language, which has been validated, so it may stand in a URL. A failure of the other service
// that this one cannot explain goes on to the caller as what it is: unavailable, a timeout.
func (p phrases) in(ctx context.Context, language string) (string, error) {
	if p.url == "" {
		if language != "en" {
			return "", errUnknownLanguage.Newf("There is no phrase in %q.", language)
		}
		return "Hello", nil
	}
	answer, err := httpclient.Get[struct {
		Phrase string `json:"phrase"`
	}](ctx, p.client, p.url+"/phrases/"+language)
	if errors.Is(err, errors.NotFound) {
		return "", errUnknownLanguage.Wrapf(err, "There is no phrase in %q.", language)
	}
	return answer.Phrase, err
}
