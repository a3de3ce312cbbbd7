package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/tools/internal/outside"
)

func TestPagesShowDocsExamplesAndLinks(t *testing.T) {
	root, out := t.TempDir(), t.TempDir()
	outside.Write(t, root, map[string]string{
		"LICENSE": "x", "go.work": "go 1.26.0\n\nuse (\n\t./errors\n\t./kafka\n)\n",
		"errors/go.mod":    "module github.com/backend-platform/sdk/errors\n\ngo 1.26.0\n",
		"errors/errors.go": "// Package errors is <one> format.\npackage errors\n\n// Code is a code.\ntype Code int\n\n// Is is.\nfunc (c *Code) Is() bool { return true }\n",
		"errors/example_test.go": "package errors_test\n\nimport \"fmt\"\n\nfunc ExampleCode_Is() {\n\t// why\n\tfmt.Println(1)\n" +
			"\tif true {\n\t\tfmt.Println(2)\n\t}\n\n\t// Output:\n\t// 1\n\t// 2\n}\n",
		"kafka/go.mod":          "module github.com/backend-platform/sdk/kafka\n\ngo 1.26.0\n",
		"kafka/test/test.go":    "// Package test uses [errors.Code.Is] and [strings.Cut].\npackage test\n\nimport (\n\t\"strings\"\n\n\t\"github.com/backend-platform/sdk/errors\"\n)\n\nvar _, _ = strings.Cut, errors.Code(0)\n",
		"kafka/only/x_test.go":  "package only_test\n",
		"kafka/cmd/dlq/main.go": "// Command dlq redrives.\npackage main\n\nfunc main() {}\n",
	})
	t.Chdir(filepath.Join(root, "kafka"))
	index, err := run(out)
	if err != nil {
		t.Fatal(err)
	}
	for name, wants := range map[string][]string{
		index: {`<a href="errors/index.html">errors</a></td><td>Package errors is &lt;one&gt; format.`, `kafka/cmd/dlq`},
		filepath.Join(out, "errors", "index.html"): {
			"is &lt;one&gt; format", `id="Code.Is"`, "func (c *Code) Is() bool</pre>",
			"<pre>// why\nfmt.Println(1)\nif true {\n\tfmt.Println(2)\n}</pre>", "<pre>1\n2\n</pre>",
		},
		filepath.Join(out, "kafka", "test", "index.html"): {
			`href="../../errors/index.html#Code.Is"`, `href="https://pkg.go.dev/strings#Cut"`,
		},
		filepath.Join(out, "kafka", "cmd", "dlq", "index.html"): {"command kafka/cmd/dlq"},
	} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(data), want) {
				t.Errorf("%s lacks %q:\n%s", name, want, data)
			}
		}
	}
}
