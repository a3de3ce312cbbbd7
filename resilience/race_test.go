//go:build race

package resilience_test

// raceEnabled: the race detector allocates.
const raceEnabled = true
