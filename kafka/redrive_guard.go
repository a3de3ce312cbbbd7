package kafka

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/backend-platform/sdk/errors"
)

// redriveGuard notices that another run works on the same dead letters: it looks whether
// somebody else has committed to a journal since it looked last. So two runs that were
// begun together put at most a batch back twice, or what a second brings.
type redriveGuard struct {
	admin    *kadm.Client
	commands commands
	from     string
	own      string // the journal of this run
	run      int32  // Tells this run's commits from those of another one to the same journal.
	seen     map[string]map[int32]journalMark
	listed   time.Time
}

// journalMark is a commit to a journal. Which run made it stands where Kafka has the
// epoch of the partition's leader, which nobody asks for here: a member of the metadata
// would be one that earlier versions refuse.
type journalMark struct {
	at  int64
	run int32
}

// sameAs reports whether a commit is the one that was there. Brokers that do not keep the
// epoch, as not all that speak Kafka's protocol do, answer -1: then the offset has to do.
func (m journalMark) sameAs(before journalMark) bool {
	return m.at == before.at && (m.run == before.run || m.run == -1)
}

// relist is how often a run looks for journals that are new.
const relist = time.Second

// openGuard looks at all journals for the first time. What it may not see it says: it would
// be put back a second time.
func openGuard(ctx context.Context, admin *kadm.Client, commands commands, from, own string) (*redriveGuard, error) {
	g := &redriveGuard{admin: admin, commands: commands, from: from, own: own, run: rand.Int32()}
	// Brokers list only what one may see. One that never is there shows whether those of
	// all selections may be seen.
	if _, err := g.fetch(ctx, own, journalPrefix+from+"#"); err != nil {
		return nil, err
	}
	var err error
	g.seen, err = g.look(ctx)
	return g, err
}

// look returns the commits to all journals.
func (g *redriveGuard) look(ctx context.Context) (map[string]map[int32]journalMark, error) {
	groups := append(slices.Collect(maps.Keys(g.seen)), g.own)
	if time.Since(g.listed) >= relist {
		listed, err := journalGroups(ctx, g.admin, g.from)
		if err != nil {
			return nil, err
		}
		g.listed = time.Now()
		groups = slices.Concat(listed, []string{g.own})
	}
	slices.Sort(groups)
	return g.fetch(ctx, slices.Compact(groups)...)
}

func (g *redriveGuard) fetch(ctx context.Context, groups ...string) (map[string]map[int32]journalMark, error) {
	marks := map[string]map[int32]journalMark{}
	for group, fetched := range g.admin.FetchManyOffsets(ctx, groups...) {
		switch err := fetched.Err; {
		case errors.Is(err, kerr.GroupIDNotFound):
			continue
		case errors.Is(err, kerr.GroupAuthorizationFailed):
			return nil, g.refused(group, err)
		case err != nil:
			return nil, fmt.Errorf("fetch offsets of group %q: %w", group, coded(err))
		}
		marks[group] = map[int32]journalMark{}
		for partition, offset := range fetched.Fetched[g.from] {
			if offset.At >= 0 {
				marks[group][partition] = journalMark{offset.At, offset.LeaderEpoch}
			}
		}
	}
	return marks, nil
}

// refused says which right is missing on the groups in which runs remember what they did.
func (g *redriveGuard) refused(group string, err error) error {
	return errors.PermissionDenied.Wrap(fmt.Errorf("no permission Read on group %q, in which redrives remember what they have put back: %s: %w", group,
		g.commands.command("kafka-acls.sh --add --allow-principal User:<name> --operation Read --group %s --resource-pattern-type prefixed", journalPrefix), err), "")
}

// other returns the journal to which another run has committed since the last look.
func (g *redriveGuard) other(ctx context.Context) (group string, err error) {
	now, err := g.look(ctx)
	if err != nil {
		return "", err
	}
	before := g.seen
	g.seen = now
	for _, group := range slices.Sorted(maps.Keys(now)) {
		for partition, mark := range now[group] {
			if !mark.sameAs(before[group][partition]) {
				return group, nil
			}
		}
	}
	return "", nil
}

// note remembers a commit of this run, which is none of another one.
func (g *redriveGuard) note(partition int32, at int64) {
	if g.seen[g.own] == nil {
		g.seen[g.own] = map[int32]journalMark{}
	}
	g.seen[g.own][partition] = journalMark{at, g.run}
}

// underWay is the error of a run that another one is beside.
func (g *redriveGuard) underWay(group string) error {
	return errors.Aborted.Wrap(fmt.Errorf("another redrive of %q is under way, which remembers what it does in group %q: this one ends; begin it again when that has ended", g.from, group), "")
}

// journalGroups lists the groups in which runs remember what they did.
func journalGroups(ctx context.Context, admin *kadm.Client, from string) ([]string, error) {
	listed, err := admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the groups of earlier redrives: %w", coded(err))
	}
	return slices.DeleteFunc(listed.Groups(), func(group string) bool {
		rest, ok := strings.CutPrefix(group, journalPrefix+from)
		return !ok || rest != "" && rest[0] != '#'
	}), nil
}
