package service_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A process is a service in a process of its own.
type process struct {
	*exec.Cmd
	url, admin string
	stderr     bytes.Buffer // complete after wait

	mu    sync.Mutex
	lines []map[string]any
	grown chan struct{} // closed when there is a new line
	ended chan struct{} // closed at the end of the lines
}

func startProcess(t *testing.T, kind string, env ...string) *process {
	t.Helper()
	p := &process{grown: make(chan struct{}), ended: make(chan struct{})}
	p.Cmd = exec.CommandContext(t.Context(), os.Args[0])
	p.Env = append(append(os.Environ(), processKey+"="+kind), env...)
	p.Stderr = &p.stderr
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(stdout)
	return p
}

func (p *process) read(stdout io.Reader) {
	defer close(p.ended)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		line := map[string]any{}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			line["body"] = lines.Text()
		}
		p.mu.Lock()
		p.lines = append(p.lines, line)
		close(p.grown)
		p.grown = make(chan struct{})
		p.mu.Unlock()
	}
}

// line waits for a log line, or for another that has this text alone.
func (p *process) line(t *testing.T, body string) map[string]any {
	t.Helper()
	return p.lineWith(t, map[string]any{"body": body})
}

// lineWith waits for a log line with these members.
func (p *process) lineWith(t *testing.T, want map[string]any) map[string]any {
	t.Helper()
	fits := func(line map[string]any) bool {
		for key, value := range want {
			if line[key] != value {
				return false
			}
		}
		return true
	}
	for {
		p.mu.Lock()
		lines, grown := p.lines, p.grown
		p.mu.Unlock()
		if i := slices.IndexFunc(lines, fits); i >= 0 {
			return lines[i]
		}
		select {
		case <-grown:
		case <-p.ended:
			_ = p.Wait()
			t.Fatalf("the process has ended without the line %v:\n%v\n%s", want, p.lines, &p.stderr)
		}
	}
}

// ready waits until the service serves.
func (p *process) ready(t *testing.T) *process {
	t.Helper()
	line := p.line(t, "service ready")
	scheme := "http"
	if slices.ContainsFunc(p.Env, func(v string) bool { return strings.HasPrefix(v, "TEST_CERT=") }) {
		scheme = "https"
	}
	p.url, p.admin = fmt.Sprintf("%s://%v", scheme, line["addr"]), fmt.Sprintf("http://%v", line["admin_addr"])
	return p
}

func (p *process) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// end waits for the end of the process and returns its exit code, -1 for a signal, and its last line.
func (p *process) end(t *testing.T) (int, map[string]any) {
	t.Helper()
	<-p.ended
	if err := p.Wait(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatal(err)
		}
	}
	if len(p.lines) == 0 {
		return p.ProcessState.ExitCode(), nil
	}
	return p.ProcessState.ExitCode(), p.lines[len(p.lines)-1]
}

