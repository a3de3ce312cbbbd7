package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// shell runs the command as a person would, on a cluster with dead letters.
type shell struct {
	*cli
	t        *testing.T
	b        *kafkatest.Broker
	out, err bytes.Buffer
}

func night(t *testing.T, test func(t *testing.T, s *shell)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := kafkatest.Start(t, kafkatest.Config{Virtual: true, Topics: map[string]int{"orders": 2, "dlq.orders.shipping": 2}})
		s := &shell{t: t, b: b}
		s.cli = &cli{env: variables{"KAFKA_BROKERS": strings.Join(b.Addrs(), ",")}.get, out: &s.out, err: &s.err, dial: b.Dial}
		produce(t, b)
		time.Sleep(90 * time.Minute)
		test(t, s)
	})
}

type variables map[string]string

func (v variables) get(name string) string { return v[name] }

func produce(t *testing.T, b *kafkatest.Broker) {
	t.Helper()
	letter := func(partition int32, offset int64, key string, value []byte, f kafka.Failure) kafka.Record {
		f.Source = kafka.ID{Topic: "orders", Partition: partition, Offset: offset}
		f.Origin, f.Group = f.Source, "shipping"
		f.Timestamp, f.FirstFailure = time.Now().Add(-time.Hour), time.Now().Add(-time.Minute)
		return kafka.Record{
			Topic: "dlq.orders.shipping", Partition: partition, Key: []byte(key), Value: value, Timestamp: time.Now(),
			Headers: f.AppendHeaders([]kafka.Header{{Key: "content-type", Value: []byte("application/json")}, {Key: "sum", Value: []byte{0, 1, 0xff}}}),
		}
	}
	down := kafka.Failure{Code: errors.Unavailable, Message: "The inventory is not available.", Deliveries: 8, Attempts: 8,
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	bad := kafka.Failure{Code: errors.InvalidArgument, Reason: "BAD_QTY", Message: "An order needs \x1b[2Ja quantity.", Deliveries: 1, Attempts: 1,
		Stack: "main.ship\n\t/app/ship.go:12"}
	b.Produce(t,
		letter(0, 7, "customer-2", []byte(`{"id":"o-7","qty":2}`), down),
		letter(0, 9, "customer-3", []byte(`{"id":"o-9","qty":0}`), bad),
		letter(1, 3, "customer-1", []byte{0xca, 0xfe, 0x00}, down),
		kafka.Record{Topic: "dlq.orders.shipping", Partition: 1, Value: []byte("by hand")},
	)
}

// run returns what a command prints, and its exit code.
func (s *shell) run(args ...string) (out string, code int) {
	s.t.Helper()
	s.out.Reset()
	s.err.Reset()
	code = s.cli.run(s.t.Context(), args)
	return s.out.String(), code
}

func (s *shell) want(want string, args ...string) {
	s.t.Helper()
	got, code := s.run(args...)
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got); diff != "" || code != exitDone {
		s.t.Errorf("%q: exit code %d, %s\n(-want +got):\n%s", args, code, s.err.String(), diff)
	}
}

func (s *shell) fails(code int, says string, args ...string) {
	s.t.Helper()
	if out, got := s.run(args...); got != code || !strings.Contains(s.err.String(), says) || out != "" {
		s.t.Errorf("%q: exit code %d, want %d; says %q, want %q; prints %q", args, got, code, s.err.String(), says, out)
	}
}

func TestFromHowManyAndWhyToRedrivenInThreeCommands(t *testing.T) {
	night(t, func(t *testing.T, s *shell) {
		s.want(`
TOPIC                     GROUP     DEAD LETTERS  PENDING  OLDEST  NEWEST  WHY
? in dlq.orders.shipping  ?         1             1        1h30m   1h30m   1 unknown
orders                    shipping  3             3        1h30m   1h30m   2 unavailable, 1 invalid_argument BAD_QTY
`, "list")
		s.want(`
record        orders/0/9
lies at       dlq.orders.shipping/0/1
group         shipping
written       1999-12-31T23:00:00.000Z (2h30m ago)
first failed  1999-12-31T23:59:00.000Z (1h31m ago)
failed        2000-01-01T00:00:00.000Z (1h30m ago)
tries         1
code          invalid_argument
reason        BAD_QTY
error         An order needs �[2Ja quantity.

stack
  main.ship
      /app/ship.go:12

headers
  content-type: application/json
  sum: 0x0001ff

key
  customer-3

value
  {
    "id": "o-9",
    "qty": 0
  }
`, "show", "orders", "shipping", "-reason", "BAD_QTY")
		s.want("2 put back into orders in 0s\n1 not selected\n1 left alone, for their headers do not say that they are of this topic and group\n",
			"redrive", "orders", "shipping", "-code", "unavailable")
		if got := s.b.Records(t, "orders"); len(got) != 2 || string(got[0].Value) != `{"id":"o-7","qty":2}` {
			t.Errorf("orders has %v", got)
		}
		s.want(`
AT   RECORD                   FAILED  CODE              REASON   TRIES  REDRIVES  KEY         ERROR
0/1  orders/0/9               1h30m   invalid_argument  BAD_QTY  1      0         customer-3  An order needs �[2Ja quantity.
1/1  dlq.orders.shipping/1/1  1h30m   unknown           -        0      0         -           -
`, "list", "orders", "shipping")
	})
}

