package events

import (
	"encoding/json"
	"time"
)

// Event is what rules match and targets get, in EventBridge's own shape.
type Event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"` // RFC 3339, whole seconds, UTC
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// Timestamp writes a time as events carry it.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
