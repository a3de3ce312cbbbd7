package template

import (
	"strings"
	"testing"
)

func TestSubstituteReplacesWholeWordsOnly(t *testing.T) {
	m := Manifest{Template: "example.com/templates/hello", Module: "example.com/templates/hello/hello", Name: "hello-2"}
	for text, want := range map[string]string{
		"example.com/templates/hello":           "example.com/templates/hello/hello", // what was put in is not looked at again
		"\"example.com/templates/hello/api\"":   "\"example.com/templates/hello/hello/api\"",
		"example.com/templates/hello-extra/api": "example.com/templates/hello-2-extra/api", // another module; the name alone is a word in it
		"example.com/templates/hellos":          "example.com/templates/hellos",
		"hello hello":                           "hello-2 hello-2",
		"hello-image:hello.":                    "hello-2-image:hello-2.",
		"othello hello_ hello2 Hello":           "othello hello_ hello2 Hello",
		"":                                      "",
	} {
		if have := substitute(text, m); have != want {
			t.Errorf("substitute(%q) = %q, want %q", text, have, want)
		}
	}
}

func TestNamesAreDNSLabels(t *testing.T) {
	for name, ok := range map[string]bool{
		"orders": true, "o": true, "order-2": true, strings.Repeat("a", 63): true,
		"": false, "2orders": false, "-a": false, "a-": false, "Orders": false, "a_b": false, "a.b": false, strings.Repeat("a", 64): false, "a\n": false,
	} {
		if err := CheckName(name); (err == nil) != ok {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
	if name := NameOf("github.com/acme/orders/v3"); name != "orders" {
		t.Errorf("NameOf: %q", name)
	}
}

// FuzzSubstitute: the text around the words survives, and a second substitution of a name that is no word of the
// template's changes nothing.
func FuzzSubstitute(f *testing.F) {
	f.Add("hello example.com/templates/hello/api hellos")
	f.Fuzz(func(t *testing.T, text string) {
		m := Manifest{Template: "example.com/templates/hello", Module: "github.com/acme/orders", Name: "orders"}
		once := substitute(text, m)
		if twice := substitute(once, m); twice != once && !strings.Contains(once, "hello") {
			t.Errorf("%q becomes %q, then %q", text, once, twice)
		}
		if !strings.Contains(text, "hello") && once != text {
			t.Errorf("%q has no word to replace and becomes %q", text, once)
		}
	})
}

// FuzzParseManifest: a manifest that is accepted is one again after it was written.
func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"template":"example.com/t","version":"v0.1.0","module":"example.com/m","name":"m"}`))
	f.Add([]byte(`{"template":"example.com/t","more":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			return
		}
		if again, err := ParseManifest(m.Format()); err != nil || again != m {
			t.Errorf("%v becomes %v, %v", m, again, err)
		}
	})
}
