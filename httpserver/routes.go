package httpserver

import "net/http"

// Routes returns a handler that serves mux, and answers with problem documents where the mux would
// answer with plain text: [ErrNoRoute] (404) for a path that it does not have, [ErrMethodNotAllowed]
// (405, with Allow) for a method that the path does not have. [New] and [NewHandler] do this by
// themselves if they are given a mux; Routes is for a mux inside other middleware, where it
// also sees to it that the route reaches spans, metrics and the access log: a middleware that hands on a
// copy of the request (http.Request.WithContext) hides it from them.
func Routes(mux *http.ServeMux) http.Handler {
	return &layers{next: mux, routes: true}
}

// answersFor reports whether a status that is being written is the mux's own: only where nothing
// matches does a mux leave the pattern empty.
func (x *exchange) answersFor(status int) bool {
	return (status == http.StatusNotFound || status == http.StatusMethodNotAllowed) && x.request.Pattern == ""
}

func (x *exchange) answerUnrouted(status int) {
	x.writer.unrouted = nil
	err := ErrNoRoute.New("There is nothing at this path.")
	if status == http.StatusMethodNotAllowed {
		err = ErrMethodNotAllowed.New("This path does not have the method of the request. See the header Allow.")
	}
	WriteError(&x.writer, x.request, err)
}
