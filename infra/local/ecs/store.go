package ecs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/durable"
)

// Where things are kept under Options.Dir: a file for the clusters, and one for
// each family, service and task.
const (
	clustersFile   = "clusters.json"
	familiesFolder = "definitions"
	servicesFolder = "services"
	tasksFolder    = "tasks"
	usageFile      = "usage.json"
	workFolder     = "work"
	fileSuffix     = ".json"
)

func (s *Service) path(parts ...string) string {
	return filepath.Join(append([]string{s.options.Dir}, parts...)...)
}

// load reads everything. Nothing runs yet: what work folders hold was left by a
// kill.
func (s *Service) load() error {
	if err := os.RemoveAll(s.path(workFolder)); err != nil {
		return err
	}
	if _, err := durable.ReadJSON(s.path(clustersFile), &s.clusters); err != nil {
		return err
	}
	if err := s.usage.open(s.path(usageFile)); err != nil {
		return err
	}
	err := each(s.path(familiesFolder), func(revisions []*definition) error {
		if len(revisions) == 0 {
			return errors.New("no revisions")
		}
		s.families[revisions[0].family()] = revisions
		return nil
	})
	if err != nil {
		return err
	}
	err = each(s.path(servicesFolder), func(v *service) error {
		if v == nil || v.Detail.ServiceArn == "" {
			return errors.New("not a service")
		}
		s.services[v.Detail.ServiceArn] = v
		return nil
	})
	if err != nil {
		return err
	}
	return each(s.path(tasksFolder), func(t *task) error {
		if t == nil || t.Detail.TaskArn == "" {
			return errors.New("not a task")
		}
		s.tasks[t.id()] = t
		return nil
	})
}

// each reads a folder's files, leaving out those that a kill left half written.
func each[T any](folder string, do func(T) error) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), fileSuffix) || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		var one T
		path := filepath.Join(folder, entry.Name())
		if _, err := durable.ReadJSON(path, &one); err != nil {
			return err
		}
		if err := do(one); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func (s *Service) keepClusters() error { return durable.WriteJSON(s.path(clustersFile), s.clusters) }

func (s *Service) keepFamily(family string, revisions []*definition) error {
	return durable.WriteJSON(s.path(familiesFolder, family+fileSuffix), revisions)
}

// keepService keeps a service; the mutex is held.
func (s *Service) keepService(v *service) error {
	return durable.WriteJSON(s.path(servicesFolder, v.cluster()+"~"+v.Detail.ServiceName+fileSuffix), v)
}

// keepTask keeps a task; the mutex is held. It is not synced to the disk: a kill
// of the stack does not lose it, and a task does not outlive the machine.
func (s *Service) keepTask(t *task) error {
	folder := s.path(tasksFolder)
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	temporary := filepath.Join(folder, "."+t.id())
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(folder, t.id()+fileSuffix))
}

func (s *Service) dropTask(t *task) {
	delete(s.tasks, t.id())
	if err := os.Remove(s.path(tasksFolder, t.id()+fileSuffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.logf("forget task %s: %v", t.id(), err)
	}
}
