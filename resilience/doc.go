// Package resilience makes calls that are safe when things break.
package resilience
