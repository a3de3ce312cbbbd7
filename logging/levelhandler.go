package logging

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// LevelHandler returns a handler that shows and changes the levels of a logger that was made by [New]
// or derived from one; main mounts it on its admin mux, never on the public one:
//
//	admin.Handle("/debug/loglevel", logging.LevelHandler(logger))
//
// GET answers with the levels in force; PUT changes them, for a time if it says so; DELETE ends a
// temporary change:
//
//	curl localhost:8081/debug/loglevel
//	curl -X PUT 'localhost:8081/debug/loglevel?level=kafka=debug,*=info&for=10m'
//	curl -X DELETE localhost:8081/debug/loglevel
//	curl -X PUT localhost:8081/debug/loglevel -H 'Content-Type: application/json' -d '{"level":"debug","for":"10m"}'
//
// A form in the body works as well. The level has the form of [Levels.Set], for that of
// [time.ParseDuration]. The answer is
// {"level":"debug","until":"2026-01-02T15:04:05Z","fallback":"info"}, the last two while a temporary
// change holds; or, with status 400, {"error":"…"}. A change is logged as a warning. For a logger that
// has no [Levels] every answer is 501. Safe for concurrent use.
func LevelHandler(l *zap.Logger) http.Handler {
	return &levelHandler{log: l, levels: LevelsOf(l)}
}

type levelHandler struct {
	log    *zap.Logger
	levels *Levels
}

// maxLevelBody bounds what a PUT may send.
const maxLevelBody = 16 << 10

type levelState struct {
	Level    string     `json:"level"`
	Until    *time.Time `json:"until,omitempty"`
	Fallback string     `json:"fallback,omitempty"`
}

type levelFault struct {
	Error string `json:"error"`
}

// ServeHTTP implements [http.Handler].
func (h *levelHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if h.levels == nil {
		answer(w, http.StatusNotImplemented, levelFault{"the logger was not made by logging.New"})
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodDelete:
		_ = change(h.log, h.levels, h.levels.fallback(), 0) // it is well formed
	case http.MethodPut:
		if err := h.change(w, r); err != nil {
			answer(w, http.StatusBadRequest, levelFault{err.Error()})
			return
		}
	default:
		w.Header().Set("Allow", "DELETE, GET, HEAD, PUT")
		answer(w, http.StatusMethodNotAllowed, levelFault{"use GET, PUT or DELETE"})
		return
	}
	answer(w, http.StatusOK, h.state())
}

func (h *levelHandler) state() levelState {
	state := levelState{Level: h.levels.String()}
	if until, fallback, ok := h.levels.Temporary(); ok {
		until = until.UTC().Truncate(time.Second)
		state.Until, state.Fallback = &until, fallback
	}
	return state
}

func (h *levelHandler) change(w http.ResponseWriter, r *http.Request) error {
	spec, d, err := readChange(w, r)
	if err != nil {
		return err
	}
	return change(h.log, h.levels, spec, d)
}

func readChange(w http.ResponseWriter, r *http.Request) (spec string, d time.Duration, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxLevelBody)
	spec, duration, err := changeOf(r)
	if err != nil {
		return "", 0, err
	}
	if spec == "" {
		return "", 0, errors.New("level is missing")
	}
	if duration == "" {
		return spec, 0, nil
	}
	d, err = time.ParseDuration(duration)
	if err != nil || d <= 0 {
		return "", 0, fmt.Errorf("for: %q is no positive duration such as 10m", duration)
	}
	return spec, d, nil
}

func changeOf(r *http.Request) (spec, duration string, err error) {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media == "application/json" {
		var change struct{ Level, For string }
		body := json.NewDecoder(r.Body)
		body.DisallowUnknownFields() // a misspelt "for" must not make a change for good
		if body.Decode(&change) != nil {
			return "", "", errors.New(`the body is not of the form {"level":"debug","for":"10m"}`)
		}
		return change.Level, change.For, nil
	}
	if err := r.ParseForm(); err != nil {
		return "", "", errors.New("the form cannot be read")
	}
	return r.Form.Get("level"), r.Form.Get("for"), nil
}

func answer[T levelState | levelFault](w http.ResponseWriter, status int, body T) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone; there is nobody to tell
}
