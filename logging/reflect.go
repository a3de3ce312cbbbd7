package logging

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// reflected writes a value that only reflection understands, as encoding/json does, but without its
// secrets. What cannot be JSON is said in its place.
func (e *encoder) reflected(v any) {
	if v == nil {
		e.buf = append(e.buf, "null"...)
		return
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		e.text(err.Error())
		return
	}
	human := e.human
	data := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(data) > 0 && (data[0] == '{' || data[0] == '[') {
		e.human = false
	}
	value := reflect.ValueOf(v)
	if e.out.redact == nil || !e.out.tags.mayHide(value.Type()) {
		value = reflect.Value{}
	}
	e.json(data, value)
	e.human = human
}

// json copies a value of JSON that encoding/json wrote, which is valid and has no blanks, without the
// secrets in it, and returns what follows. If the value it was made of is known, its tags are looked at.
func (e *encoder) json(data []byte, value reflect.Value) (rest []byte) {
	switch data[0] {
	case '{':
		return e.jsonObject(data[1:], named(underlying(value)))
	case '[':
		return e.jsonArray(data[1:], underlying(value))
	case '"':
		s, rest := jsonString(data)
		e.text(s)
		return rest
	}
	end := scalarEnd(data)
	e.buf = append(e.buf, data[:end]...)
	return data[end:]
}

func (e *encoder) jsonObject(data []byte, value reflect.Value) (rest []byte) {
	depth, human := e.push()
	for data[0] != '}' {
		if data[0] == ',' {
			data = data[1:]
		}
		var key string
		key, data = jsonString(data)
		data = data[1:] // the colon
		member, secret := e.out.tags.member(value, key)
		data = e.jsonMember(key, data, member, secret)
	}
	e.pop(depth, human)
	return data[1:]
}

// jsonMember keeps the first of two members with one name: somebody else's document may hold many.
func (e *encoder) jsonMember(key string, data []byte, value reflect.Value, secret bool) (rest []byte) {
	if len(e.open) > maxDepth || e.full() {
		return skipJSON(data)
	}
	info := e.out.key(key, false)
	if e.find(info.name) >= 0 {
		return skipJSON(data)
	}
	e.addKey(info)
	if secret || info.secret && data[0] != 't' && data[0] != 'f' && data[0] != 'n' {
		e.buf = e.literal(placeholder)
		return skipJSON(data)
	}
	return e.json(data, value)
}

func (e *encoder) jsonArray(data []byte, value reflect.Value) (rest []byte) {
	e.buf = append(e.buf, '[')
	e.open = append(e.open, object{base: len(e.keys)})
	for i := 0; data[0] != ']'; i++ {
		if data[0] == ',' {
			data = data[1:]
		}
		if len(e.open) > maxDepth || !e.element() {
			data = skipJSON(data)
			continue
		}
		data = e.json(data, element(value, i))
	}
	e.open = e.open[:len(e.open)-1]
	e.buf = append(e.buf, ']')
	return data[1:]
}

// jsonString reads the string at the beginning of data.
func jsonString(data []byte) (s string, rest []byte) {
	end, escaped := 1, false
	for data[end] != '"' {
		if data[end] == '\\' {
			escaped = true
			end++
		}
		end++
	}
	if !escaped {
		return string(data[1:end]), data[end+1:]
	}
	_ = json.Unmarshal(data[:end+1], &s) // encoding/json wrote it
	return s, data[end+1:]
}

func scalarEnd(data []byte) int {
	for i, c := range data {
		if c == ',' || c == '}' || c == ']' {
			return i
		}
	}
	return len(data)
}

// skipJSON returns what follows the value at the beginning of data.
func skipJSON(data []byte) (rest []byte) {
	for depth := 0; ; {
		switch data[0] {
		case '{', '[':
			depth++
			data = data[1:]
		case '}', ']':
			depth--
			data = data[1:]
		case ',', ':':
			data = data[1:]
			continue
		case '"':
			data = data[stringEnd(data):]
		default:
			data = data[scalarEnd(data):]
		}
		if depth == 0 {
			return data
		}
	}
}

func stringEnd(data []byte) int {
	end := 1
	for data[end] != '"' {
		if data[end] == '\\' {
			end++
		}
		end++
	}
	return end + 1
}
