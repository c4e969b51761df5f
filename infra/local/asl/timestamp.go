package asl

import "time"

// parseTimestamp reads an ISO-8601 extended offset date-time: RFC 3339 with a
// T and an offset, seconds optional.
func parseTimestamp(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// timestampText writes a time as the context object has it.
func timestampText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
