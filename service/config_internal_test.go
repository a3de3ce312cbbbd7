package service

import (
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/httpserver"
)

func environment(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestConfigNamesEveryFault(t *testing.T) {
	health, err := httpserver.NewHealth(httpserver.HealthConfig{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		StopTimeout: -1, FlushTimeout: -1, MemoryRatio: 1.5,
		HTTP: httpserver.Config{
			Addr: ":1", AdminAddr: ":2", Health: health, DrainDelay: 1, Logger: discard(),
		},
	}
	cfg.Tracing.Logger, cfg.Tracing.ShutdownTimeout = discard(), time.Second
	_, err = cfg.resolve(environment(map[string]string{"SERVICE_DRAIN_DELAY": "soon", "SERVICE_STOP_TIMEOUT": "late"}))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`SERVICE_DRAIN_DELAY: "soon"`, "StopTimeout: -1ns", "FlushTimeout: -1ns", "MemoryRatio: 1.5", "HTTP: Addr", "HTTP: AdminAddr",
		"HTTP: Health", "HTTP: DrainDelay", "HTTP: Logger", "Tracing: Logger", "Tracing: ShutdownTimeout",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "SERVICE_STOP_TIMEOUT") {
		t.Errorf("a variable that is not used is read:\n%v", err)
	}
}

// The environment fills what the code leaves open, and the code wins.
func TestEnvironment(t *testing.T) {
	env := environment(map[string]string{
		"SERVICE_ADDR": ":1", "SERVICE_ADMIN_ADDR": "-", "SERVICE_DRAIN_DELAY": "0s", "SERVICE_STOP_TIMEOUT": "7s",
		"SERVICE_LOG_LEVEL": "debug", "OTEL_SERVICE_NAME": "orders",
	})
	cfg, err := Config{}.resolve(env)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Addr != ":1" || cfg.AdminAddr != "-" || cfg.drainDelay(true) != 0 || cfg.StopTimeout != 7*time.Second ||
		cfg.Logging.Level != "debug" || cfg.Name != "orders" {
		t.Errorf("from the environment: %+v", cfg)
	}
	code := Config{Name: "mails", Addr: ":3", AdminAddr: ":4", DrainDelay: time.Second, StopTimeout: 2 * time.Second}
	code.Logging.Level = "warn"
	cfg, err = code.resolve(env)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Addr != ":3" || cfg.AdminAddr != ":4" || cfg.drainDelay(true) != time.Second || cfg.StopTimeout != 2*time.Second ||
		cfg.Logging.Level != "warn" || cfg.Name != "mails" {
		t.Errorf("from the code: %+v", cfg)
	}
	if _, err := (Config{}).resolve(environment(map[string]string{"SERVICE_STOP_TIMEOUT": "0s"})); err == nil {
		t.Error("a stop without any time is accepted")
	}
}

func TestNameFromTheMainPackagesPath(t *testing.T) {
	for main, want := range map[string]string{
		"github.com/acme/orders":          "orders",
		"github.com/acme/orders/v2":       "orders",
		"github.com/acme/shop/cmd/orders": "orders",
		"orders":                          "orders",
		"github.com/acme/orders.test":     "orders",
		"command-line-arguments":          "",
		"v2":                              "",
		"":                                "",
	} {
		if got := nameFromPath(main); got != want {
			t.Errorf("nameFromPath(%q) = %q, want %q", main, got, want)
		}
	}
	if got := nameOf(environment(nil)); got != "service" {
		t.Errorf("the name of this test's binary is %q", got)
	}
}
