package resilience

import "sync/atomic"

// ticketsPerPage is how many calls share one allocation.
const ticketsPerPage = 64

// A ticketBook hands out flags, one a call. The function that Allow returns must know whether it was
// called before; a flag of its own would cost every call a second allocation.
type ticketBook struct {
	page atomic.Pointer[ticketPage]
}

type ticketPage struct {
	taken atomic.Uint32
	flags [ticketsPerPage]flag
}

// flag is raised once.
type flag struct{ raised atomic.Bool }

// raise reports whether it was the first to raise f.
func (f *flag) raise() bool { return !f.raised.Swap(true) }

// next returns a flag that nobody else has.
func (b *ticketBook) next() *flag {
	for {
		page := b.page.Load()
		if page != nil {
			if n := page.taken.Add(1); n <= ticketsPerPage {
				return &page.flags[n-1]
			}
		}
		b.page.CompareAndSwap(page, new(ticketPage))
	}
}
