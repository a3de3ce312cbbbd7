package buildinfo_test

import (
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/internal/buildinfo"
)

func TestFromListsTheModulesOfTheSDK(t *testing.T) {
	got := buildinfo.From(&debug.BuildInfo{
		GoVersion: "go1.26.8",
		Main:      debug.Module{Path: "github.com/acme/orders", Version: "v1.4.2"},
		Deps: []*debug.Module{
			{Path: "go.uber.org/zap", Version: "v1.28.0"},
			{Path: buildinfo.Prefix + "kafka", Version: "v0.2.0"},
			{Path: buildinfo.Prefix + "errors", Version: "v0.1.0", Replace: &debug.Module{Path: "./errors"}},
		},
	})
	want := buildinfo.Info{
		Main: buildinfo.Module{Path: "github.com/acme/orders", Version: "v1.4.2"},
		Go:   "go1.26.8",
		Modules: []buildinfo.Module{
			{Path: buildinfo.Prefix + "errors", Version: "(devel)"},
			{Path: buildinfo.Prefix + "kafka", Version: "v0.2.0"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMainVersionFallsBackToTheCommit(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	for _, c := range []struct {
		name     string
		version  string
		settings []debug.BuildSetting
		want     string
	}{
		{"version", "v1.0.0", []debug.BuildSetting{revision}, "v1.0.0"},
		{"commit", "(devel)", []debug.BuildSetting{revision}, "0123456789ab"},
		{"changed files", "(devel)", []debug.BuildSetting{revision, {Key: "vcs.modified", Value: "true"}}, "0123456789ab-dirty"},
		{"nothing", "(devel)", nil, "(devel)"},
	} {
		info := buildinfo.From(&debug.BuildInfo{Main: debug.Module{Version: c.version}, Settings: c.settings})
		if info.Main.Version != c.want {
			t.Errorf("%s: %q, want %q", c.name, info.Main.Version, c.want)
		}
	}
}

func TestVersionOfAnUnlistedModuleIsDevel(t *testing.T) {
	if v := buildinfo.Version("nonesuch"); v != "(devel)" {
		t.Errorf("Version = %q", v)
	}
}
