package cli_test

import (
	"testing"

	"github.com/backend-platform/sdk/cmd/sdk/internal/proxytest"
)

func TestDoctorFindsNothingInANewService(t *testing.T) {
	p := serve(t)
	p.Publish(t, root+"templates/fresh@v0.1.0", map[string]string{"go.mod": "module " + root + "templates/fresh\n\ngo 1.26.0\n", "main.go": "package main\n\nfunc main() {}\n"})
	dir := orders(t)
	proxytest.Run(t, dir, "go", "get", root+"lib@v0.2.0")
	code, out, errs := sdk(t, dir, "doctor")
	if code != 0 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	wantText(t, "doctor", out, "ok   lib v0.2.0 is the newest", "ok   template templates/helloservice v0.1.0 is the newest", "ok   go fix has nothing to change")
}

func TestDoctorSaysWhatIsBehindRetractedReplacedAndTooShort(t *testing.T) {
	p := serve(t)
	dir := orders(t)
	p.Publish(t, root+"lib@v0.3.0", map[string]string{"go.mod": "module " + root + "lib\n\ngo 1.26.0\n\n// It loses orders.\nretract v0.1.0\n",
		"lib.go": "// Package lib is newer.\npackage lib\n\n// Name is its name.\nconst Name = \"v0.3.0\"\n"})
	publish(t, p, "v0.2.0", second())
	proxytest.Write(t, dir, map[string]string{
		"old.go":       "package main\n\nfunc old(x interface{}) interface{} { return x }\n",
		"compose.yaml": "services:\n  orders:\n    stop_grace_period: 10s\n",
	})
	code, out, errs := sdk(t, dir, "doctor")
	if code != 1 {
		t.Errorf("exit %d\n%s", code, errs)
	}
	wantText(t, "doctor", out,
		"lib v0.1.0 is retracted: It loses orders.\n       go get "+root+"lib@v0.3.0",
		"template templates/helloservice is at v0.1.0, and v0.2.0 is released\n       sdk upgrade",
		"go fix has changes",
		"compose.yaml: stop_grace_period is 10s, and the service may take 28s to stop")

	proxytest.Run(t, dir, "go", "mod", "edit", "-replace", root+"lib=./lib")
	proxytest.Write(t, dir, map[string]string{"lib/go.mod": "module " + root + "lib\n\ngo 1.26.0\n", "lib/lib.go": "package lib\n\nconst Name = \"x\"\n"})
	code, out, _ = sdk(t, dir, "doctor")
	if code != 1 {
		t.Errorf("exit %d", code)
	}
	wantText(t, "doctor", out, "lib is replaced by ./lib", "go mod edit -dropreplace="+root+"lib")
}

func TestDoctorWithoutNetworkSaysSoAndLooksAtTheRest(t *testing.T) {
	serve(t)
	dir := orders(t)
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOMODCACHE", t.TempDir())
	proxytest.Write(t, dir, map[string]string{"compose.yaml": "stop_grace_period: 10s\n"})
	code, out, errs := sdk(t, dir, "doctor")
	if code != 2 {
		t.Errorf("exit %d", code)
	}
	wantText(t, "doctor", errs, "GOPROXY=off")
	wantText(t, "doctor", out, "stop_grace_period is 10s")
}
