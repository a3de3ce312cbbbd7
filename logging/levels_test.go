package logging_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/logging"
)

// zap has one level for all loggers (zap #430, #658).
func TestLevelsByName(t *testing.T) {
	for _, test := range []struct {
		spec, canonical string
		written         string // as logger:level
	}{
		{"", "info", ":info kafka:info kafka.consumer:info kafkaesque:info"},
		{"warn", "warn", ""},
		{"WARNING", "warn", ""},
		{"kafka=debug,*=info", "*=info,kafka=debug", ":info kafka:debug kafka:info kafka.consumer:debug kafka.consumer:info kafkaesque:info"},
		{" kafka.consumer = debug , kafka=error ", "*=info,kafka.consumer=debug,kafka=error", ":info kafka.consumer:debug kafka.consumer:info kafkaesque:info"},
		{"kafka=trace,error", "*=error,kafka=trace", "kafka:debug kafka:info kafka.consumer:debug kafka.consumer:info"},
	} {
		l, out := newLogger(t, logging.Config{Level: test.spec})
		if got := logging.LevelsOf(l).String(); got != test.canonical {
			t.Errorf("%q is %q, want %q", test.spec, got, test.canonical)
		}
		for _, name := range []string{"", "kafka", "kafka.consumer", "kafkaesque"} {
			l.Named(name).Debug(name + ":debug")
			l.Named(name).Info(name + ":info")
		}
		var got []string
		for _, line := range out.all(t) {
			got = append(got, line["body"].(string))
		}
		if diff := cmp.Diff(test.written, strings.Join(got, " ")); diff != "" {
			t.Errorf("%q: %s", test.spec, diff)
		}
	}
}

func TestWrongLevelsChangeNothingAndSayWhatIsWrong(t *testing.T) {
	l, _ := newLogger(t, logging.Config{Level: "warn"})
	levels := logging.LevelsOf(l)
	for spec, want := range map[string]string{
		"loud": `"loud" is no level`, "": "a level is missing", "=info": "names no logger", "info,*=debug": `"*" has two levels`, "a=info,a=info": `"a" has two levels`, "kafka=": "a level is missing",
	} {
		if err := levels.Set(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", spec, err, want)
		}
	}
	if got := levels.String(); got != "warn" {
		t.Errorf("level %s", got)
	}
}

func TestTemporaryLevelFallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := newLogger(t, logging.Config{})
		levels := logging.LevelsOf(l)
		check := func(want, wantFallback string) {
			t.Helper()
			_, fallback, _ := levels.Temporary()
			if got := levels.String(); got != want || fallback != wantFallback {
				t.Errorf("level %s, fallback %q, want %s and %q", got, fallback, want, wantFallback)
			}
		}
		set := func(spec string, d time.Duration) {
			t.Helper()
			if err := levels.SetFor(spec, d); err != nil {
				t.Error(err)
			}
		}
		set("debug", time.Minute)
		check("debug", "info")
		time.Sleep(59 * time.Second)
		set("trace", time.Minute) // replaces, and starts anew
		time.Sleep(59 * time.Second)
		synctest.Wait()
		check("trace", "info")
		time.Sleep(time.Second)
		synctest.Wait()
		check("info", "")
		set("debug", time.Minute)
		set("warn", 0) // for good: ends the temporary change
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		check("warn", "")
	})
}

func TestLevelsChangeWhileManyLog(t *testing.T) {
	l, out := newLogger(t, logging.Config{})
	handler := logging.LevelHandler(l)
	var loggers, changer sync.WaitGroup
	stop := make(chan struct{})
	for i := range 8 {
		loggers.Go(func() {
			named := l.Named(fmt.Sprintf("worker%d", i)).With(zap.Int("worker", i))
			for n := range 200 {
				named.Info("info", zap.Int("n", n))
				named.Error("error")
			}
		})
	}
	changer.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				level := []string{"worker1=debug,*=error", "warn", "debug"}[n%3]
				handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, "/?for=1ms&level="+level, nil))
			}
		}
	})
	loggers.Wait()
	close(stop)
	changer.Wait()
	errors := 0
	for _, line := range out.all(t) {
		if line["body"] == "error" {
			errors++
		}
	}
	if errors != 8*200 {
		t.Errorf("%d error lines", errors)
	}
}