func TestShowFindsByPlaceAndByRecord(t *testing.T) {
	night(t, func(t *testing.T, s *shell) {
		for _, which := range []string{"1/0", "orders/1/3"} {
			out, code := s.run("show", "orders", "shipping", which)
			if code != exitDone || !strings.Contains(out, "trace         0af7651916cd43dd8448eb211c80319c") || !strings.Contains(out, "00000000  ca fe 00") {
				t.Errorf("%s: exit code %d:\n%s", which, code, out)
			}
		}
		out, code := s.run("show", "orders", "shipping", "1/1")
		if code != exitDone || !strings.Contains(out, "do not say where it came from") || !strings.Contains(out, "none (null)") {
			t.Errorf("exit code %d:\n%s", code, out)
		}
		s.want("\xca\xfe\x00", "show", "-value", "orders", "shipping", "1/0")
		s.fails(exitFailed, `There is no dead letter "4/4"`, "show", "orders", "shipping", "4/4")
		s.fails(exitFailed, "There is no such dead letter", "show", "orders", "shipping", "-code", "not_found")
	})
}

func TestParkAndBack(t *testing.T) {
	night(t, func(t *testing.T, s *shell) {
		s.want("1 would be moved to parked.orders.shipping\n2 not selected\n1 left alone, for their headers do not say that they are of this topic and group\n", "park", "orders", "shipping", "-key", "customer-3", "-dry-run")
		if out, _ := s.run("park", "orders", "shipping", "-key", "customer-3"); !strings.HasPrefix(out, "1 moved to parked.orders.shipping in 0s\n") {
			t.Errorf("park printed %q", out)
		}
		if out, _ := s.run("list", "orders", "shipping", "-from", "parked.orders.shipping"); !strings.Contains(out, "orders/0/9") {
			t.Errorf("list of what is parked:\n%s", out)
		}
		if out, _ := s.run("redrive", "orders", "shipping", "-from", "parked.orders.shipping"); !strings.HasPrefix(out, "1 put back into orders") {
			t.Errorf("redrive of what is parked printed %q", out)
		}
	})
}

func TestFiltersSelect(t *testing.T) {
	night(t, func(t *testing.T, s *shell) {
		for _, c := range []struct {
			flags string
			want  int
		}{
			{"", 4}, {"-code unavailable", 2}, {"-code unavailable,invalid_argument", 3}, {"-reason BAD_QTY -code unavailable", 0},
			{"-partition 1", 2}, {"-partition 0 -partition 1", 4}, {"-key customer-2 -key customer-1", 2},
			{"-since 1h", 0}, {"-since 2h", 4}, {"-until 1h", 4}, {"-until 2000-01-01T00:00:00Z", 0}, {"-limit 3", 3}, {"-all -limit 0", 4},
		} {
			out, code := s.run(append([]string{"list", "-json", "orders", "shipping"}, strings.Fields(c.flags)...)...)
			if got := strings.Count(out, "\n"); got != c.want || code != exitDone {
				t.Errorf("%s: %d lines, want %d; exit code %d, %s", c.flags, got, c.want, code, s.err.String())
			}
		}
	})
}

func TestJSONForPrograms(t *testing.T) {
	night(t, func(t *testing.T, s *shell) {
		decode := func(args ...string) map[string]any {
			t.Helper()
			out, code := s.run(append(args, "-json")...)
			first, _, _ := strings.Cut(out, "\n")
			var v map[string]any
			if err := json.Unmarshal([]byte(first), &v); err != nil || code != exitDone {
				t.Fatalf("%q: exit code %d, %v:\n%s", args, code, err, out)
			}
			return v
		}
		got := decode("show", "orders", "shipping", "1/0")
		for key, want := range map[string]any{
			"id": "orders/1/3", "at": "1/0", "code": "unavailable", "attempts": 8.0, "trace_id": "0af7651916cd43dd8448eb211c80319c",
			"key": "customer-1", "value_base64": "yv4A", "failed": "2000-01-01T00:00:00Z", "source": "orders/1/3",
		} {
			if got[key] != want {
				t.Errorf("show: %s is %v, want %v", key, got[key], want)
			}
		}
		if got := decode("list", "-code", "unavailable"); got["pending"] != 2.0 || got["topic"] != "orders" || got["group"] != "shipping" {
			t.Errorf("list: %v", got)
		}
		if got := decode("redrive", "orders", "shipping"); got["redriven"] != 3.0 || got["unreadable"] != 1.0 {
			t.Errorf("redrive: %v", got)
		}
	})
}

