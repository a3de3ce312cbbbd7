// Package tracing x
package tracing