func TestLevelHandler(t *testing.T) {
	for _, test := range []struct {
		name, method, target, contentType, body string
		status                                  int
		want                                    string
	}{
		{"shows", "GET", "/", "", "", 200, `{"level":"*=info,kafka=debug"}`},
		{"query", "PUT", "/?level=kafka=warn,*=error", "", "", 200, `{"level":"*=error,kafka=warn"}`},
		{"form", "PUT", "/", "application/x-www-form-urlencoded", "level=warn", 200, `{"level":"warn"}`},
		{"json", "PUT", "/", "application/json; charset=utf-8", `{"level":"debug"}`, 200, `{"level":"debug"}`},
		{"for a time", "PUT", "/?level=debug&for=10m", "", "", 200, `{"level":"debug","until":"2000-01-01T00:10:00Z","fallback":"*=info,kafka=debug"}`},
		{"bad level", "PUT", "/?level=loud", "", "", 400, `{"error":"\"loud\" is no level: use trace, debug, info, warn, error, dpanic, panic or fatal"}`},
		{"bad duration", "PUT", "/?level=debug&for=-1s", "", "", 400, `{"error":"for: \"-1s\" is no positive duration such as 10m"}`},
		{"no level", "PUT", "/", "", "", 400, `{"error":"level is missing"}`},
		{"bad json", "PUT", "/", "application/json", `{"level":`, 400, `{"error":"the body is not of the form {\"level\":\"debug\",\"for\":\"10m\"}"}`},
		{"misspelt json", "PUT", "/", "application/json", `{"level":"debug","fro":"10m"}`, 400, `{"error":"the body is not of the form {\"level\":\"debug\",\"for\":\"10m\"}"}`},
		{"endless body", "PUT", "/", "application/x-www-form-urlencoded", "level=" + strings.Repeat("x", 1<<20), 400, `{"error":"the form cannot be read"}`},
		{"ends a change", "DELETE", "/", "", "", 200, `{"level":"*=info,kafka=debug"}`},
		{"other method", "POST", "/?level=debug", "", "", 405, `{"error":"use GET, PUT or DELETE"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, out := newLogger(t, logging.Config{Level: "kafka=debug,*=info"})
				r := httptest.NewRequest(test.method, test.target, strings.NewReader(test.body))
				r.Header.Set("Content-Type", test.contentType)
				w := httptest.NewRecorder()
				logging.LevelHandler(l).ServeHTTP(w, r)
				if body := strings.TrimSpace(w.Body.String()); w.Code != test.status || body != test.want {
					t.Errorf("status %d, body %s", w.Code, body)
				}
				if !json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Type") != "application/json" {
					t.Errorf("no JSON: %s", w.Body)
				}
				if changed := test.method != "GET" && test.status == 200; changed != (out.String() != "") {
					t.Errorf("logged %q", out)
				}
				_ = logging.LevelsOf(l).Set("info") // ends the timer
			})
		})
	}
}

func TestDeleteEndsATemporaryChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := newLogger(t, logging.Config{Level: "warn"})
		levels := logging.LevelsOf(l)
		if err := levels.SetFor("debug", time.Minute); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		logging.LevelHandler(l).ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/", nil))
		if _, _, ok := levels.Temporary(); ok || levels.String() != "warn" {
			t.Errorf("%s, temporary: %v", levels, ok)
		}
	})
}

func TestLevelHandlerOfAForeignLoggerSaysSo(t *testing.T) {
	w := httptest.NewRecorder()
	foreign := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.AddSync(io.Discard), zap.InfoLevel))
	logging.LevelHandler(foreign).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusNotImplemented {
		t.Errorf("status %d", w.Code)
	}
}

func FuzzLevelsKeepTheirMeaningAsText(f *testing.F) {
	for _, seed := range []string{"info", "kafka=debug,*=info", "a.b=trace, a=error,warn", "=", ",", "a=b=c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		l, _ := newLogger(t, logging.Config{})
		levels := logging.LevelsOf(l)
		if levels.Set(spec) != nil {
			if got := levels.String(); got != "info" {
				t.Errorf("a wrong form changed the levels to %q", got)
			}
			return
		}
		text := levels.String()
		if err := levels.Set(text); err != nil || levels.String() != text {
			t.Errorf("%q became %q, then %q, error %v", spec, text, levels, err)
		}
	})
}
