package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"time"
)

const oneBreaker = "hand-made stack, one breaker"

// hostsChart calls many hosts in turn, which shows what a client remembers of each.
func hostsChart() chart {
	c := chart{
		Name: "http-hosts", Title: "HTTP client: GET of many hosts in turn, over a stub transport", X: "hosts", LogX: true,
		Rate: "calls a second", Memory: "live heap after them, MiB",
	}
	for _, peer := range []string{"", oneBreaker, "net/http"} {
		s := series{Name: peerName(peer)}
		for _, hosts := range []int{1, 10, 100, 1_000, 10_000} {
			s.Points = append(s.Points, grown{X: float64(hosts), job: func(context.Context) (job, error) {
				return job{Kind: "http", Peer: peer, Hosts: hosts, N: 100_000}, nil
			}})
		}
		c.Lines = append(c.Lines, s)
	}
	return c
}

func peerName(peer string) string {
	if peer == "" {
		return "sdk"
	}
	return peer
}

func growHTTP(j job) (spent, error) {
	var client *http.Client
	var err error
	switch j.Peer {
	case oneBreaker:
		client = handMade(withoutSDK(), stub{})
	case "net/http":
		client = &http.Client{Transport: stub{}}
	default:
		client, err = sdkClient(withoutSDK(), stub{})
	}
	if err != nil {
		return spent{}, err
	}
	urls := make([]string, j.Hosts)
	for i := range urls {
		urls[i] = fmt.Sprintf("http://host%d.example.com/stock/17", i)
	}
	next := 0
	once := each(func() error {
		next = (next + 1) % len(urls)
		return read(client.Get(urls[next]))
	})
	if _, err := once(2 * j.Hosts); err != nil { // what it remembers, it remembers now
		return spent{}, err
	}
	before := processTime()
	took, err := once(j.N)
	s := spent{took: took, cpu: processTime() - before, memory: liveHeap()}
	runtime.KeepAlive(client)
	return s, err
}

// liveHeap is what is in use after a collection of garbage, in KiB.
func liveHeap() int64 {
	var stats runtime.MemStats
	for range 2 { // what pools hold is gone with the second
		runtime.GC()
		time.Sleep(0)
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc / 1024)
}
