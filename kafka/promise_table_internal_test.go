package kafka

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// PROMISES.md names tests that exist, and every test of the promise suite.
func TestTableOfPromisesNamesTheTests(t *testing.T) {
	doc, err := os.ReadFile("PROMISES.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no tests", err)
	}
	exist := map[string]bool{}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t `).FindAllStringSubmatch(string(src), -1) {
			exist[m[1]] = true
		}
	}
	named := map[string]bool{}
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(strings.Trim(line, "|\n "), " | ")
		tests := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(line, -1)
		if len(cells) < 3 || len(tests) == 0 {
			continue
		}
		for _, m := range tests {
			named[m[1]] = true
			if !exist[m[1]] {
				t.Errorf("there is no %s", m[1])
			}
		}
		where := cells[len(cells)-1]
		if real := strings.HasPrefix(tests[0][1], "TestPromise"); real != strings.Contains(where, "Kafka") && where != "kfake" {
			t.Errorf("%s does not run on %s", tests[0][1], where)
		}
	}
	for name := range exist {
		if strings.HasPrefix(name, "TestPromise") && !named[name] {
			t.Errorf("PROMISES.md does not name %s", name)
		}
	}
}
