package main

import (
	"reflect"
	"testing"

	"github.com/backend-platform/sdk/httpclient"
)

// No feature is switched off for the race: the client is the one that a service gets that configures
// nothing.
func TestMeasuredClientHasTheDefaults(t *testing.T) {
	measured, err := sdkClient(withSDK(), stub{})
	if err != nil {
		t.Fatal(err)
	}
	usual, err := httpclient.New("usual", httpclient.Config{})
	if err != nil {
		t.Fatal(err)
	}
	config := func(d httpclient.Description, _ bool) httpclient.Config {
		c := d.Config
		c.Transport, c.TracerProvider, c.MeterProvider, c.Propagator = nil, nil, nil, nil
		c.Retry.MeterProvider, c.Breaker.MeterProvider, c.Concurrency.MeterProvider = nil, nil, nil
		return c
	}
	if got, want := config(httpclient.Describe(measured)), config(httpclient.Describe(usual)); !reflect.DeepEqual(got, want) {
		t.Errorf("measured is\n%+v, and usual is\n%+v", got, want)
	}
}

func TestMeasuredClientAllocatesWithinItsBars(t *testing.T) {
	for most, telemetry := range map[float64]telemetry{32: withoutSDK(), 46: withSDK()} {
		client, err := sdkClient(telemetry, stub{})
		if err != nil {
			t.Fatal(err)
		}
		do := get(client)
		got := testing.AllocsPerRun(500, func() {
			if _, err := do(1); err != nil {
				t.Fatal(err)
			}
		})
		if got > most && !raceEnabled { // the race detector allocates, too
			t.Errorf("%s: %v allocations, want at most %v", telemetry.name, got, most)
		}
	}
}
