package scheduler

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/sluice-ml/sluice/infra/local/events"
)

// maxWindow is the longest flexible time window, in minutes: a day.
const maxWindow = 1440

// pending is a run that is due, at its moment in the flexible time window.
type pending struct {
	due time.Time // as the expression says
	at  time.Time // when it fires
}

// moment gives the time at which a run fires within its window. AWS takes any;
// this one depends on the schedule and the time it was due alone, so that a run
// of the stack can be repeated.
func (c *compiled) moment(arn string, due time.Time) time.Time {
	if c.Window == 0 {
		return due
	}
	sum := sha256.Sum256([]byte(arn + "/" + events.Timestamp(due)))
	seconds := uint64(c.Window) * 60
	return due.Add(time.Duration(binary.BigEndian.Uint64(sum[:8])%seconds) * time.Second)
}

// come moves what came due by now to the runs that wait for their moment, and
// gives those whose moment is here.
func (c *compiled) come(arn string, now time.Time) []pending {
	if !c.next.IsZero() && !c.next.After(now) {
		c.waiting = append(c.waiting, pending{c.next, c.moment(arn, c.next)})
		c.advance(now)
	}
	var here, later []pending
	for _, p := range c.waiting {
		if p.at.After(now) {
			later = append(later, p)
		} else {
			here = append(here, p)
		}
	}
	c.waiting = later
	return here
}

// over says whether the schedule has fired for the last time.
func (c *compiled) over() bool { return c.next.IsZero() && len(c.waiting) == 0 }
