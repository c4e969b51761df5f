package lambda

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
)

// isEMF says whether a line is a document of the embedded metric format: a
// JSON object whose "_aws" member declares CloudWatch metrics.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func isEMF(line string) bool {
	if !strings.HasPrefix(strings.TrimSpace(line), "{") || !strings.Contains(line, `"_aws"`) {
		return false
	}
	var document struct {
		AWS struct {
			CloudWatchMetrics []json.RawMessage
		} `json:"_aws"`
	}
	return json.Unmarshal([]byte(line), &document) == nil && len(document.AWS.CloudWatchMetrics) > 0
}

// maxTail is how much of an invocation's log a caller can ask for, in bytes.
const maxTail = 4096

// tail keeps the end of what an invocation logs. A nil tail keeps nothing.
type tail struct {
	mutex sync.Mutex
	text  []byte
	whole bool // keep everything
}

func (t *tail) add(lines ...string) {
	if t == nil {
		return
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, line := range lines {
		t.text = append(append(t.text, line...), '\n')
	}
	if over := len(t.text) - maxTail; over > 0 && !t.whole {
		t.text = append(t.text[:0], t.text[over:]...)
	}
}

func (t *tail) bytes() []byte {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return bytes.Clone(t.text)
}
