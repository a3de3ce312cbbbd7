package kafka

import (
	"math/rand/v2"
	"testing"
)

// The table does what a map would do, with hashes that are near each other too.
func TestSlotTableModel(t *testing.T) {
	type key struct {
		part *partition
		hash uint64
	}
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 2))
		parts := []*partition{{salt: random.Uint64()}, {salt: random.Uint64()}, {}}
		var table slotTable
		model := map[key]*slot{}
		for step := range 3000 {
			k := key{parts[random.IntN(len(parts))], uint64(random.IntN(40)) << (8 * random.IntN(2))}
			if found := table.find(k.part, k.hash); found != model[k] {
				t.Fatalf("seed %d, step %d: found %v, want %v", seed, step, found, model[k])
			}
			switch {
			case model[k] == nil:
				model[k] = &slot{part: k.part, hash: k.hash}
				table.add(model[k])
			case random.IntN(3) > 0:
				table.remove(model[k])
				delete(model, k)
			}
			if step%100 != 0 {
				continue
			}
			n := 0
			for sl := range table.all {
				n++
				if model[key{sl.part, sl.hash}] != sl {
					t.Fatalf("seed %d, step %d: %v is in the table", seed, step, sl)
				}
			}
			if n != len(model) || table.size != n || 2*n > len(table.entries) {
				t.Fatalf("seed %d, step %d: %d slots of %d, counted %d, in %d places", seed, step, n, len(model), table.size, len(table.entries))
			}
		}
	}
}
