package upgrade

import "testing"

func TestMergeGoMod(t *testing.T) {
	const head = "module example.com/m\n\n"
	for name, test := range map[string]struct{ base, yours, next, want string }{
		"raised":              {"go 1.26.0\n\nrequire a.b/c v0.1.0\n", "go 1.26.0\n\nrequire a.b/c v0.1.0\n", "go 1.27.0\n\nrequire a.b/c v0.2.0\n", "go 1.27.0\n\nrequire a.b/c v0.2.0\n"},
		"never lowered":       {"go 1.26.0\n\nrequire a.b/c v0.1.0\n", "go 1.28.0\n\nrequire a.b/c v0.10.0\n", "go 1.27.0\n\nrequire a.b/c v0.9.0\n", "go 1.28.0\n\nrequire a.b/c v0.10.0\n"},
		"added":               {"go 1.26.0\n", "go 1.26.0\n\nrequire x.y/z v1.0.0\n", "go 1.26.0\n\nrequire a.b/c v0.2.0\n", "go 1.26.0\n\nrequire (\n\ta.b/c v0.2.0\n\tx.y/z v1.0.0\n)\n"},
		"removed by you":      {"go 1.26.0\n\nrequire a.b/c v0.1.0\n", "go 1.26.0\n", "go 1.26.0\n\nrequire a.b/c v0.2.0\n", "go 1.26.0\n"},
		"removed by template": {"go 1.26.0\n\nrequire a.b/c v0.1.0\n", "go 1.26.0\n\nrequire a.b/c v0.1.0\n", "go 1.26.0\n", "go 1.26.0\n\nrequire a.b/c v0.1.0\n"},
		"your replace stays":  {"go 1.26.0\n", "go 1.26.0\n\nreplace a.b/c => ../c\n", "go 1.27.0\n", "go 1.27.0\n\nreplace a.b/c => ../c\n"},
		"tool":                {"go 1.26.0\n", "go 1.26.0\n", "go 1.26.0\n\ntool a.b/c\n", "go 1.26.0\n\ntool a.b/c\n"},
		"toolchain":           {"go 1.26.0\n", "go 1.26.0\n\ntoolchain go1.26.3\n", "go 1.26.0\n\ntoolchain go1.26.2\n", "go 1.26.0\n\ntoolchain go1.26.3\n"},
	} {
		have, err := mergeGoMod([]byte(head+test.base), []byte(head+test.yours), []byte(head+test.next))
		if err != nil || string(have) != head+test.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, have, head+test.want)
		}
	}
	if _, err := mergeGoMod([]byte(head), []byte(head+"<<<<<<<\n"), []byte(head)); err == nil {
		t.Error("a go.mod with markers is taken")
	}
}
