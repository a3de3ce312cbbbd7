package logging

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestEveryByteAtEveryPlaceIsQuotedRight(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			s := strings.Repeat("a", at) + string([]byte{byte(c)}) + strings.Repeat("z", 19-at)
			var got string
			if err := json.Unmarshal(appendQuoted(nil, s), &got); err != nil {
				t.Fatalf("%q: %v", s, err)
			}
			if want := strings.ToValidUTF8(s, "\ufffd"); got != want {
				t.Fatalf("%q became %q", want, got)
			}
		}
	}
}

func TestNumbersAreTheShortestThatReadBackAlike(t *testing.T) {
	check := func(f float64) {
		t.Helper()
		want, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(appendFloat(nil, f, 64)); got != string(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, f := range []float64{
		0, math.Copysign(0, -1), 1, -1, 12.5, 0.1, 0.001, -0.001, 0.0015, 1e-6, 1e-7, 1e11, 1e12, 1e20, 1e21, 1e300, math.MaxFloat64,
		999999999999.999, 123456789012.345, 0.1 + 0.2, 1.0 / 3, 2.675, 1.0005, 4503599627370497.5,
	} {
		check(f)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		check(random.NormFloat64() * 1e6)
		check(float64(random.Int64N(1e15)) / 1000)
		check(math.Float64frombits(random.Uint64() &^ (1 << 62)))
	}
}

func TestDurationsAreSecondsToTheNanosecond(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", 1: "0.000000001", -1: "-0.000000001", time.Second: "1", 1500 * time.Microsecond: "0.0015", 90 * time.Minute: "5400",
		math.MaxInt64: "9223372036.854775807", math.MinInt64: "-9223372036.854775808",
	} {
		if got := string(appendDecimal(nil, int64(d), 9)); got != want {
			t.Errorf("%d ns: got %s, want %s", d, got, want)
		}
	}
}