// Each outcome, as whoever runs the process sees it.
func TestExitCodes(t *testing.T) {
	const noDelay = "SERVICE_DRAIN_DELAY=0s"
	for _, c := range []struct {
		kind  string
		env   []string
		after string    // the line to wait for
		sig   os.Signal // then; nil: none
		code  int
		cause string // of the last line; "": there is none
		open  string
	}{
		{"serve", []string{noDelay}, "service ready", syscall.SIGTERM, 0, "signal: terminated", ""},
		{"serve", nil, "service ready", os.Interrupt, 0, "signal: interrupt", ""},
		{"setup waits", nil, "service starting", syscall.SIGTERM, 0, "signal: terminated", ""},
		{"job", nil, "", nil, 0, `runner "job" is done`, ""},
		{"runner fails", nil, "", nil, 1, `runner "orders" failed`, ""},
		{"runner ends", nil, "", nil, 1, `runner "orders" failed`, ""},
		{"runner panics", nil, "", nil, 1, `runner "orders" failed`, ""},
		{"goroutine panics", nil, "", nil, 2, "", ""},
		{"setup fails", nil, "", nil, 1, "setup failed", ""},
		{"setup panics", nil, "", nil, 1, "setup failed", ""},
		{"job", []string{"SERVICE_STOP_TIMEOUT=never"}, "", nil, 1, "", ""},
		{"job", []string{"OTEL_TRACES_SAMPLER=maybe"}, "", nil, 1, "", ""},
		{"runner hangs", []string{"SERVICE_STOP_TIMEOUT=1s"}, "hangs", syscall.SIGTERM, 1, "signal: terminated", `runner "orders"`},
	} {
		t.Run(c.kind+strings.Join(c.env, " ")+fmt.Sprint(c.sig), func(t *testing.T) {
			t.Parallel()
			p := startProcess(t, c.kind, c.env...)
			if c.sig != nil {
				p.line(t, c.after)
				p.signal(t, c.sig)
			}
			code, last := p.end(t)
			if code != c.code {
				t.Errorf("exit code %d, want %d; lines:\n%v\nstderr:\n%s", code, c.code, p.lines, &p.stderr)
			}
			if c.cause == "" {
				if p.stderr.Len() == 0 && (last == nil || last["body"] != "service did not start") {
					t.Errorf("nothing was said; last line %v", last)
				}
				return
			}
			if last["body"] != "service stopped" || last["cause"] != c.cause || last["phases"] == nil {
				t.Errorf("last line: %v", last)
			}
			if open := strings.Trim(fmt.Sprint(last["open"]), "[]"); c.open != "" && open != c.open {
				t.Errorf("open: %v, want %q", open, c.open)
			}
		})
	}
}

func TestASecondSignalEndsTheProcess(t *testing.T) {
	t.Parallel()
	p := startProcess(t, "runner hangs") // it has 19 s
	p.line(t, "hangs")
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	p.line(t, "service stopping")
	p.signal(t, syscall.SIGTERM)
	code, last := p.end(t)
	if code != 1 || last["body"] != "service stopped" || fmt.Sprint(last["open"]) != `[runner "orders"]` {
		t.Errorf("exit code %d, last line %v", code, last)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the stop took %v", took)
	}
}

// The collector's address refuses: the process ends within its bound, with 0, and says how many spans were lost.
func TestACollectorThatIsDown(t *testing.T) {
	t.Parallel()
	p := startProcess(t, "spans", "SERVICE_DRAIN_DELAY=0s", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1").ready(t)
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	code, last := p.end(t)
	if took := time.Since(began); took > 25*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if code != 0 || last["severity_text"] != "WARN" || !strings.Contains(fmt.Sprint(last["telemetry"]), "spans") {
		t.Errorf("exit code %d, last line %v", code, last)
	}
}

// SIGPIPE is the end of a process whose log nobody reads any more, with what systemd takes for success.
func TestALogThatNobodyReadsEndsNobody(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{grown: make(chan struct{}), ended: make(chan struct{})}
	p.Cmd = exec.CommandContext(t.Context(), os.Args[0])
	p.Env = append(os.Environ(), processKey+"=serve", "SERVICE_DRAIN_DELAY=0s")
	p.Stdout, p.Stderr = write, io.Discard
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	lines := bufio.NewScanner(read)
	for p.url == "" && lines.Scan() {
		var line struct{ Body, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Body == "service ready" {
			p.url = "http://" + line.Addr
		}
	}
	_ = read.Close() // the reader dies
	for range 3 {
		res, err := http.Post(p.url+"/print", "", nil)
		if err != nil {
			t.Fatalf("the service is gone: %v", err)
		}
		_ = res.Body.Close()
	}
	p.signal(t, syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("the process ended with %v, want exit code 0", err)
	}
}

// SIGQUIT is Go's: it dumps every goroutine.
func TestSIGQUITDumpsGoroutines(t *testing.T) {
	t.Parallel()
	p := startProcess(t, "runner hangs")
	p.line(t, "hangs")
	p.signal(t, syscall.SIGQUIT)
	code, _ := p.end(t)
	if text := p.stderr.String(); code != 2 || !strings.Contains(text, "SIGQUIT") || !strings.Contains(text, "hangForever") {
		t.Errorf("exit code %d, stderr:\n%s", code, text)
	}
}
