package rollouttest_test

import (
	"testing"
	"time"

	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/rollout/rollouttest"
)

func TestMemory(t *testing.T) {
	rollouttest.Run(t, func(*testing.T) rollouttest.Fixture {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		memory := rollouttest.NewMemory(func() time.Time { return now })
		memory.Delay = func() time.Duration { return time.Minute }
		return rollouttest.Fixture{Backend: memory, Wait: func() { now = now.Add(time.Second) },
			Artifact: func(version int, kind rollouttest.Kind) rollout.Artifact {
				return rollout.Artifact{Version: version, URI: string(kind)}
			}}
	})
}
