package errors_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/errors"
)

func TestReadmeShowsTheTable(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range errors.Codes() {
		if row := readmeRow(code); !strings.Contains(string(readme), row) {
			t.Errorf("README.md lacks the row\n%s", row)
		}
	}
}

func readmeRow(code errors.Code) string {
	span := "unset"
	if code.ServerFault() {
		span = "error"
	}
	return fmt.Sprintf("| %v | %d | %d | %v | %s | %s | %v |\n", code, uint32(code), code.HTTPStatus(), code.Retry(), strings.ToLower(code.Level().String()), span, code.Redelivery())
}
