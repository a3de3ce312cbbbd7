package errors_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/errors"
)

func TestDefinePanicsOnAWrongDefinition(t *testing.T) {
	for name, def := range map[string]errors.Definition{
		"Code: ok is not":      {Reason: "A"},
		"Code: code(99)":       {Code: 99, Reason: "A"},
		`Reason: "" is`:        {Code: errors.NotFound},
		`"outOfStock"`:         {Code: errors.NotFound, Reason: "outOfStock"},
		`"A_"`:                 {Code: errors.NotFound, Reason: "A_"},
		`"_A"`:                 {Code: errors.NotFound, Reason: "_A"},
		`"1A"`:                 {Code: errors.NotFound, Reason: "1A"},
		"at most 63 bytes":     {Code: errors.NotFound, Reason: strings.Repeat("A", 64)},
		"Status: 200":          {Code: errors.NotFound, Reason: "A", Status: 200},
		"Status: 600":          {Code: errors.NotFound, Reason: "A", Status: 600},
		`"a\nb" is not one`:    {Code: errors.NotFound, Reason: "A", Title: "a\nb"},
		"line of at most 256":  {Code: errors.NotFound, Reason: "A", Title: strings.Repeat("t", 257)},
		`Metadata: the key ""`: {Code: errors.NotFound, Reason: "A", Metadata: map[string]string{"": "x"}},
	} {
		mustPanic(t, name, func() { errors.NewCatalogue("x", "").Define(def) })
	}
	mustPanic(t, "reason A is defined twice", func() {
		c := errors.NewCatalogue("x", "")
		c.Define(errors.Definition{Code: errors.NotFound, Reason: "A"})
		c.Define(errors.Definition{Code: errors.Internal, Reason: "A"})
	})
	mustPanic(t, `in catalogue "x": Code: ok is not the code of an error`+"\nReason: ", func() {
		errors.NewCatalogue("x", "").Define(errors.Definition{})
	})
}

func TestNewCataloguePanicsOnWrongArguments(t *testing.T) {
	for _, c := range []struct{ domain, base, want string }{
		{"", "", "the domain is empty"},
		{"the orders", "", "the domain is not printable ASCII"},
		{"bestellungen\u00e4", "", "the domain is not printable ASCII"},
		{strings.Repeat("x", 257), "", "the domain is longer than 256 bytes"},
		{"x", "errors/", "not an absolute http or https URL"},
		{"x", "/errors/", "not an absolute http or https URL"},
		{"x", "https://", "not an absolute http or https URL"},
		{"x", "urn:errors:", "not an absolute http or https URL"},
		{"x", "javascript:alert(1)", "not an absolute http or https URL"},
		{"x", "https://h/%zz", "cannot be parsed"},
		{"x", "https://u:p@h/", "a user, a query or a fragment"},
		{"x", "https://h/?reason=", "a user, a query or a fragment"},
		{"x", "https://h/#", "a user, a query or a fragment"},
		{"x", "https://h/" + strings.Repeat("x", 4096), "longer than"},
		{"", "errors/", "the domain is empty\nthe base URL is not"},
	} {
		mustPanic(t, c.want, func() { errors.NewCatalogue(c.domain, c.base) })
	}
}

func mustPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		if v := recover(); v == nil || !strings.HasPrefix(fmt.Sprint(v), "errors: ") || !strings.Contains(fmt.Sprint(v), want) {
			t.Errorf("panic value %q, want one that says %q", v, want)
		}
	}()
	f()
}

