package httpserver

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/backend-platform/sdk/internal/buildinfo"
	"github.com/backend-platform/sdk/internal/policy"
	"github.com/backend-platform/sdk/internal/redact"
)

// NewAdminMux returns the handlers for an address that only operators and probes reach:
//
//	GET /livez      liveness
//	GET /readyz     readiness, with the state of each check by name
//	GET /debug/sdk  which modules the program was built from, in which versions, and what each client,
//	                breaker, server and consumer really does, after defaults
//
// Add to it what else belongs there: the log level, metrics, profiles. Those are not there by themselves,
// because an import of net/http/pprof adds them to http.DefaultServeMux, which may be public; with
//
//	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
//
// main decides. [Config.AdminAddr] serves an admin mux; see [Server.Admin].
func NewAdminMux(h *Health) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /livez", h.Livez())
	mux.Handle("GET /readyz", h.readyz(true))
	mux.HandleFunc("GET /debug/sdk", serveSDK)
	return mux
}

type sdkPage struct {
	Main     moduleEntry   `json:"main"`
	Go       string        `json:"go"`
	Modules  []moduleEntry `json:"modules"`
	Policies []policyEntry `json:"policies"`
}

type moduleEntry struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

type policyEntry struct {
	Kind  string          `json:"kind"`
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

func serveSDK(w http.ResponseWriter, r *http.Request) {
	info := buildinfo.Read()
	page := sdkPage{
		Main:     moduleEntry(info.Main),
		Go:       info.Go,
		Modules:  []moduleEntry{},
		Policies: []policyEntry{},
	}
	for _, m := range info.Modules {
		page.Modules = append(page.Modules, moduleEntry(m))
	}
	for _, e := range policy.All() {
		page.Policies = append(page.Policies, policyEntry{e.Kind, e.Name, appendValue(nil, e.Value)})
	}
	w.Header().Set("Cache-Control", "no-store")
	if err := WriteJSON(w, http.StatusOK, page); err != nil {
		WriteError(w, r, err)
	}
}

// appendValue writes a slog.Value as JSON: groups as objects in their order, durations as text,
// secrets not at all.
func appendValue(b []byte, v slog.Value) []byte {
	switch v = v.Resolve(); v.Kind() {
	case slog.KindGroup:
		b = append(b, '{')
		for i, a := range v.Group() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJSON(b, a.Key), ':')
			if redact.Key(a.Key) {
				b = appendJSON(b, redact.Placeholder)
				continue
			}
			b = appendValue(b, a.Value)
		}
		return append(b, '}')
	case slog.KindDuration:
		return appendJSON(b, v.Duration().String())
	case slog.KindTime:
		return appendJSON(b, v.Time().Format(time.RFC3339Nano))
	case slog.KindString:
		return appendJSON(b, redact.Text(v.String()))
	}
	return appendJSON(b, v.Any())
}

// appendJSON writes what encoding/json can, and the text of the rest.
func appendJSON(b []byte, v any) []byte {
	encoded, err := json.Marshal(v)
	if err != nil {
		encoded, _ = json.Marshal(redact.Text(slog.AnyValue(v).String()))
	}
	return append(b, encoded...)
}
