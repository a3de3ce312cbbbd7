package validate_test

import (
	"errors"
	"testing"

	"github.com/backend-platform/sdk/internal/validate"
)

var (
	errByPointer = errors.New("by pointer")
	errByValue   = errors.New("by value")
)

type byPointer struct{}

func (*byPointer) Validate() error { return errByPointer }

type byValue struct{}

func (byValue) Validate() error { return errByValue }

func TestCallFindsTheMethodOfTheValueAndOfItsPointer(t *testing.T) {
	var none *byPointer
	for name, c := range map[string]struct{ got, want error }{
		"method of the pointer":           {validate.Call(&byPointer{}), errByPointer},
		"method of the value":             {validate.Call(&byValue{}), errByValue},
		"a pointer with a method":         {validate.Call(new(&byPointer{})), errByPointer},
		"a pointer to a value with one":   {validate.Call(new(&byValue{})), errByValue},
		"a nil pointer is not asked":      {validate.Call(&none), nil},
		"a value without a method":        {validate.Call(new(7)), nil},
		"a nil interface is not asked":    {validate.Call(new(any)), nil},
		"a pointer to one without method": {validate.Call(new(new(7))), nil},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}
