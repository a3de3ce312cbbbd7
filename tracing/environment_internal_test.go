package tracing

import "fmt"

// Setting shows what Setup has read, where it shows in nothing that a test could wait for.
func (p *Providers) Setting(what string) string {
	s := p.settings
	batch := func(b batchSettings) string { return fmt.Sprint(b.delay, b.timeout, b.queueSize, b.batchSize) }
	return fmt.Sprint(map[string]any{
		"target":          s.traceOTLP.target,
		"timeout":         s.traceOTLP.timeout,
		"spans":           batch(s.batch),
		"logs":            batch(s.logBatch),
		"metric interval": s.metricInterval,
		"metric timeout":  s.metricTimeout,
	}[what])
}
