// Package policy lists the effective policies of the running program: what each client, breaker and
// consumer really does, after defaults. It answers the question that versions alone do not answer.
//
// The list is the one piece of process-wide state in the SDK. It holds its entries weakly: a client
// that nobody uses any more leaves it, so nobody has to sign off.
package policy

import (
	"cmp"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"weak"
)

// An Entry is one effective policy.
type Entry struct {
	Kind  string     // such as httpclient, breaker, consumer
	Name  string     // as given by the service
	Value slog.Value // resolved
}

// Register adds an owner to the list under a kind and a name, for as long as the owner is reachable.
// Two owners may have the same name. The owner's LogValue is called when the list is read, from any
// goroutine. Safe for concurrent use. The owner must not be nil. An owner of less than 16 bytes without
// a pointer may stay listed longer, because the runtime packs such objects together.
func Register[T any, P interface {
	*T
	slog.LogValuer
}](kind, name string, owner P) {
	pointer := weak.Make((*T)(owner))
	id := registered.add(entry{kind, name, func() (slog.LogValuer, bool) {
		p := pointer.Value()
		return P(p), p != nil
	}})
	runtime.AddCleanup((*T)(owner), registered.remove, id)
}

// All returns the entries in the order of their kinds and names. Safe for concurrent use.
func All() []Entry {
	var all []Entry
	for _, e := range registered.list() {
		if owner, ok := e.owner(); ok {
			all = append(all, Entry{e.kind, e.name, slog.AnyValue(owner).Resolve()})
		}
	}
	slices.SortStableFunc(all, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return all
}

type entry struct {
	kind, name string
	owner      func() (slog.LogValuer, bool)
}

type registry struct {
	mu      sync.Mutex
	next    uint64
	entries map[uint64]entry
}

var registered = &registry{entries: make(map[uint64]entry)}

func (r *registry) add(e entry) (id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	r.entries[r.next] = e
	return r.next
}

func (r *registry) remove(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.entries, id)
}

// list copies the entries, oldest first, so that no owner is called under the lock.
func (r *registry) list() []entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]uint64, 0, len(r.entries))
	for id := range r.entries {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	entries := make([]entry, 0, len(ids))
	for _, id := range ids {
		entries = append(entries, r.entries[id])
	}
	return entries
}
