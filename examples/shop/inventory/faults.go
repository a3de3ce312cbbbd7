package inventory

import (
	"net/http"
	"sync/atomic"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

// Faults makes requests fail, so that the demonstration can show what follows. Its zero value lets all
// pass. Safe for concurrent use.
type Faults struct {
	next atomic.Int64
	down atomic.Bool
}

// FailNext makes the next n requests answer 503.
func (f *Faults) FailNext(n int) { f.next.Store(int64(n)) }

// FailShipments makes all requests to ship answer 503, or ends that.
func (f *Faults) FailShipments(down bool) { f.down.Store(down) }

func (f *Faults) wrap(next http.Handler) http.Handler {
	return httpserver.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if f.next.Load() > 0 && f.next.Add(-1) >= 0 {
			return errors.Unavailable.New("The inventory restarts.")
		}
		if f.down.Load() && r.URL.Path == "/shipments" {
			return errors.Unavailable.New("The warehouse does not answer.")
		}
		next.ServeHTTP(w, r)
		return nil
	})
}
