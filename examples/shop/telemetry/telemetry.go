// Package telemetry says where clients report to when several services run in one process. A service in a process of its
// own sets the globals, as [service.Main] does, and leaves these fields zero.
package telemetry

import (
	"log/slog"

	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/service"
)

// Client returns the configuration of an HTTP client of s.
func Client(s *service.Service) httpclient.Config {
	t := s.Telemetry()
	return httpclient.Config{
		InternalHosts: []string{"127.0.0.1"}, Logger: logger(s),
		TracerProvider: t.TracerProvider(), MeterProvider: t.MeterProvider(), Propagator: t.Propagator(),
	}
}

// Producer returns the configuration of a producer of s.
func Producer(s *service.Service) kafka.ProducerConfig {
	t := s.Telemetry()
	return kafka.ProducerConfig{
		Logger:         logger(s),
		TracerProvider: t.TracerProvider(), MeterProvider: t.MeterProvider(), Propagator: t.Propagator(),
	}
}

// Consumer returns the configuration of a consumer of s.
func Consumer(s *service.Service) kafka.ConsumerConfig {
	t := s.Telemetry()
	return kafka.ConsumerConfig{
		Logger:         logger(s),
		TracerProvider: t.TracerProvider(), MeterProvider: t.MeterProvider(), Propagator: t.Propagator(),
	}
}

func logger(s *service.Service) *slog.Logger { return slog.New(logging.NewSlogHandler(s.Logger())) }