func TestCatalogueListsByReasonAndFindsByReason(t *testing.T) {
	c := errors.NewCatalogue("x", "https://errors.example.com/x")
	for _, reason := range []string{"B", "A_1", "C"} {
		c.Define(errors.Definition{Code: errors.NotFound, Reason: reason})
	}
	var got []string
	for d := range c.All() {
		got = append(got, d.Reason()+" "+d.Type())
		if found, ok := c.Lookup(d.Reason()); !ok || found != d {
			t.Errorf("Lookup(%q) = %v, %v", d.Reason(), found, ok)
		}
	}
	want := "[A_1 https://errors.example.com/x/A_1 B https://errors.example.com/x/B C https://errors.example.com/x/C]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if d, ok := c.Lookup("NONE"); ok || d != nil {
		t.Errorf("Lookup of an unknown reason: %v, %v", d, ok)
	}
	if c.Domain() != "x" || c.BaseURL() != "https://errors.example.com/x/" {
		t.Errorf("domain %q, base URL %q", c.Domain(), c.BaseURL())
	}
}

func TestADefinedErrorDocumentsItself(t *testing.T) {
	def := errors.Definition{
		Code: errors.FailedPrecondition, Reason: "GONE_AWAY", Title: "It is gone", Doc: "Ask for another.", Status: 410,
		Metadata: map[string]string{"sku": "the item"},
	}
	d := errors.NewCatalogue("x", "https://h").Define(def)
	if diff := cmp.Diff(def, d.Definition()); diff != "" {
		t.Error(diff)
	}
	def.Metadata["sku"] = "changed"
	d.Definition().Metadata["sku"] = "changed"
	got := fmt.Sprintf("%s %s %s %s %d %s %s %v", d.Type(), d.Domain(), d.Reason(), d.Code(), d.Status(), d.Title(), d.Doc(), d.Definition().Metadata)
	if want := "https://h/GONE_AWAY x GONE_AWAY failed_precondition 410 It is gone Ask for another. map[sku:the item]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	plain := errors.NewCatalogue("x", "").Define(errors.Definition{Code: errors.NotFound, Reason: "A"})
	if plain.Type() != "" || plain.Title() != "Not Found" || plain.Status() != 404 || plain.Doc() != "" {
		t.Errorf("%q %q %d %q", plain.Type(), plain.Title(), plain.Status(), plain.Doc())
	}
}

func TestDefinitionsOfTwoProcessesAreOne(t *testing.T) {
	def := errors.Definition{Code: errors.NotFound, Reason: "A"}
	owner, caller := errors.NewCatalogue("x", "https://h").Define(def), errors.NewCatalogue("x", "").Define(def)
	other := errors.NewCatalogue("y", "").Define(def)
	for _, err := range []error{owner, owner.New("m"), fmt.Errorf("w: %w", owner)} {
		if !errors.Is(err, caller) || errors.Is(err, other) {
			t.Errorf("%v: is caller's %v, is another domain's %v", err, errors.Is(err, caller), errors.Is(err, other))
		}
	}
}

func TestMethodsOfANilDefinedErrorWork(t *testing.T) {
	var d *errors.DefinedError
	if d.Code() != errors.Unknown || d.Status() != 500 || d.Title() != "Internal Server Error" || d.Type()+d.Domain()+d.Reason()+d.Doc() != "" ||
		d.Definition().Code != errors.Unknown || d.Error() != "<nil *errors.DefinedError>" || !d.Is(errors.Unknown) || d.Is(d) {
		t.Errorf("a nil *DefinedError answers something else than unknown")
	}
	if e := d.New("m"); e.Code() != errors.Unknown || e.Message() != "m" || e.Reason() != "" {
		t.Errorf("made from a nil *DefinedError: %v", e)
	}
}

func TestACatalogueMayBeReadWhileItGrows(t *testing.T) {
	c := errors.NewCatalogue("x", "")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				c.Define(errors.Definition{Code: errors.NotFound, Reason: fmt.Sprintf("R_%d_%d", i, j)})
				c.Lookup("R_0_0")
				for range c.All() {
				}
			}
		})
	}
	wg.Wait()
	if n := len(slices.Collect(c.All())); n != 400 {
		t.Errorf("%d errors are defined, want 400", n)
	}
}
