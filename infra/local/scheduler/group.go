package scheduler

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Group is a schedule group: names are unique in it, and its schedules go with
// it. There is always one named "default".
type Group struct {
	Name     string
	Created  time.Time
	Modified time.Time
	Tags     map[string]string `json:",omitempty"`
	Declared bool              `json:",omitempty"` // by the template
}

const defaultGroup = "default"

var groupName = regexp.MustCompile(`^[0-9a-zA-Z\-_.]{1,64}$`)

// key is how a schedule is kept: by its name, with its group's before it unless
// that is the default.
func key(group, name string) string {
	if group == "" || group == defaultGroup {
		return name
	}
	return group + "/" + name // a name has no '/'
}

func (s *Service) groupARN(name string) string {
	return "arn:aws:scheduler:" + s.o.Region + ":" + s.o.Account + ":schedule-group/" + name
}

// group gives a group that exists. The caller holds the lock.
func (s *Service) group(name string) (Group, error) {
	if name == "" || name == defaultGroup {
		if g, ok := s.groups.Get(defaultGroup); ok {
			return g, nil
		}
		return Group{Name: defaultGroup, Created: s.opened, Modified: s.opened}, nil
	}
	g, ok := s.groups.Get(name)
	if !ok {
		return Group{}, &wire.Error{Code: "ResourceNotFoundException", Status: http.StatusNotFound, Message: "Schedule group " + name + " does not exist."}
	}
	return g, nil
}

// CreateGroup is the Creator of AWS::Scheduler::ScheduleGroup.
func (s *Service) CreateGroup(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p struct {
		Name string
		Tags []assembly.Tag
	}
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if p.Name == "" {
		p.Name = assembly.PhysicalName(s.o.Stack, r.LogicalID, 64)
	}
	if !groupName.MatchString(p.Name) {
		return assembly.Created{}, badGroup(p.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.groups.Get(p.Name)
	if !ok || !g.Declared {
		g = Group{Name: p.Name, Created: s.o.Now(), Modified: s.o.Now(), Tags: map[string]string{}, Declared: true}
		for _, tag := range p.Tags {
			g.Tags[tag.Key] = tag.Value
		}
	}
	return assembly.Created{Ref: g.Name, Attributes: map[string]any{"Arn": s.groupARN(g.Name), "State": "ACTIVE",
		"CreationDate": g.Created.UTC().Format(time.RFC3339), "LastModificationDate": g.Modified.UTC().Format(time.RFC3339)}}, s.groups.Put(g.Name, g)
}

func badGroup(name string) error {
	return wire.Errorf("ValidationException", "schedule group name %q: want 1 to 64 letters, digits, '-', '_' and '.'", name)
}

type tag struct{ Key, Value string }

type createGroupInput struct {
	ClientToken string
	Tags        []tag
}

func (s *Service) createGroup(r *http.Request, body []byte) (any, error) {
	var in createGroupInput
	if err := wire.DecodeStrict(body, &in); err != nil {
		return nil, err
	}
	name := r.PathValue("name")
	if !groupName.MatchString(name) {
		return nil, badGroup(name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.group(name); err == nil {
		return nil, &wire.Error{Code: "ConflictException", Status: http.StatusConflict, Message: "Schedule group " + name + " already exists."}
	}
	g := Group{Name: name, Created: s.o.Now(), Modified: s.o.Now(), Tags: map[string]string{}}
	for _, t := range in.Tags {
		g.Tags[t.Key] = t.Value
	}
	return map[string]string{"ScheduleGroupArn": s.groupARN(name)}, s.groups.Put(name, g)
}

type groupDetail struct {
	Arn, Name, State                   string
	CreationDate, LastModificationDate float64
}

func (s *Service) describeGroup(g Group) groupDetail {
	return groupDetail{s.groupARN(g.Name), g.Name, "ACTIVE", *seconds(&g.Created), *seconds(&g.Modified)}
}

func (s *Service) getGroup(r *http.Request, _ []byte) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	return s.describeGroup(g), nil
}

// deleteGroup deletes a group with its schedules at once, where AWS shows it as
// DELETING for a while.
func (s *Service) deleteGroup(r *http.Request, _ []byte) (any, error) {
	name := r.PathValue("name")
	if name == defaultGroup {
		return nil, wire.Errorf("ValidationException", "The default schedule group cannot be deleted.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.group(name); err != nil {
		return nil, err
	}
	for id, c := range s.schedules {
		if c.Group == name {
			if err := s.kept.Remove(id); err != nil {
				return nil, err
			}
			delete(s.schedules, id)
		}
	}
	return nil, s.groups.Remove(name)
}

func (s *Service) listGroups(r *http.Request, _ []byte) (any, error) {
	query := r.URL.Query()
	limit, err := pageSize(query)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	names := append(slices.Collect(maps.Keys(s.groups.All())), defaultGroup)
	slices.Sort(names)
	out := struct {
		ScheduleGroups []groupDetail
		NextToken      string `json:",omitempty"`
	}{ScheduleGroups: []groupDetail{}}
	for _, name := range slices.Compact(names) {
		if !strings.HasPrefix(name, query.Get("NamePrefix")) || name <= query.Get("NextToken") {
			continue
		}
		if len(out.ScheduleGroups) == limit {
			out.NextToken = out.ScheduleGroups[limit-1].Name
			break
		}
		g, err := s.group(name)
		if err != nil {
			return nil, err
		}
		out.ScheduleGroups = append(out.ScheduleGroups, s.describeGroup(g))
	}
	return out, nil
}

// tagged gives the group that a tag operation names: only groups have tags.
func (s *Service) tagged(r *http.Request) (Group, error) {
	arn, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/tags/"))
	if err != nil {
		return Group{}, wire.Errorf("ValidationException", "ResourceArn: %v", err)
	}
	name, ok := strings.CutPrefix(arn, s.groupARN(""))
	if !ok {
		return Group{}, wire.Errorf("ValidationException", "ResourceArn %s is not a schedule group's: only schedule groups have tags", arn)
	}
	return s.group(name)
}

func (s *Service) listTags(r *http.Request, _ []byte) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.tagged(r)
	tags := []tag{}
	for _, name := range slices.Sorted(maps.Keys(g.Tags)) {
		tags = append(tags, tag{name, g.Tags[name]})
	}
	return map[string]any{"Tags": tags}, err
}

func (s *Service) tagResource(r *http.Request, body []byte) (any, error) {
	var in struct{ Tags []tag }
	if err := wire.DecodeStrict(body, &in); err != nil {
		return nil, err
	}
	return s.retag(r, func(tags map[string]string) {
		for _, t := range in.Tags {
			tags[t.Key] = t.Value
		}
	})
}

func (s *Service) untagResource(r *http.Request, _ []byte) (any, error) {
	return s.retag(r, func(tags map[string]string) {
		for _, name := range r.URL.Query()["TagKeys"] {
			delete(tags, name)
		}
	})
}

func (s *Service) retag(r *http.Request, change func(map[string]string)) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.tagged(r)
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	maps.Copy(tags, g.Tags)
	change(tags)
	g.Tags, g.Modified = tags, s.o.Now()
	return nil, s.groups.Put(g.Name, g)
}
