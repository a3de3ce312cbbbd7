package kafkacluster

import (
	"fmt"
	"io"
	"os/exec"
)

// A watchdog is a process that outlives this one: its input ends when this process does, however that comes about. Then
// it kills the nodes and removes the folder, if that is still there. It waits a second first, so that a node that was
// just being started has written down its process id.
type watchdog struct {
	cmd   *exec.Cmd
	input io.Closer
}

const watchdogScript = `
trap "" HUP INT TERM
cat >/dev/null
[ -d "$1" ] || exit 0
sleep 1
for file in "$1"/*/` + pidFile + `; do
	[ -f "$file" ] && kill -9 "$(cat "$file")"
done
for try in 1 2 3 4 5; do
	rm -rf "$1" && exit 0
	sleep 1
done
`

func watch(dir string) (*watchdog, error) {
	w := &watchdog{cmd: exec.Command("sh", "-c", watchdogScript, "sh", dir)}
	separate(w.cmd)
	var err error
	if w.input, err = w.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	return w, nil
}

// end lets the watchdog find that there is nothing to do.
func (w *watchdog) end() {
	_ = w.input.Close()
	_ = w.cmd.Wait() // Whatever it says, it has gone.
}
