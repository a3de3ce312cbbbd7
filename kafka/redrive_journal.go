package kafka

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/backend-platform/sdk/errors"
)

// redriveJournal remembers which dead letters were put back, in the brokers and
// without a topic of its own. A run is done with every dead letter below its
// committed offset that its filter selects; the filter stands in the commit's
// metadata. So a few groups, one for each filter that was ever used, say exactly
// what is done, also where runs with different filters left gaps.
type redriveJournal struct {
	topic    string
	own      pastRun
	earlier  []pastRun // Without own.
	metadata string
}

// pastRun is what runs with one filter are done with.
type pastRun struct {
	group   string
	filter  DeadLetterFilter
	offsets map[int32]int64 // By partition: all selected below it are done.
}

const (
	journalPrefix  = "redrive."
	journalVersion = 1
	// maxMetadata is Kafka's offset.metadata.max.bytes.
	maxMetadata = 4096
)

// journalText is a filter in a commit's metadata. Partitions are not in it:
// offsets are by partition as it is.
type journalText struct {
	Version int           `json:"redrive"`
	Codes   []errors.Code `json:"codes,omitempty"`
	Reasons []string      `json:"reasons,omitempty"`
	Keys    [][]byte      `json:"keys,omitempty"`
	Since   int64         `json:"since,omitempty"`
	Until   int64         `json:"until,omitempty"`
}

// encodeFilter returns the same text for filters that select the same.
func encodeFilter(f *DeadLetterFilter) (string, error) {
	t := journalText{
		Version: journalVersion,
		Codes:   slices.Compact(slices.Sorted(slices.Values(f.Codes))),
		Reasons: slices.Compact(slices.Sorted(slices.Values(f.Reasons))),
	}
	for _, key := range slices.Compact(slices.Sorted(slices.Values(f.Keys))) {
		t.Keys = append(t.Keys, []byte(key))
	}
	if !f.Since.IsZero() {
		t.Since = f.Since.UnixMilli()
	}
	if !f.Until.IsZero() {
		t.Until = f.Until.UnixMilli()
	}
	text, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("encode the filter: %w", err)
	}
	if len(text) > maxMetadata {
		return "", errors.InvalidArgument.Newf("Filter takes %d bytes to remember, and Kafka keeps %d: use fewer keys at a time.", len(text), maxMetadata)
	}
	return string(text), nil
}

// decodeFilter refuses what it does not know: a condition that was left out
// would make more dead letters count as done than were put back.
func decodeFilter(text string) (DeadLetterFilter, error) {
	var t journalText
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return DeadLetterFilter{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return DeadLetterFilter{}, errors.New("text after the filter")
	}
	if t.Version != journalVersion {
		return DeadLetterFilter{}, fmt.Errorf("version %d, want %d", t.Version, journalVersion)
	}
	f := DeadLetterFilter{Codes: t.Codes, Reasons: t.Reasons}
	for _, key := range t.Keys {
		f.Keys = append(f.Keys, string(key))
	}
	if t.Since != 0 {
		f.Since = time.UnixMilli(t.Since)
	}
	if t.Until != 0 {
		f.Until = time.UnixMilli(t.Until)
	}
	return f, nil
}

// journalGroup is the group that runs with this filter commit to.
func journalGroup(from, metadata string) string {
	group := journalPrefix + from
	if everything, _ := encodeFilter(&DeadLetterFilter{}); metadata == everything {
		return group
	}
	sum := sha256.Sum256([]byte(metadata))
	return group + "#" + hex.EncodeToString(sum[:8])
}

// openJournal reads what runs before this one have done.
func openJournal(ctx context.Context, admin *kadm.Client, cfg RedriveConfig) (*redriveJournal, error) {
	metadata, err := encodeFilter(&cfg.Filter)
	if err != nil {
		return nil, err
	}
	j := &redriveJournal{topic: cfg.From, metadata: metadata}
	j.own = pastRun{group: journalGroup(cfg.From, metadata), offsets: map[int32]int64{}}
	if cfg.Again {
		return j, nil
	}
	listed, err := admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the groups of earlier redrives: %w", coded(err))
	}
	for _, group := range listed.Groups() {
		rest, ok := strings.CutPrefix(group, journalPrefix+cfg.From)
		if !ok || rest != "" && rest[0] != '#' {
			continue
		}
		run, err := fetchPastRun(ctx, admin, group, cfg.From)
		if err != nil {
			return nil, err
		}
		if group == j.own.group {
			j.own = run
			continue
		}
		j.earlier = append(j.earlier, run)
	}
	return j, nil
}

func fetchPastRun(ctx context.Context, admin *kadm.Client, group, from string) (pastRun, error) {
	run := pastRun{group: group, offsets: map[int32]int64{}}
	fetched, err := admin.FetchOffsets(ctx, group)
	if err == nil {
		err = fetched.Error()
	}
	if err != nil {
		return run, fmt.Errorf("fetch offsets of group %q: %w", group, coded(err))
	}
	for partition, offset := range fetched[from] {
		if offset.At < 0 {
			continue
		}
		run.filter, err = decodeFilter(offset.Metadata)
		if err != nil {
			return run, fmt.Errorf("read what an earlier redrive did from group %q, partition %d: %w (another version's? Again ignores it)", group, partition, err)
		}
		run.offsets[partition] = offset.At
	}
	return run, nil
}

// start is where a run begins in a partition. Progress beyond the end is that
// of a topic that was deleted and made again, and is forgotten.
func (j *redriveJournal) start(s offsetRange) int64 {
	for _, run := range append(j.earlier, j.own) {
		if run.offsets[s.partition] > s.end {
			delete(run.offsets, s.partition)
		}
	}
	return max(s.start, j.own.offsets[s.partition])
}

// isDone says whether an earlier run with another filter put it back. Progress
// of this filter is where the run begins.
func (j *redriveJournal) isDone(d *DeadLetter) bool {
	return slices.ContainsFunc(j.earlier, func(run pastRun) bool {
		return d.Offset < run.offsets[d.Partition] && run.filter.matches(d)
	})
}

func (j *redriveJournal) commit(ctx context.Context, admin *kadm.Client, partition int32, position int64) error {
	if done, ok := j.own.offsets[partition]; ok && done >= position || position <= 0 {
		return nil
	}
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: j.topic, Partition: partition, At: position, LeaderEpoch: -1, Metadata: j.metadata})
	if err := admin.CommitAllOffsets(ctx, j.own.group, offsets); err != nil {
		return fmt.Errorf("commit progress to group %q, partition %d, offset %d: %w", j.own.group, partition, position, coded(err))
	}
	j.own.offsets[partition] = position
	return nil
}
