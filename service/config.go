package service

import (
	"cmp"
	"fmt"
	"net"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/tracing"
)

const (
	defaultAddr         = ":8080"
	defaultAdminAddr    = ":8081"
	defaultDrainDelay   = 5 * time.Second
	defaultStopTimeout  = 20 * time.Second
	defaultFlushTimeout = 3 * time.Second
	defaultMemoryRatio  = 0.9

	// leastStop leaves each step of the stop a time that can be kept.
	leastStop = time.Second
)

// Config configures [Main] and [Run]. The zero value is right for a service in production.
//
// The variables SERVICE_ADDR, SERVICE_ADMIN_ADDR, SERVICE_DRAIN_DELAY, SERVICE_STOP_TIMEOUT and SERVICE_LOG_LEVEL fill
// fields that are zero; what the code says wins.
type Config struct {
	// Name is the service's name in logs and telemetry. OTEL_SERVICE_NAME wins over it, as everywhere in OpenTelemetry.
	// Empty: the last element of the main package's path, or of the executable's where the build does not tell it.
	Name string

	// Addr is the TCP address of the handler that [Service.Handle] was given. Empty: SERVICE_ADDR, else ":8080". Port 0
	// takes a free one.
	Addr string
	// Listener is used instead of Addr. The service closes it, also where nothing is served on it.
	Listener net.Listener
	// AdminAddr is the TCP address of probes and of what operators ask for: see [Service.Admin]. Empty:
	// SERVICE_ADMIN_ADDR, else ":8081". "-": none.
	AdminAddr string
	// AdminListener is used instead of AdminAddr. The service closes it.
	AdminListener net.Listener

	// DrainDelay is how long requests are still accepted after the stop began, so that load balancers and clients leave
	// by themselves; SIGINT and a second signal leave it out. Zero: SERVICE_DRAIN_DELAY, else 5 s with a handler and
	// none without one. Negative: none.
	DrainDelay time.Duration
	// StopTimeout is how long the rest of the stop may take but for sending telemetry: requests in hand, then runners,
	// then OnStop. Zero: SERVICE_STOP_TIMEOUT, else 20 s. Less than 1 s is a fault: a stop without a bound ends as a
	// kill, which loses what it would have said.
	StopTimeout time.Duration
	// FlushTimeout is how long sending the last telemetry may take. Zero: 3 s. Negative is a fault.
	FlushTimeout time.Duration

	// MemoryRatio is the part of the container's memory limit that becomes the Go runtime's soft limit (GOMEMLIMIT).
	// Nothing is set where GOMEMLIMIT is, also to "off", or where there is no limit. Zero: 0.9. Negative: nothing is
	// set. More than 1 is a fault.
	MemoryRatio float64

	// NoGlobals leaves the defaults of logs and OpenTelemetry alone, for tests and for programs that run several
	// services: these hand on [Service.Logger] and [Service.Telemetry] by hand. The contexts of setup, runners and
	// requests carry the logger in any case.
	NoGlobals bool

	// HTTP is what else is to be said of the public server, such as certificates and limits. Its addresses, health,
	// drain and the targets of its telemetry are the service's, and setting one is a fault. Zero: httpserver's defaults.
	HTTP httpserver.Config
	// Logging is what else is to be said of logs. Its Level, where empty, is SERVICE_LOG_LEVEL. Zero: logging's defaults.
	Logging logging.Config
	// Tracing is what else is to be said of telemetry, such as a reader for Prometheus. Its Logger and ShutdownTimeout
	// are the service's, and setting one is a fault. Zero: tracing's defaults.
	Tracing tracing.Config
}

// resolve fills in the environment, then the defaults, and returns every fault.
func (c Config) resolve(getenv func(string) string) (Config, error) {
	faults := c.fillFrom(getenv)
	c.Name = cmp.Or(c.Name, nameOf(getenv))
	c.Addr = cmp.Or(c.Addr, defaultAddr)
	c.AdminAddr = cmp.Or(c.AdminAddr, defaultAdminAddr)
	c.StopTimeout = cmp.Or(c.StopTimeout, defaultStopTimeout)
	c.FlushTimeout = cmp.Or(c.FlushTimeout, defaultFlushTimeout)
	c.MemoryRatio = cmp.Or(c.MemoryRatio, defaultMemoryRatio)

	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(c.StopTimeout < leastStop, "StopTimeout: %v is less than %v", c.StopTimeout, leastStop)
	fault(c.FlushTimeout < 0, "FlushTimeout: %v is negative", c.FlushTimeout)
	fault(!(c.MemoryRatio <= 1), "MemoryRatio: %v is more than 1", c.MemoryRatio)
	h := c.HTTP
	const ours = "is the service's own; leave it zero"
	fault(h.Addr != "" || h.Listener != nil, "HTTP: Addr and Listener: the address %s", ours)
	fault(h.AdminAddr != "" || h.AdminListener != nil, "HTTP: AdminAddr and AdminListener: the admin address %s", ours)
	fault(h.Health != nil, "HTTP: Health %s", ours)
	fault(h.DrainDelay != 0 || h.DrainTimeout != 0, "HTTP: DrainDelay and DrainTimeout: the drain %s", ours)
	fault(h.Logger != nil || h.TracerProvider != nil || h.MeterProvider != nil || h.Propagator != nil,
		"HTTP: Logger, TracerProvider, MeterProvider and Propagator: where telemetry goes %s", ours)
	fault(c.Tracing.Logger != nil, "Tracing: Logger %s", ours)
	fault(c.Tracing.ShutdownTimeout != 0, "Tracing: ShutdownTimeout %s: see FlushTimeout", ours)
	if err := errors.Join(faults...); err != nil {
		return c, fmt.Errorf("service config: %w", err)
	}
	return c, nil
}

// fillFrom takes the environment for what the code has left open. A variable that is not used is not looked at.
func (c *Config) fillFrom(getenv func(string) string) (faults []error) {
	c.Addr = cmp.Or(c.Addr, getenv("SERVICE_ADDR"))
	c.AdminAddr = cmp.Or(c.AdminAddr, getenv("SERVICE_ADMIN_ADDR"))
	c.Logging.Level = cmp.Or(c.Logging.Level, getenv("SERVICE_LOG_LEVEL"))
	for _, v := range []struct {
		name  string
		field *time.Duration
	}{{"SERVICE_DRAIN_DELAY", &c.DrainDelay}, {"SERVICE_STOP_TIMEOUT", &c.StopTimeout}} {
		text := getenv(v.name)
		if *v.field != 0 || text == "" {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %q is no duration, such as 5s", v.name, text))
			continue
		}
		*v.field = d
		if d == 0 {
			*v.field = -1 // whoever writes a zero does not want the default
		}
	}
	return faults
}

// drainDelay is the delay of a service that serves HTTP, or does not.
func (c Config) drainDelay(serves bool) time.Duration {
	if c.DrainDelay == 0 && serves {
		return defaultDrainDelay
	}
	return max(c.DrainDelay, 0)
}
