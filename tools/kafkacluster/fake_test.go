package kafkacluster_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/tools/kafkacluster"
)

// These tests run without Java and Maven: a fake java is this test program in another role, which formats, listens and
// answers as a broker does. That the real ones do the same is what real_test.go shows, in make test-kafka.

const roleVariable = "KAFKACLUSTER_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "java":
		os.Exit(fakeJava(os.Args[1:]))
	case "owner":
		os.Exit(owner())
	}
	os.Exit(m.Run())
}

// machine is an invented machine: its folders, and its java and mvn, which are shell scripts.
type machine struct {
	home, temp, bin string
}

// newMachine makes the environment of this test one with a fake Java 17 and a Maven that works.
func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{home: t.TempDir(), temp: t.TempDir(), bin: t.TempDir()}
	t.Setenv("HOME", m.home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(m.home, "cache"))
	t.Setenv("TMPDIR", m.temp)
	t.Setenv("JAVA_HOME", "")
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or each run of the fake java takes a second more
	t.Setenv("PATH", m.bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m.install(t, "java", fmt.Sprintf("%s=java exec %q \"$@\"", roleVariable, program))
	m.install(t, "mvn", goodMaven)
	return m
}

// goodMaven fetches the one jar that is looked for, and counts its runs.
const goodMaven = `
for arg; do case $arg in -DoutputDirectory=*) dir=${arg#*=};; esac; done
mkdir "$dir" && touch "$dir/kafka_2.13-` + kafkacluster.Version + `.jar" && echo run >>"$HOME/maven"
`

func (m *machine) install(t *testing.T, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.bin, name), []byte("#!/bin/sh\n"+script), 0o777); err != nil {
		t.Fatal(err)
	}
}

// cached lists what is in the cache folder, below whatever this system calls it.
func (m *machine) cached(t *testing.T) []string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "backend-platform-sdk", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	return names
}

// left lists what clusters have left in the folder for temporary files.
func (m *machine) left(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(m.temp, "kafka-cluster-*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// fakeJava does what the real one does as far as this package looks.
func fakeJava(args []string) int {
	last := args[len(args)-1]
	switch {
	case last == "-version":
		fmt.Fprintln(os.Stderr, `openjdk version "17.0.15" 2025-04-15`)
		return 0
	case args[4] == "kafka.tools.StorageTool":
		if err := os.MkdirAll("data", 0o777); err != nil {
			fmt.Println(err)
			return 1
		}
		return 0
	}
	if _, err := os.Stat("data"); err != nil {
		fmt.Println("not formatted:", err)
		return 1
	}
	if err := serve(last); err != nil {
		fmt.Println("FATAL", err)
		return 1
	}
	return 0
}

// serve answers ApiVersions requests at the broker's address, as little as a caller can do with.
func serve(properties string) error {
	text, err := os.ReadFile(properties)
	if err != nil {
		return err
	}
	if _, err := os.Stat("broken"); err == nil {
		return fmt.Errorf("the node is broken")
	}
	_, addr, _ := strings.Cut(string(text), "\nlisteners=PLAINTEXT://")
	addr, _, _ = strings.Cut(addr, ",")
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go answer(conn)
	}
}

func answer(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		var size [4]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return
		}
		request := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(in, request); err != nil {
			return
		}
		if !bytes.HasPrefix(request, []byte{0, 18, 0, 0}) {
			return
		}
		// The size, the correlation of the request, no error, and an empty list.
		if _, err := conn.Write(append([]byte{0, 0, 0, 10}, append(request[4:8:8], 0, 0, 0, 0, 0, 0)...)); err != nil {
			return
		}
	}
}
