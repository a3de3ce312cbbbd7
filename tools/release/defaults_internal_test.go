package release

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Of a README's tables those count that a service, a dashboard or an alert depends on.
func TestTheTablesOfDefaults(t *testing.T) {
	readme := "# x\n\n## Defaults\n\n| Field | Default | Meaning |\n| --- | :---: | --- |\n| `Timeout` | 30 s | how long |\n| `Mode` | `a\\|b` | which |\n\n" +
		"## Metrics\n\n| name | unit |\n| --- | --- |\n| `x.calls` | {call} |\n\n" +
		"## Why\n\n| peer | ratio |\n| --- | --- |\n| other | 2 |\n\n" +
		"### Errors\n\nThese.\n\n| Key | when |\n| --- | --- |\n| `error` | always |\n\n## The table\n\n| Code | HTTP | retry |\n| --- | --- | --- |\n| `not_found` | 404 | never |\n"
	want := map[string]string{
		"Defaults: `Timeout`": "30 s", "Defaults: `Mode`": "`a|b`", "Metrics: `x.calls`": "named", "Errors: `error`": "named",
		"The table: `not_found`": "404, never",
	}
	if d := cmp.Diff(want, defaultsOf(readme)); d != "" {
		t.Error(d)
	}
}
