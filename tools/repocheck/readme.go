package repocheck

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/format"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// source is the comment above a block of Go in a Markdown file that says where its text comes from.
var source = regexp.MustCompile(`^<!-- from ([\w./-]+\.go)(?::([\w.,]+))? -->$`)

// link finds the target of a Markdown link.
var link = regexp.MustCompile(`\]\(([^)\s#]+)(?:#[^)\s]*)?\)`)

// Markdown returns each block of Go in a Markdown file (changelogs excepted) that is not, letter by letter, what the
// comment above it names, and each relative link to a file that is not there. With update the blocks are rewritten
// from their sources instead.
//
// A source is a compiled Go file, relative to the Markdown file's folder, or declarations of one:
//
//	<!-- from example_test.go:ExampleNew -->    the body of an example, without its output comment
//	<!-- from client.go:Client,Client.Do -->    whole declarations, with their comments
//	<!-- from ../examples/shop/main.go -->      a whole file, from its package clause on
func Markdown(r *Repo, update bool) ([]Fault, error) {
	compiled := map[string]*File{}
	r.files(func(_ *Module, _ *Package, f *File) { compiled[f.Name] = f })
	var faults []Fault
	err := r.textFiles(func(name string, data []byte) error {
		if path.Ext(name) != ".md" || path.Base(name) == "CHANGELOG.md" || strings.Contains(name, "testdata/") {
			return nil
		}
		faults = append(faults, r.brokenLinks(name, string(data))...)
		text, found := r.blocks(name, string(data), compiled, update)
		faults = append(faults, found...)
		if update && text != string(data) && strings.HasPrefix(name, r.Only) {
			return os.WriteFile(filepath.Join(r.Root, name), []byte(text), 0o666)
		}
		return nil
	})
	return faults, err
}

func (r *Repo) brokenLinks(name, text string) []Fault {
	var faults []Fault
	number, open := 0, ""
	for line := range strings.Lines(text) {
		number++
		if fence, _ := cutFence(line); open == "" {
			open = fence
		} else if closes(line, open) {
			open = ""
		}
		for _, match := range link.FindAllStringSubmatch(line, -1) {
			target := match[1]
			if open != "" || strings.Contains(target, ":") || r.exists(path.Join(path.Dir(name), target)) {
				continue
			}
			faults = append(faults, Fault{name, number, "link to " + target + ", which is not there"})
		}
	}
	return faults
}

// cutFence splits a line that opens a block into its backticks, at least three, and what follows; "" for another line.
func cutFence(line string) (fence, language string) {
	line = strings.TrimSpace(line)
	language = strings.TrimLeft(line, "`")
	if fence = line[:len(line)-len(language)]; len(fence) < 3 || strings.Contains(language, "`") {
		return "", ""
	}
	return fence, language
}

// closes reports whether a line ends the block that fence opened: as many backticks, or more, and nothing else.
func closes(line, fence string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, fence) && strings.Trim(line, "`") == ""
}

// blocks checks the Go blocks of one file and returns its text with all blocks refreshed.
func (r *Repo) blocks(name, text string, compiled map[string]*File, update bool) (string, []Fault) {
	var faults []Fault
	var out []string
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		out = append(out, lines[i])
		fence, language := cutFence(lines[i])
		if fence == "" {
			continue
		}
		end := i + 1
		for end < len(lines) && !closes(lines[end], fence) {
			end++
		}
		if end == len(lines) {
			faults = append(faults, Fault{name, i + 1, "the block has no end"})
			end--
		}
		have := lines[i+1 : max(i+1, end)]
		if language == "go" || strings.HasPrefix(language, "go ") {
			var above string
			if i > 0 {
				above = strings.TrimSpace(lines[i-1])
			}
			want, err := r.sourceText(name, above, compiled)
			switch {
			case err != nil:
				faults = append(faults, Fault{name, i + 1, err.Error()})
			case update:
				have = strings.Split(want, "\n")
			case strings.Join(have, "\n") != want:
				faults = append(faults, Fault{name, i + 1, "the block is not what its source says: make readme"})
			}
		}
		out = append(out, have...)
		if end > i {
			out = append(out, lines[end])
		}
		i = end
	}
	return strings.Join(out, "\n"), faults
}

// sourceText returns what the comment above a block names, without a newline at the end.
func (r *Repo) sourceText(markdown, comment string, compiled map[string]*File) (string, error) {
	match := source.FindStringSubmatch(comment)
	if match == nil {
		return "", fmt.Errorf("a block of Go needs its source on the line above it, such as <!-- from example_test.go:ExampleNew -->")
	}
	name := path.Join(path.Dir(markdown), match[1])
	file := compiled[name]
	if file == nil {
		return "", fmt.Errorf("%s is no compiled file of a module", name)
	}
	if ignored(file) {
		return "", fmt.Errorf("%s has a build constraint that nobody sets", name)
	}
	data := []byte(r.read(name))
	if match[2] == "" {
		return strings.TrimRight(string(data[r.offset(file.Package):]), "\n"), nil
	}
	var parts []string
	for decl := range strings.SplitSeq(match[2], ",") {
		part, err := r.declaration(file, data, decl)
		if err != nil {
			return "", err
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "\n\n"), nil
}

// ignored reports whether f is compiled on no platform and with no tag that anybody uses.
func ignored(f *File) bool {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if c.Pos() < f.Package && constraint.IsGoBuild(c.Text) && strings.Contains(c.Text, "ignore") {
				return true
			}
		}
	}
	return false
}

// declaration returns the body of an example, or the whole of any other declaration, by name.
func (r *Repo) declaration(f *File, data []byte, name string) (string, error) {
	for _, decl := range f.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			own := decl.Name.Name
			if decl.Recv != nil {
				own = receiverName(decl) + "." + own
			}
			if own != name {
				continue
			}
			if f.Test && strings.HasPrefix(name, "Example") {
				return r.exampleBody(f, data, decl)
			}
			return r.text(data, decl, decl.Doc), nil
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if declares(spec, name) {
					return r.text(data, decl, decl.Doc), nil
				}
			}
		}
	}
	return "", fmt.Errorf("%s declares no %s", f.Name, name)
}

func declares(spec ast.Spec, name string) bool {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		return spec.Name.Name == name
	case *ast.ValueSpec:
		for _, ident := range spec.Names {
			if ident.Name == name {
				return true
			}
		}
	}
	return false
}

func (r *Repo) text(data []byte, node ast.Node, doc *ast.CommentGroup) string {
	from := node.Pos()
	if doc != nil {
		from = doc.Pos()
	}
	return string(data[r.offset(from):r.offset(node.End())])
}

// exampleBody returns the statements of an example, one tab to the left.
func (r *Repo) exampleBody(f *File, data []byte, fn *ast.FuncDecl) (string, error) {
	end := fn.Body.Rbrace
	for _, group := range f.Comments {
		if group.Pos() > fn.Body.Lbrace && group.End() < end && outputComment(group) {
			end = group.Pos()
		}
	}
	body := data[r.offset(fn.Body.Lbrace)+1 : r.offset(end)]
	formatted, err := format.Source(bytes.TrimSpace(body))
	if err != nil {
		return "", fmt.Errorf("%s: %s: %w", f.Name, fn.Name.Name, err)
	}
	return strings.TrimSpace(string(formatted)), nil
}

func outputComment(group *ast.CommentGroup) bool {
	text := strings.ToLower(group.Text())
	return strings.HasPrefix(text, "output:") || strings.HasPrefix(text, "unordered output:")
}
