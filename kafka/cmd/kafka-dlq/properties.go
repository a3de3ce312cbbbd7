package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// parseProperties reads a file of Java's java.util.Properties: key=value, key: value or
// key value in a line, which a backslash at its end continues; # and ! begin comments.
// As Java takes it, a byte is a character: ISO 8859-1.
func parseProperties(text string) (map[string]string, error) {
	properties := map[string]string{}
	// An empty line ends a line that was to go on, so none is left out.
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(latin1(text)), "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimLeft(lines[i], " \t\f")
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for continued(line) {
			line = line[:len(line)-1]
			if i++; i == len(lines) {
				break
			}
			line += strings.TrimLeft(lines[i], " \t\f")
		}
		key, value := cutProperty(line)
		var err error
		if key, err = unescape(key); err == nil {
			value, err = unescape(value)
		}
		if err != nil {
			return nil, fmt.Errorf("property %q: %w", key, err)
		}
		properties[key] = value
	}
	return properties, nil
}

func latin1(text string) string {
	characters := make([]rune, len(text))
	for i := range len(text) {
		characters[i] = rune(text[i])
	}
	return string(characters)
}

// continued says whether the line ends with an odd number of backslashes.
func continued(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

func cutProperty(line string) (key, value string) {
	end := 0
	for ; end < len(line) && !strings.ContainsRune("=: \t\f", rune(line[end])); end++ {
		if line[end] == '\\' {
			end++
		}
	}
	end = min(end, len(line))
	key, value = line[:end], strings.TrimLeft(line[end:], " \t\f")
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], " \t\f")
	}
	return key, value
}

// unescape reads \n, \t, \uXXXX and the like; a backslash before anything else is left out.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var out []uint16
	var b strings.Builder
	flush := func() {
		b.WriteString(string(utf16.Decode(out)))
		out = out[:0]
	}
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			flush()
			b.WriteByte(s[i])
			continue
		}
		i++
		if s[i] == 'u' {
			unit, err := strconv.ParseUint(s[i+1:min(i+5, len(s))], 16, 16)
			if err != nil || i+5 > len(s) {
				return "", fmt.Errorf(`\u wants four hexadecimal digits`)
			}
			out, i = append(out, uint16(unit)), i+4
			continue
		}
		flush()
		if at := strings.IndexByte("ntrf", s[i]); at >= 0 {
			b.WriteByte("\n\t\r\f"[at])
		} else {
			b.WriteByte(s[i])
		}
	}
	flush()
	return b.String(), nil
}
