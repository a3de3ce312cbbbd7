//go:build unix

package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// Clients call without a pause while the process is told to stop. Each leaves when it is told to, by
// Connection: close, as a load balancer does. Every request that was sent has to be answered.
func TestSIGTERMUnderLoadCutsNoRequestOff(t *testing.T) {
	shop := startShop(t)
	var clients sync.WaitGroup
	var accepted atomic.Int64
	enough := make(chan struct{})
	for range 8 {
		client := &http.Client{Transport: &http.Transport{}}
		clients.Go(func() {
			defer client.CloseIdleConnections()
			for {
				closing, err := order(client, shop.url)
				if err != nil {
					t.Errorf("after %d orders: %v", accepted.Load(), err)
					return
				}
				if accepted.Add(1) == 100 {
					close(enough)
				}
				if closing {
					return
				}
			}
		})
	}
	left := make(chan struct{})
	go func() {
		clients.Wait()
		close(left)
	}()
	select {
	case <-enough:
	case <-left:
		t.Fatal("all clients left before there was any load")
	}
	if err := shop.process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-left
	if err := shop.wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, shop.output.String())
	}
	if got := shop.shipped(t); got != int(accepted.Load()) {
		t.Errorf("%d orders were accepted, %d shipped\n%s", accepted.Load(), got, shop.output.String())
	}
}

func order(client *http.Client, url string) (closing bool, err error) {
	response, err := client.Post(url, "application/json", strings.NewReader(`{"items":[{"sku":"mug","qty":1}]}`))
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return false, err
	}
	if response.StatusCode != http.StatusCreated {
		return false, &unexpected{response.Status, string(body)}
	}
	return response.Close, nil
}

type unexpected struct{ status, body string }

func (u *unexpected) Error() string { return u.status + ": " + u.body }

// shop is the real process.
type shop struct {
	process *os.Process
	url     string
	output  strings.Builder // complete after wait
	wait    func() error
}

func startShop(t *testing.T) *shop {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "shop")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	command := exec.CommandContext(t.Context(), binary, "-serve")
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{}
	command.Stderr = &s.output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	s.process = command.Process
	lines := bufio.NewReader(stdout)
	for s.url == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the shop did not come up: %v\n%s", err, line)
		}
		s.url = regexp.MustCompile(`http://\S+/orders`).FindString(line)
	}
	s.wait = func() error {
		rest, err := io.ReadAll(lines)
		if err != nil {
			return err
		}
		err = command.Wait()
		s.output.Write(rest)
		return err
	}
	return s
}

func (s *shop) shipped(t *testing.T) int {
	t.Helper()
	found := regexp.MustCompile(`(\d+) orders were shipped`).FindStringSubmatch(s.output.String())
	if found == nil {
		t.Fatalf("the shop did not say how many orders were shipped:\n%s", s.output.String())
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
