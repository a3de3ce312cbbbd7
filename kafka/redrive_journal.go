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
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/backend-platform/sdk/errors"
)

// redriveJournal remembers which dead letters were put back, in the brokers and
// without a topic of its own. A run is done with every dead letter below its
// committed offset that is of its topic and group and that its filter selects;
// all three stand in the commit's metadata. So a few groups, one for each filter
// that was ever used, say exactly what is done, also where runs with different
// filters left gaps, and where dead letters of many topics lie in one.
type redriveJournal struct {
	from     string
	own      pastRun   // Empty where no run is to be begun.
	earlier  []pastRun // Without own.
	metadata string
	guard    *redriveGuard // Nil where nothing is written.
}

// pastRun is what runs of one selection are done with.
type pastRun struct {
	selection
	journal string          // The group that remembers it.
	offsets map[int32]int64 // By partition: all selected below it are done.
}

// selection is what a run puts back: dead letters of a topic and a group.
type selection struct {
	topic, group string
	filter       DeadLetterFilter
}

// covers says whether the run selects the dead letter.
func (s *selection) covers(d *DeadLetter) bool {
	return d.isOf(s.topic, s.group) && s.filter.matches(d)
}

const (
	journalPrefix  = "redrive."
	journalVersion = 1
	// maxMetadata is Kafka's offset.metadata.max.bytes.
	maxMetadata = 4096
)

// journalText is a selection in a commit's metadata. Partitions are not in it:
// offsets are by partition as it is.
type journalText struct {
	Version int           `json:"redrive"`
	Topic   string        `json:"topic"`
	Group   string        `json:"group"`
	Codes   []errors.Code `json:"codes,omitempty"`
	Reasons []string      `json:"reasons,omitempty"`
	Keys    [][]byte      `json:"keys,omitempty"`
	Since   int64         `json:"since,omitempty"`
	Until   int64         `json:"until,omitempty"`
}

// encode returns the same text for selections of the same.
func (s *selection) encode() (string, error) {
	f := &s.filter
	t := journalText{
		Version: journalVersion, Topic: s.topic, Group: s.group,
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

// decodeSelection refuses what it does not know: a condition that was left out
// would make more dead letters count as done than were put back.
func decodeSelection(text string) (selection, error) {
	var t journalText
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return selection{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return selection{}, errors.New("text after the selection")
	}
	if t.Version != journalVersion {
		return selection{}, fmt.Errorf("version %d, want %d", t.Version, journalVersion)
	}
	if t.Topic == "" || t.Group == "" {
		return selection{}, errors.New("no topic and group")
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
	return selection{t.Topic, t.Group, f}, nil
}

// journalGroup is the group that runs with this selection commit to. Those of
// all in a topic that is meant for them have its name.
func (s *selection) journalGroup(from, metadata string) string {
	group := journalPrefix + from
	all := selection{topic: s.topic, group: s.group}
	if everything, _ := all.encode(); metadata == everything && from == DeadLetterTopic(s.topic, s.group) {
		return group
	}
	sum := sha256.Sum256([]byte(metadata))
	return group + "#" + hex.EncodeToString(sum[:8])
}

// openJournal reads what runs before this one have done, unless it is to be
// forgotten.
func openJournal(ctx context.Context, admin *kadm.Client, from string, s selection, forget bool) (*redriveJournal, error) {
	metadata, err := s.encode()
	if err != nil {
		return nil, err
	}
	own := pastRun{s, s.journalGroup(from, metadata), map[int32]int64{}}
	if forget {
		return &redriveJournal{from: from, own: own, metadata: metadata}, nil
	}
	j, err := readJournal(ctx, admin, from)
	if err != nil {
		return nil, err
	}
	for i, run := range j.earlier {
		if run.journal == own.journal {
			own, j.earlier = run, slices.Delete(j.earlier, i, i+1)
			break
		}
	}
	j.own, j.metadata = own, metadata
	return j, nil
}

// readJournal reads what all runs have done.
func readJournal(ctx context.Context, admin *kadm.Client, from string) (*redriveJournal, error) {
	j := &redriveJournal{from: from}
	groups, err := journalGroups(ctx, admin, from)
	if err != nil {
		return nil, err
	}
	for _, group := range groups {
		run, err := fetchPastRun(ctx, admin, group, from)
		if err != nil {
			return nil, err
		}
		j.earlier = append(j.earlier, run)
	}
	return j, nil
}

func fetchPastRun(ctx context.Context, admin *kadm.Client, group, from string) (pastRun, error) {
	run := pastRun{journal: group, offsets: map[int32]int64{}}
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
		run.selection, err = decodeSelection(offset.Metadata)
		if err != nil {
			return run, fmt.Errorf("read what an earlier redrive did from group %q, partition %d: %w (another version's? Again ignores it)", group, partition, err)
		}
		run.offsets[partition] = offset.At
	}
	return run, nil
}

// forgetBeyond forgets progress beyond the end of a partition: it is that of a
// topic that was deleted and made again.
func (j *redriveJournal) forgetBeyond(s offsetRange) {
	for _, run := range append(j.earlier, j.own) {
		if run.offsets[s.partition] > s.end {
			delete(run.offsets, s.partition)
		}
	}
}

// start is where a run begins in a partition.
func (j *redriveJournal) start(s offsetRange) int64 {
	j.forgetBeyond(s)
	return max(s.start, j.own.offsets[s.partition])
}

// isDone says whether an earlier run of another selection put it back. Progress
// of this one is where the run begins.
func (j *redriveJournal) isDone(d *DeadLetter) bool {
	return slices.ContainsFunc(j.earlier, func(run pastRun) bool {
		return d.Offset < run.offsets[d.Partition] && run.covers(d)
	})
}

// begin writes the place from which a run begins in one partition: it shows other runs that
// there is one more, and before the first dead letter is put back that the progress may
// be written.
func (j *redriveJournal) begin(ctx context.Context, s offsetRange) error {
	at := max(s.start, j.guard.seen[j.own.journal][s.partition].at)
	return j.put(ctx, s.partition, at)
}

// commit remembers that a partition is done up to a position, unless another run that uses
// the same journal has come that far in the meantime.
func (j *redriveJournal) commit(ctx context.Context, partition int32, position int64) error {
	if done, ok := j.own.offsets[partition]; ok && done >= position || position <= 0 {
		return nil
	}
	other, err := j.guard.other(ctx)
	if err != nil {
		return err
	}
	if other != j.own.journal {
		if err = j.put(ctx, partition, position); err == nil {
			j.own.offsets[partition] = position
		}
	}
	if err == nil && other != "" {
		err = j.guard.underWay(other)
	}
	return err
}

func (j *redriveJournal) put(ctx context.Context, partition int32, position int64) error {
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: j.from, Partition: partition, At: position, LeaderEpoch: j.guard.run, Metadata: j.metadata})
	if err := j.guard.admin.CommitAllOffsets(ctx, j.own.journal, offsets); err != nil {
		if errors.Is(err, kerr.GroupAuthorizationFailed) {
			return j.guard.refused(j.own.journal, err)
		}
		return fmt.Errorf("commit progress to group %q, partition %d, offset %d: %w", j.own.journal, partition, position, coded(err))
	}
	j.guard.note(partition, position)
	return nil
}
