package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// settings is what a group's settings file keeps.
type settings struct {
	CreationTime    int64 `json:"creationTime"` // milliseconds since 1970
	RetentionInDays int   `json:"retentionInDays,omitempty"`
}

// retentions are the days that CloudWatch allows.
var retentions = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// CreateGroup makes a group, or sets the retention of one that exists. A
// retention of 0 days keeps events for ever; the local stack records the
// retention and deletes nothing.
func (s *Service) CreateGroup(group string, retentionDays int) error {
	if retentionDays != 0 && !slices.Contains(retentions, retentionDays) {
		return wire.Errorf("InvalidParameterException", "log group %s: RetentionInDays %d: want one of %v", group, retentionDays, retentions)
	}
	dir, err := s.groupDir(group)
	if err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make log group %s: %w", group, err)
	}
	kept := readSettings(dir)
	if kept.CreationTime == 0 {
		kept.CreationTime = s.options.Now().UnixMilli()
	}
	kept.RetentionInDays = retentionDays
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	temporary := filepath.Join(dir, settingsFile+".new")
	if err := os.WriteFile(temporary, text, 0o644); err != nil {
		return fmt.Errorf("write log group %s: %w", group, err)
	}
	return os.Rename(temporary, filepath.Join(dir, settingsFile))
}

// readSettings gives a group's settings; a group that was made by its first
// event has the folder's age.
func readSettings(dir string) settings {
	var kept settings
	if text, err := os.ReadFile(filepath.Join(dir, settingsFile)); err == nil && json.Unmarshal(text, &kept) == nil {
		return kept
	}
	if info, err := os.Stat(dir); err == nil {
		kept.CreationTime = info.ModTime().UnixMilli()
	}
	return kept
}

// Groups gives the names of all groups, sorted.
func (s *Service) Groups() ([]string, error) {
	entries, err := os.ReadDir(s.options.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the log groups: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if name, err := url.PathUnescape(entry.Name()); err == nil && entry.IsDir() {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names, nil
}

func (s *Service) arn(group string) string {
	return "arn:aws:logs:" + s.options.Region + ":" + s.options.Account + ":log-group:" + group
}

// groupProperties are the properties of AWS::Logs::LogGroup that are honoured.
type groupProperties struct {
	LogGroupName    string
	RetentionInDays int
	LogGroupClass   string
	Tags            []struct{ Key, Value string }
}

// Creators makes the service's resources of the template.
func (s *Service) Creators() map[string]assembly.Creator {
	return map[string]assembly.Creator{"AWS::Logs::LogGroup": s.createGroup}
}

func (s *Service) createGroup(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p groupProperties
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if class := strings.ToUpper(p.LogGroupClass); class != "" && class != "STANDARD" {
		return assembly.Created{}, fmt.Errorf("resource %s: LogGroupClass %q: the local stack keeps STANDARD groups only", r.LogicalID, p.LogGroupClass)
	}
	if p.LogGroupName == "" {
		p.LogGroupName = r.LogicalID
	}
	if err := s.CreateGroup(p.LogGroupName, p.RetentionInDays); err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
	}
	return assembly.Created{Ref: p.LogGroupName, Attributes: map[string]any{"Arn": s.arn(p.LogGroupName) + ":*"}}, nil
}
