package lambda

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// outcome is how an invocation went.
type outcome struct {
	answer
	cold       bool
	init       time.Duration // of the cold start; 0 for a warm one
	duration   time.Duration // until the runtime asked for work again
	usedMB     int
	timeoutLog string // the line of a timeout, or of a process that ended
}

// billed is what AWS bills: init and duration together, rounded up to whole
// milliseconds.
func (o outcome) billed() int64 {
	return int64(math.Ceil(float64(o.init+o.duration) / float64(time.Millisecond)))
}

// status is the REPORT line's: empty, "timeout" or "error"; only breakage of
// the sandbox counts, an error that the function returned does not.
func (o outcome) status() string {
	switch {
	case o.errorType == "Sandbox.Timedout":
		return "timeout"
	case o.failed && strings.HasPrefix(o.errorType, "Runtime."):
		return "error"
	}
	return ""
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond))
}

// startLines are what Lambda logs before the function runs.
func startLines(c *config, id string, now time.Time) []string {
	if c.logging.LogFormat == "JSON" {
		return []string{platformEvent(now, "platform.start", map[string]any{"requestId": id, "version": "$LATEST"})}
	}
	return []string{"START RequestId: " + id + " Version: $LATEST"}
}

// reportLines are what Lambda logs after it.
func reportLines(c *config, id string, o outcome, now time.Time) []string {
	if c.logging.LogFormat == "JSON" {
		return reportJSON(c, id, o, now)
	}
	report := fmt.Sprintf("REPORT RequestId: %s\tDuration: %s ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB",
		id, milliseconds(o.duration), o.billed(), c.memoryMB, o.usedMB)
	if o.init > 0 {
		report += "\tInit Duration: " + milliseconds(o.init) + " ms"
	}
	if status := o.status(); status != "" {
		report += "\tStatus: " + status
		if status == "error" {
			report += "\tError Type: " + o.errorType
		}
	}
	lines := []string{"END RequestId: " + id, report}
	if o.timeoutLog != "" {
		lines = append([]string{o.timeoutLog}, lines...)
	}
	return lines
}

func reportJSON(c *config, id string, o outcome, now time.Time) []string {
	metrics := map[string]any{
		"durationMs": float64(o.duration) / float64(time.Millisecond), "billedDurationMs": o.billed(),
		"memorySizeMB": c.memoryMB, "maxMemoryUsedMB": o.usedMB,
	}
	if o.init > 0 {
		metrics["initDurationMs"] = float64(o.init) / float64(time.Millisecond)
	}
	record := map[string]any{"requestId": id, "metrics": metrics, "status": "success"}
	if o.failed {
		record["status"], record["errorType"] = "failure", o.errorType
		if status := o.status(); status != "" {
			record["status"] = status
		}
	}
	return []string{platformEvent(now, "platform.report", record)}
}

func platformEvent(now time.Time, kind string, record map[string]any) string {
	line, err := json.Marshal(map[string]any{"time": stamp(now), "type": kind, "record": record})
	if err != nil {
		return kind + ": " + err.Error()
	}
	return string(line)
}

func stamp(now time.Time) string { return now.UTC().Format("2006-01-02T15:04:05.000Z") }

// initReport is what Lambda logs when a sandbox's first start fails.
func initReport(c *config, failed answer, took time.Duration, now time.Time) string {
	status := "error"
	if failed.errorType == "Sandbox.Timedout" {
		status = "timeout"
	}
	if c.logging.LogFormat == "JSON" {
		return platformEvent(now, "platform.initReport", map[string]any{"initializationType": "on-demand", "phase": "init",
			"status": status, "errorType": failed.errorType, "metrics": map[string]any{"durationMs": float64(took) / float64(time.Millisecond)}})
	}
	line := "INIT_REPORT Init Duration: " + milliseconds(took) + " ms\tPhase: init\tStatus: " + status
	if status == "error" {
		line += "\tError Type: " + failed.errorType
	}
	return line
}
