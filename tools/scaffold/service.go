package scaffold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// connections is how many clients call while the service stops, each over a connection that it keeps.
const connections = 16

// useService greets somebody, then calls without a pause while the service stops: no call may fail.
func (r *run) useService(ctx context.Context, dir, binary string) error {
	p, err := r.start(ctx, dir, binary)
	if err != nil {
		return err
	}
	base := "http://" + p.public
	if err := greet(ctx, base); err != nil {
		return errors.Join(err, p.kill())
	}
	load := startLoad(ctx, base+"/greetings/1")
	// Every client has its connection, and has been answered on it.
	for load.calls.Load() < 10*connections {
		if err := ctx.Err(); err != nil {
			return errors.Join(err, p.kill())
		}
		time.Sleep(time.Millisecond)
	}
	err = p.stop()
	failed := load.stop()
	fmt.Fprintf(r.opts.Log, "      %d calls over %d connections, %d failed\n", load.calls.Load(), connections, len(failed))
	if len(failed) > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d calls failed while it stopped, the first: %w", len(failed), load.calls.Load(), failed[0]))
	}
	return err
}

func greet(ctx context.Context, base string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/greetings", strings.NewReader(`{"name":"Ann","language":"en"}`))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusCreated || !strings.Contains(string(body), "Hello, Ann!") {
		return fmt.Errorf("POST /greetings: %s: %s", response.Status, body)
	}
	status, text, err := get(ctx, http.DefaultClient, base+response.Header.Get("Location"))
	if err != nil || status != http.StatusOK || !strings.Contains(text, "Hello, Ann!") {
		return fmt.Errorf("GET %s: %d %s %w", response.Header.Get("Location"), status, text, err)
	}
	if status, text, err = get(ctx, http.DefaultClient, base+"/greetings/99"); err != nil || status != http.StatusNotFound || !strings.Contains(text, "not_found") {
		return fmt.Errorf("GET /greetings/99: %d %s %w", status, text, err)
	}
	return nil
}

func get(ctx context.Context, client *http.Client, url string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// load is a number of clients that call without a pause.
type load struct {
	calls   atomic.Int64
	ends    context.CancelFunc
	clients sync.WaitGroup

	mu     sync.Mutex
	failed []error
}

// startLoad calls url from many clients. Each does what a load balancer makes it do: when
// a response says that its connection closes, the client goes elsewhere.
func startLoad(ctx context.Context, url string) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{ends: cancel}
	for range connections {
		l.clients.Go(func() {
			transport := &http.Transport{MaxIdleConnsPerHost: 1}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
			for ctx.Err() == nil {
				left, err := l.call(ctx, client, url)
				if left || ctx.Err() != nil {
					return
				}
				l.calls.Add(1)
				if err != nil {
					l.mu.Lock()
					l.failed = append(l.failed, err)
					l.mu.Unlock()
					return
				}
			}
		})
	}
	return l
}

// call reports left when the response said that the connection closes: the client leaves, after an answer that counts.
func (l *load) call(ctx context.Context, client *http.Client, url string) (left bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false, err
	}
	response, err := client.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return false, err
	}
	if response.StatusCode != http.StatusOK {
		return false, fmt.Errorf("GET %s: %s", url, response.Status)
	}
	if response.Close {
		l.calls.Add(1)
		return true, nil
	}
	return false, nil
}

func (l *load) stop() []error {
	l.ends()
	l.clients.Wait()
	return l.failed
}
