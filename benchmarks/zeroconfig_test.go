package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

const sdkPath = `"github.com/backend-platform/sdk/`

// harmless are the fields of the SDK's Configs that the benchmarks may set: what a row runs on, where its output goes,
// and what it compares. None of them switches off what a service gets that configures nothing.
var harmless = map[string]string{
	"httpclient.Config.Transport":      "the row's transport",
	"httpclient.Config.TracerProvider": "the row's telemetry",
	"httpclient.Config.MeterProvider":  "the row's telemetry",
	"httpclient.Config.Propagator":     "the row's telemetry",
	"httpserver.Config.Logger":         "where its lines go",
	"httpserver.Config.TracerProvider": "the row's telemetry",
	"httpserver.Config.MeterProvider":  "the row's telemetry",
	"httpserver.Config.Propagator":     "the row's telemetry",
	"logging.Config.Output":            "where the lines go",
	"logging.Config.NoCaller":          "a second line in its rows, which no bar is about",
	"tracing.Config.Logger":            "where its lines go",
	"kafka.ConsumerConfig.Logger":      "where its lines go",
	"kafka.ConsumerConfig.Workers":     "the row's number of workers, where that is not the default",
	"kafka.ProducerConfig.Logger":      "where its lines go",
	"kafka.RedriveConfig.Logger":       "where its lines go",
	"kafka.RedriveConfig.From":         "the row's dead letters",
}

// No feature is switched off for the race: every bar is run with the zero Config.
func TestMeasuredSDKHasItsZeroConfig(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files, used := token.NewFileSet(), map[string]bool{}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, set := range configFields(file) {
			used[set.field] = true
			if harmless[set.field] == "" {
				t.Errorf("%s: %s is set", files.Position(set.pos), set.field)
			}
		}
	}
	for field := range harmless {
		if !used[field] {
			t.Errorf("%s is listed and not set anywhere", field)
		}
	}
}

func TestConfigFieldsAreFound(t *testing.T) {
	const source = `package p
import ("github.com/backend-platform/sdk/kafka"; breaking "github.com/backend-platform/sdk/resilience"; "github.com/IBM/sarama")
func a(given kafka.ConsumerConfig) {
	_ = breaking.BreakerConfig{Window: 1}
	_ = kafka.ProducerConfig{}
	made := kafka.ProducerConfig{}
	made.Linger = 1
	given.Backoff.Max = 1
	var declared kafka.RedriveConfig
	declared.Rate, declared.Limit = 1, 2
	pointer := &kafka.ConsumerConfig{}
	pointer.Attempts = 1
	theirs := sarama.NewConfig()
	theirs.Version = 1
	_ = kafka.ConsumerConfig{kafka.Connection{}}
}`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, set := range configFields(file) {
		got[set.field] = true
	}
	want := []string{"resilience.BreakerConfig.Window", "kafka.ProducerConfig.Linger", "kafka.ConsumerConfig.Backoff", "kafka.RedriveConfig.Rate",
		"kafka.RedriveConfig.Limit", "kafka.ConsumerConfig.Attempts", "kafka.ConsumerConfig.?"}
	for _, field := range want {
		if !got[field] {
			t.Errorf("%s is not found", field)
		}
	}
	if len(got) != len(want) {
		t.Errorf("found %v", got)
	}
}

// fieldSet is a field of a Config that is given a value.
type fieldSet struct {
	field string
	pos   token.Pos
}

// configFields are the fields of the SDK's Configs that a file sets, in literals and in variables.
func configFields(file *ast.File) (fields []fieldSet) {
	names := sdkNames(file)
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			if config := configType(names, n.Type); config != "" {
				for _, element := range n.Elts {
					field := "?" // without its name
					if pair, ok := element.(*ast.KeyValueExpr); ok {
						field = pair.Key.(*ast.Ident).Name
					}
					fields = append(fields, fieldSet{config + "." + field, element.Pos()})
				}
			}
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				if variable, field := firstField(left); variable != nil {
					if config := variableType(names, variable); config != "" {
						fields = append(fields, fieldSet{config + "." + field, left.Pos()})
					}
				}
			}
		}
		return true
	})
	return fields
}

// sdkNames are the names under which a file has imported modules of this SDK, with those of their folders.
func sdkNames(file *ast.File) map[string]string {
	names := map[string]string{}
	for _, spec := range file.Imports {
		if module, ok := strings.CutPrefix(spec.Path.Value, sdkPath); ok {
			module = strings.Trim(module, `"`)
			name := module
			if spec.Name != nil {
				name = spec.Name.Name
			}
			names[name] = module
		}
	}
	return names
}

// configType is the name of a type of this SDK that ends in Config, "" for any other.
func configType(names map[string]string, expr ast.Expr) string {
	selector, ok := expr.(*ast.SelectorExpr)
	if !ok || !strings.HasSuffix(selector.Sel.Name, "Config") {
		return ""
	}
	if name, ok := selector.X.(*ast.Ident); ok && names[name.Name] != "" {
		return names[name.Name] + "." + selector.Sel.Name
	}
	return ""
}

// firstField splits v.F and v.F.G into v and F.
func firstField(expr ast.Expr) (variable *ast.Ident, field string) {
	for {
		selector, ok := expr.(*ast.SelectorExpr)
		if !ok {
			return nil, ""
		}
		if name, ok := selector.X.(*ast.Ident); ok {
			return name, selector.Sel.Name
		}
		expr = selector.X
	}
}

// variableType is the Config that a variable was declared with.
func variableType(names map[string]string, variable *ast.Ident) string {
	if variable.Obj == nil {
		return ""
	}
	switch declared := variable.Obj.Decl.(type) {
	case *ast.Field:
		return configType(names, declared.Type)
	case *ast.ValueSpec:
		return configType(names, declared.Type)
	case *ast.AssignStmt:
		for i, left := range declared.Lhs {
			if name, ok := left.(*ast.Ident); ok && name.Obj == variable.Obj && i < len(declared.Rhs) {
				return literalType(names, declared.Rhs[i])
			}
		}
	}
	return ""
}

func literalType(names map[string]string, expr ast.Expr) string {
	if address, ok := expr.(*ast.UnaryExpr); ok {
		expr = address.X
	}
	if literal, ok := expr.(*ast.CompositeLit); ok {
		return configType(names, literal.Type)
	}
	return ""
}
