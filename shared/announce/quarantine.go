package announce

import (
	"fmt"
	"time"

	"github.com/sluice-ml/sluice/shared/rollout"
)

// Refused is a message that a run's candidate is refused because the same bytes
// were rolled back: why they were, and how a person lets them be rolled out again.
func Refused(environment, run string, q rollout.Quarantined) *Message {
	m := &Message{Kind: Quarantined, Severity: severityOf(Quarantined)}
	m.Subject = subject(environment, q.Model, fmt.Sprintf("run %s made version %d again, which is quarantined", run, q.Version))
	m.Body = fmt.Sprintf("WHAT\n  run %s made the model that was rolled back as version %d: %s\n\nEVIDENCE\n  rolled back on %s: %s\n\nDONE\n  the run is rejected; nothing was registered, nothing was moved\n\nNEXT\n",
		run, q.Version, q.Digest, q.Time.UTC().Format(time.RFC3339), q.Reason)
	for _, next := range [][2]string{
		{"rollout explain " + q.Rollout, "each look, and what it meant"},
		{fmt.Sprintf("rollout release %s %d", q.Model, q.Version), "let these bytes be rolled out again, if they are not to blame"},
		{"run start " + q.Model, "afterwards, or once new data or another configuration makes another model"},
	} {
		m.Body += fmt.Sprintf("%-60s %s\n", command(next[0], environment), next[1])
	}
	m.Body += fmt.Sprintf("\nWHERE\n  run        %s\n  rollout    %s\n", run, q.Rollout)
	m.Attributes = attributes(m, environment, q.Model, q.Rollout)
	return m
}
