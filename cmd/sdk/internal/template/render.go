package template

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Files are the files of a service by their names, which are relative and have slashes.
type Files map[string][]byte

// notRendered belong to the template as a released module, not to what is made of it.
var notRendered = []string{"LICENSE", "CHANGELOG.md", ManifestFile}

// Render makes the files of a service from the template in dir: its module path and its name are replaced where they
// stand as whole words, in texts and file names, then Go files are formatted, because imports have another order now.
// Binary files stay as they are. The manifest is written anew, from m.
func Render(dir string, m Manifest) (Files, error) {
	files := Files{}
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if slices.Contains(notRendered, name) {
			return nil
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		target, data, err := renderFile(name, data, m)
		if err != nil {
			return err
		}
		if _, there := files[target]; there {
			return fmt.Errorf("two files of the template become %s", target)
		}
		files[target] = data
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", m.Template, err)
	}
	if files["go.mod"] == nil {
		return nil, fmt.Errorf("render %s: %w", m.Template, errors.New("it has no go.mod"))
	}
	files[ManifestFile] = m.Format()
	return files, nil
}

func renderFile(name string, data []byte, m Manifest) (string, []byte, error) {
	own := NameOf(m.Template)
	target := replaceWords(name, own, m.Name)
	if !text(data) {
		return target, data, nil
	}
	out := []byte(substitute(string(data), m))
	if path.Ext(name) == ".go" {
		formatted, err := format.Source(out)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", name, err)
		}
		out = formatted
	}
	return target, out, nil
}

func text(data []byte) bool { return bytes.IndexByte(data, 0) < 0 && utf8.Valid(data) }

// substitute replaces the path before the name, which is part of it, without looking at what was replaced already.
func substitute(text string, m Manifest) string {
	var out strings.Builder
	for {
		i := index(text, m.Template, pathRune)
		if i < 0 {
			out.WriteString(replaceWords(text, NameOf(m.Template), m.Name))
			return out.String()
		}
		out.WriteString(replaceWords(text[:i], NameOf(m.Template), m.Name))
		out.WriteString(m.Module)
		text = text[i+len(m.Template):]
	}
}

func replaceWords(text, word, with string) string {
	var out strings.Builder
	for {
		i := index(text, word, wordRune)
		if i < 0 {
			out.WriteString(text)
			return out.String()
		}
		out.WriteString(text[:i])
		out.WriteString(with)
		text = text[i+len(word):]
	}
}

// index finds word in text where no rune that is part of a word stands beside it.
func index(text, word string, part func(rune) bool) int {
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return -1
		}
		i += from
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(word):])
		if (i == 0 || !part(before)) && (i+len(word) == len(text) || !part(after)) {
			return i
		}
		from = i + len(word)
	}
}

// wordRune reports what may not stand beside a name: a letter, digit or underscore. Hyphens may: helloservice-image.
func wordRune(r rune) bool {
	return r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// pathRune reports what may not stand beside a module path: the path could go on with it. A slash may follow.
func pathRune(r rune) bool { return wordRune(r) || r == '-' || r == '~' }

// Ours reports whether upgrade leaves a file to the service: its Go code, its README, and what is merged by meaning.
func Ours(name string) bool {
	base := path.Base(name)
	return path.Ext(name) == ".go" || strings.HasPrefix(strings.ToUpper(base), "README") ||
		name == "go.mod" || name == "go.sum" || name == ManifestFile
}
