package policy_test

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/backend-platform/sdk/internal/policy"
)

// client has a pointer: the runtime packs small objects without one together and keeps them together.
type client struct {
	attempts int
	_        *client
}

func (c *client) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("attempts", c.attempts))
}

func find(name string) (found []policy.Entry) {
	for _, e := range policy.All() {
		if e.Name == name {
			found = append(found, e)
		}
	}
	return found
}

func TestAllShowsThePolicyAsItIsNow(t *testing.T) {
	c := &client{attempts: 3}
	policy.Register("httpclient", t.Name(), c)
	c.attempts = 4
	found := find(t.Name())
	if len(found) != 1 || found[0].Kind != "httpclient" || fmt.Sprint(found[0].Value) != "[attempts=4]" {
		t.Errorf("found %v", found)
	}
	runtime.KeepAlive(c)
}

func TestAllIsSorted(t *testing.T) {
	var owners []*client
	for _, name := range []string{"b", "a", "c"} {
		owners = append(owners, &client{})
		policy.Register("sorted", name, owners[len(owners)-1])
	}
	var names strings.Builder
	for _, e := range policy.All() {
		if e.Kind == "sorted" {
			names.WriteString(e.Name)
		}
	}
	if names.String() != "abc" {
		t.Errorf("order %q", names.String())
	}
	runtime.KeepAlive(owners)
}

func TestAnOwnerThatNobodyUsesLeavesTheList(t *testing.T) {
	func() { policy.Register("httpclient", t.Name(), &client{}) }()
	for range 10 {
		runtime.GC()
		if len(find(t.Name())) == 0 {
			return
		}
	}
	t.Error("still listed after ten collections")
}

func TestRegisterAndAllAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				c := &client{}
				policy.Register("busy", t.Name(), c)
				policy.All()
				runtime.KeepAlive(c)
			}
		})
	}
	wg.Wait()
}
