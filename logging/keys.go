package logging

// keyAt is a field of an open object: its key, and where in buf it begins.
type keyAt struct {
	name string
	at   int
}

// object is an open object.
type object struct {
	base   int            // of its keys
	index  map[string]int // of its keys, once there are many; nil: not built
	secret bool           // a namespace with the name of a secret: what is in it is one
}

// begin writes a key and reports whether its value is to be written: not if the line is full, and not
// if it is a secret, which is then replaced.
func (e *encoder) begin(key string) bool {
	info := e.name(key, true)
	if info == nil {
		return false
	}
	if info.secret || e.open[len(e.open)-1].secret {
		e.buf = e.literal(placeholder)
		return false
	}
	return true
}

// name writes a key; it returns nil if the line is full.
func (e *encoder) name(key string, remember bool) *keyInfo {
	if e.full() {
		return nil
	}
	info := e.out.key(key, remember)
	if info.reserved && len(e.open) == 1 {
		info = e.out.key(renamed+key, remember)
	}
	if i := e.find(info.name); i >= 0 {
		e.remove(i)
	}
	e.addKey(info)
	return info
}

// addKey writes a key that the object does not have yet.
func (e *encoder) addKey(info *keyInfo) {
	current := &e.open[len(e.open)-1]
	if current.index != nil {
		current.index[info.name] = len(e.keys)
	}
	e.keys = append(e.keys, keyAt{info.name, len(e.buf)})
	e.separate()
	e.buf = append(e.buf, info.of(e.human)...)
}

// find returns the innermost open object's field of that key, or -1.
func (e *encoder) find(key string) int {
	current := &e.open[len(e.open)-1]
	if len(e.keys)-current.base <= manyKeys {
		for i := len(e.keys) - 1; i >= current.base; i-- {
			if e.keys[i].name == key {
				return i
			}
		}
		return -1
	}
	if current.index == nil {
		current.index = make(map[string]int, 2*manyKeys)
		for i := current.base; i < len(e.keys); i++ {
			current.index[e.keys[i].name] = i
		}
	}
	if i, ok := current.index[key]; ok {
		return i
	}
	return -1
}

// remove takes a field of the innermost open object out again.
func (e *encoder) remove(i int) {
	from, to := e.keys[i].at, len(e.buf)
	if i+1 < len(e.keys) {
		to = e.keys[i+1].at
		if e.buf[from] != ',' && e.buf[from] != ' ' {
			to++ // the first of an object has no separator, nor may the next
		}
	}
	for m := range e.marks {
		if p := &e.marks[m]; p.buf > from {
			p.buf = max(from, p.buf-(to-from)) // from: the separator behind the first belonged to what comes after the mark
			p.keys--
		}
	}
	e.buf = append(e.buf[:from], e.buf[to:]...)
	e.keys = append(e.keys[:i], e.keys[i+1:]...)
	for j := i; j < len(e.keys); j++ {
		e.keys[j].at = max(from, e.keys[j].at-(to-from))
	}
	e.open[len(e.open)-1].index = nil
}
