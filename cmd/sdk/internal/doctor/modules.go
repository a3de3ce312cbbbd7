package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/backend-platform/sdk/cmd/sdk/internal/gocmd"
	"github.com/backend-platform/sdk/cmd/sdk/internal/template"
)

// listed is what go list -m prints of a module.
type listed struct {
	Path, Version string
	Update        *struct{ Version string }
	Retracted     []string
	Deprecated    string
	Error         *struct{ Err string }
}

// modules compares the modules of this SDK in go.mod with what is released.
func modules(ctx context.Context, run *gocmd.Runner, dir string) ([]Finding, error) {
	data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return nil, err
	}
	file, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		return nil, err
	}
	findings := replaced(file)
	args := []string{"list", "-m", "-u", "-json=Path,Version,Update,Retracted,Deprecated,Error"}
	for _, r := range file.Require {
		if strings.HasPrefix(r.Mod.Path, SDK) {
			args = append(args, r.Mod.Path)
		}
	}
	if len(args) == 4 {
		return append(findings, Finding{Text: "go.mod requires no module of the SDK", Advice: "is this the right folder?"}), nil
	}
	found, err := list(ctx, run, dir, args...)
	if err != nil {
		return findings, fmt.Errorf("compare with the released versions: %w", err)
	}
	for _, m := range found {
		findings = append(findings, judge(m))
	}
	return findings, nil
}

func replaced(file *modfile.File) []Finding {
	var findings []Finding
	for _, r := range file.Replace {
		if strings.HasPrefix(r.Old.Path, SDK) {
			findings = append(findings, Finding{Text: short(r.Old.Path) + " is replaced by " + r.New.String() + ", so its released versions do not reach this service",
				Advice: "go mod edit -dropreplace=" + r.Old.String()})
		}
	}
	return findings
}

func short(path string) string { return strings.TrimPrefix(path, SDK) }

func judge(m listed) Finding {
	update := m.Path + "@latest"
	if m.Update != nil {
		update = m.Path + "@" + m.Update.Version
	}
	switch {
	case len(m.Retracted) > 0:
		return Finding{Text: fmt.Sprintf("%s %s is retracted: %s", short(m.Path), m.Version, strings.Join(m.Retracted, "; ")), Advice: "go get " + update}
	case m.Deprecated != "":
		return Finding{Text: fmt.Sprintf("%s is deprecated: %s", short(m.Path), m.Deprecated), Advice: "move to what that says"}
	case m.Update != nil:
		return Finding{Text: fmt.Sprintf("%s is at %s, and %s is released", short(m.Path), m.Version, m.Update.Version), Advice: "go get " + update}
	}
	return Finding{OK: true, Text: fmt.Sprintf("%s %s is the newest", short(m.Path), m.Version)}
}

// list runs go list -m outside of a workspace: what counts is what the service is deployed with.
func list(ctx context.Context, run *gocmd.Runner, dir string, args ...string) ([]listed, error) {
	out, err := run.Run(ctx, dir, []string{"GOWORK=off"}, args...)
	if err != nil {
		return nil, err
	}
	var modules []listed
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var m listed
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return modules, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if m.Error != nil {
			return nil, fmt.Errorf("%s: %s", m.Path, m.Error.Err)
		}
		modules = append(modules, m)
	}
}

// templateVersion compares the service's template with what is released of it.
func templateVersion(ctx context.Context, run *gocmd.Runner, m template.Manifest) ([]Finding, error) {
	next, err := run.Download(ctx, m.Template, "latest")
	if err != nil {
		return nil, err
	}
	if template.Newer(next.Version, m.Version) {
		return []Finding{{Text: fmt.Sprintf("template %s is at %s, and %s is released", short(m.Template), m.Version, next.Version), Advice: "sdk upgrade"}}, nil
	}
	return []Finding{{OK: true, Text: fmt.Sprintf("template %s %s is the newest", short(m.Template), m.Version)}}, nil
}

// goFix asks whether the code uses what the SDK or the language has replaced: deprecated functions of the SDK are marked
// so that go fix writes their successors.
func goFix(ctx context.Context, run *gocmd.Runner, dir string) ([]Finding, error) {
	out, err := run.Run(ctx, dir, nil, "fix", "-diff", "./...")
	if len(out) > 0 { // it fails when there is a difference
		return []Finding{{Text: "go fix has changes to the code", Advice: "go fix ./... && go test ./..."}}, nil
	}
	if err != nil {
		return nil, err
	}
	return []Finding{{OK: true, Text: "go fix has nothing to change"}}, nil
}
