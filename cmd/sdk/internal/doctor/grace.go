package doctor

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// budget is how long a service of this SDK takes to stop at most.
type budget struct{ drain, stop, flush time.Duration }

func (b budget) sum() time.Duration { return b.drain + b.stop + b.flush }

// defaults are those of service.Config.
var defaults = budget{5 * time.Second, 20 * time.Second, 3 * time.Second}

var (
	// graces are the lines that say after how long a process is killed, of Kubernetes and of compose.
	kubernetesGrace = regexp.MustCompile(`(?m)^\s*terminationGracePeriodSeconds:\s*["']?(\d+)`)
	composeGrace    = regexp.MustCompile(`(?m)^\s*stop_grace_period:\s*["']?([0-9hms.]+)`)
	// settings are the variables in a deployment ("- name: X" and below it "value: 10s") or in compose ("X: 10s", "- X=10s").
	settings = regexp.MustCompile(`\b(SERVICE_DRAIN_DELAY|SERVICE_STOP_TIMEOUT)["']?(?:\s*[:=]\s*|\s*\n\s*value:\s*)["']?([-0-9hmsµun.]+)`)
)

// grace compares the time that each YAML file gives the process with what the process may take.
func grace(dir string) ([]Finding, error) {
	code, known, err := inCode(dir)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	err = filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if file != dir && (entry.Name() == ".git" || entry.Name() == "vendor" || entry.Name() == "testdata" || entry.Name() == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(file); ext != ".yaml" && ext != ".yml" {
			return nil
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		findings = append(findings, judgeGrace(filepath.ToSlash(name), string(data), code, known)...)
		return nil
	})
	return findings, err
}

func judgeGrace(name, text string, code budget, known bool) []Finding {
	var findings []Finding
	need := withSettings(text, code)
	judge := func(field string, have time.Duration) {
		switch {
		case !known:
			findings = append(findings, Finding{Text: fmt.Sprintf("%s: %s is %v, and the budgets in service.Config are no constants", name, field, have),
				Advice: "write them as constants, or compare them yourself"})
		case have <= need.sum():
			findings = append(findings, Finding{Text: fmt.Sprintf("%s: %s is %v, and the service may take %v to stop (%v drain, %v stop, %v flush): it would be killed",
				name, field, have, need.sum(), need.drain, need.stop, need.flush), Advice: fmt.Sprintf("make it %v or more", need.sum()+2*time.Second)})
		default:
			findings = append(findings, Finding{OK: true, Text: fmt.Sprintf("%s: %s of %v is enough for %v", name, field, have, need.sum())})
		}
	}
	for _, match := range kubernetesGrace.FindAllStringSubmatch(text, -1) {
		if seconds, err := strconv.Atoi(match[1]); err == nil {
			judge("terminationGracePeriodSeconds", time.Duration(seconds)*time.Second)
		}
	}
	for _, match := range composeGrace.FindAllStringSubmatch(text, -1) {
		if have, err := time.ParseDuration(match[1]); err == nil {
			judge("stop_grace_period", have)
		}
	}
	if len(findings) == 0 && strings.Contains(text, "kind: Deployment") && known && need.sum() >= 30*time.Second {
		judge("terminationGracePeriodSeconds (Kubernetes' default)", 30*time.Second)
	}
	return findings
}

// withSettings adds the variables of one file to what the code says. Code wins, as it does in the service.
func withSettings(text string, code budget) budget {
	b := code
	for _, match := range settings.FindAllStringSubmatch(text, -1) {
		value, err := time.ParseDuration(match[2])
		if err != nil {
			continue
		}
		if match[1] == "SERVICE_DRAIN_DELAY" && b.drain == 0 {
			b.drain = value
		}
		if match[1] == "SERVICE_STOP_TIMEOUT" && b.stop == 0 {
			b.stop = value
		}
	}
	return budget{effective(b.drain, defaults.drain), effective(b.stop, defaults.stop), effective(b.flush, defaults.flush)}
}

// effective is a budget as the service takes it: zero is the default, negative is off.
func effective(value, byDefault time.Duration) time.Duration {
	if value == 0 {
		return byDefault
	}
	return max(value, 0)
}

// inCode reads the budgets of the service.Config literals in the Go files of dir; the greatest counts. known is false
// when one is something else than a product of numbers and units.
func inCode(dir string) (b budget, known bool, err error) {
	known = true
	err = filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil // go fix has said so
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if ok && selector(literal.Type) == "service.Config" {
				known = b.read(literal) && known
			}
			return true
		})
		return nil
	})
	return b, known, err
}

func (b *budget) read(literal *ast.CompositeLit) bool {
	known := true
	for _, element := range literal.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, _ := pair.Key.(*ast.Ident)
		if key == nil {
			continue
		}
		field := map[string]*time.Duration{"DrainDelay": &b.drain, "StopTimeout": &b.stop, "FlushTimeout": &b.flush}[key.Name]
		if field == nil {
			continue
		}
		value, ok := duration(pair.Value)
		known = known && ok
		if value < 0 || value > *field {
			*field = value
		}
	}
	return known
}

func selector(expr ast.Expr) string {
	if s, ok := expr.(*ast.SelectorExpr); ok {
		if pkg, ok := s.X.(*ast.Ident); ok {
			return pkg.Name + "." + s.Sel.Name
		}
	}
	return ""
}

var units = map[string]time.Duration{"time.Millisecond": time.Millisecond, "time.Second": time.Second, "time.Minute": time.Minute, "time.Hour": time.Hour}

// duration evaluates 10 * time.Second and its like.
func duration(expr ast.Expr) (time.Duration, bool) {
	switch e := expr.(type) {
	case *ast.ParenExpr:
		return duration(e.X)
	case *ast.BasicLit:
		n, err := strconv.ParseInt(e.Value, 0, 64)
		return time.Duration(n), err == nil
	case *ast.SelectorExpr:
		unit, ok := units[selector(e)]
		return unit, ok
	case *ast.UnaryExpr:
		value, ok := duration(e.X)
		return -value, ok && e.Op == token.SUB
	case *ast.BinaryExpr:
		x, okX := duration(e.X)
		y, okY := duration(e.Y)
		switch e.Op {
		case token.MUL:
			return x * y, okX && okY
		case token.ADD:
			return x + y, okX && okY
		}
	}
	return 0, false
}
