package main

import (
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"sync"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

// catalogue has the errors that callers can act on. Its pages are served at the path of its base URL.
var catalogue = errors.NewCatalogue("helloservice", "https://errors.example.com/helloservice/")

var errUnknownLanguage = catalogue.Define(errors.Definition{
	Code:   errors.FailedPrecondition,
	Reason: "UNKNOWN_LANGUAGE",
	Title:  "There is no phrase in this language",
	Doc:    "The service that knows the phrases has none in this language. Choose another one.",
})

// order is what a caller sends to have somebody greeted.
type order struct {
	Name     string `json:"name"`
	Language string `json:"language"`
}

var language = regexp.MustCompile(`^[a-z]{2}$`)

// Validate is called by httpserver.DecodeJSON. It finds everything at once.
func (o order) Validate() error {
	fault := errors.InvalidArgument.New("The greeting is not valid.")
	if o.Name == "" || len(o.Name) > 100 {
		fault = fault.WithViolation("#/name", "must have 1 to 100 bytes", "LENGTH")
	}
	if !language.MatchString(o.Language) {
		fault = fault.WithViolation("#/language", "must be two lower-case letters (ISO 639-1)", "FORMAT")
	}
	if len(fault.Violations()) == 0 {
		return nil
	}
	return fault
}

type greeting struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// kept is how many greetings are remembered: without a bound, memory is what a caller decides about.
const kept = 1000

// greetings is the resource. Its map stands for a database.
type greetings struct {
	phrases phrases

	mu    sync.Mutex
	last  int
	known map[int]greeting
}

func (g *greetings) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("POST /greetings", httpserver.HandlerFunc(g.create))
	mux.Handle("GET /greetings/{id}", httpserver.HandlerFunc(g.read))
	mux.Handle("GET /helloservice/", httpserver.CatalogueHandler(catalogue))
	return mux
}

func (g *greetings) create(w http.ResponseWriter, r *http.Request) error {
	o, err := httpserver.DecodeJSON[order](r)
	if err != nil {
		return err
	}
	phrase, err := g.phrases.in(r.Context(), o.Language)
	if err != nil {
		return err
	}
	made := g.add(phrase + ", " + o.Name + "!")
	slog.InfoContext(r.Context(), "greeted", "id", made.ID, "language", o.Language)
	w.Header().Set("Location", "/greetings/"+made.ID)
	return httpserver.WriteJSON(w, http.StatusCreated, made)
}

func (g *greetings) read(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return errors.InvalidArgument.Wrap(err, "An id is a number.")
	}
	g.mu.Lock()
	found, ok := g.known[id]
	g.mu.Unlock()
	if !ok {
		return errors.NotFound.New("There is no such greeting.")
	}
	return httpserver.WriteJSON(w, http.StatusOK, found)
}

func (g *greetings) add(text string) greeting {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known == nil {
		g.known = map[int]greeting{}
	}
	g.last++
	delete(g.known, g.last-kept)
	made := greeting{strconv.Itoa(g.last), text}
	g.known[g.last] = made
	return made
}