func TestJSONOfAListIsWhole(t *testing.T) {
	night(t, func(t *testing.T, s *shell) {
		var many []kafka.Record
		for range 30 {
			many = append(many, kafka.Record{Topic: "dlq.orders.shipping", Value: []byte("by hand")})
		}
		s.b.Produce(t, many...)
		lines := func(args ...string) int {
			out, _ := s.run(append([]string{"list", "orders", "shipping"}, args...)...)
			return strings.Count(out, "\n")
		}
		if all, some := lines("-json"), lines("-json", "-limit", "2"); all != 34 || some != 2 {
			t.Errorf("%d lines, and %d with -limit 2, want 34 and 2", all, some)
		}
		if n := lines(); n != 22 {
			t.Errorf("%d lines for people, want a head, 20 and how many more there are", n)
		}
	})
}

func TestProgressIsDrawnOnATerminal(t *testing.T) {
	night(t, func(t *testing.T, s *shell) {
		s.terminal = true
		s.run("redrive", "orders", "shipping")
		if got := s.err.String(); !strings.Contains(got, "[##############################] 3 of 3") || !strings.HasSuffix(got, "\r\x1b[K") {
			t.Errorf("drew %q", got)
		}
	})
}

func TestWrongUsageNamesTheFault(t *testing.T) {
	night(t, func(t *testing.T, s *shell) {
		for says, args := range map[string][]string{
			"Usage:":                            {},
			`no command "delete"`:               {"delete"},
			"TOPIC GROUP":                       {"redrive", "orders"},
			"TOPIC and GROUP, or neither":       {"list", "orders"},
			"not defined: -cod":                 {"list", "-cod", "x"},
			`out_of_order`:                      {"list", "-code", "out_of_order"},
			`-partition "one"`:                  {"list", "-partition", "one"},
			`"yesterday" is neither`:            {"list", "-since", "yesterday"},
			"Filter.Since":                      {"list", "-since", "1h", "-until", "2h"},
			"want a name that Kafka permits":    {"show", "orders/1", "shipping"},
			"-sasl PLAIN without -tls":          {"list", "-sasl", "PLAIN", "-brokers", "kafka.example.com:9092"},
			"without KeyFile\nSASL.Mechanism":   {"list", "-cert", "tls.crt", "-sasl", "GSSAPI"},
			"KAFKA_SASL_UNENCRYPTED=true":       {"list", "-sasl", "OAUTHBEARER"},
			"no such file":                      {"list", "-ca", "none.pem"},
			"Park is set and From is \"parked.": {"park", "orders", "shipping", "-from", "parked.orders.shipping"},
		} {
			s.fails(exitUsage, says, args...)
		}
		s.env = variables{"KAFKA_TLS": "yes", "KAFKA_BROKERS": "127.0.0.1:1"}.get
		s.fails(exitUsage, `KAFKA_TLS is "yes"`, "list")
		s.env = variables{}.get
		s.fails(exitUsage, "set KAFKA_BROKERS", "list")
	})
}

func TestFailuresAreSaid(t *testing.T) {
	night(t, func(t *testing.T, s *shell) {
		s.fails(exitFailed, `"dlq.payments.billing"`, "list", "payments", "billing")
		s.b.Down()
		s.fails(exitFailed, "unavailable", "list")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if code := s.cli.run(ctx, []string{"redrive", "orders", "shipping"}); code != exitInterrupted {
			t.Errorf("exit code %d, want %d", code, exitInterrupted)
		}
	})
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	c := &cli{env: variables{}.get, out: &out, err: &out}
	for _, args := range [][]string{{"help"}, {"-h"}, {"list", "-h"}, {"help", "redrive"}, {"park", "--help"}, {"show", "orders", "-h"}} {
		out.Reset()
		if code := c.run(t.Context(), args); code != exitDone || !strings.Contains(out.String(), "Usage:") {
			t.Errorf("%q: exit code %d:\n%s", args, code, out.String())
		}
	}
}
