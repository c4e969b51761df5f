package scheduler

import (
	"cmp"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/nearest"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Handler serves the scheduler's REST-JSON operations on schedules, schedule
// groups and the groups' tags.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	routes := map[string]func(*http.Request, []byte) (any, error){
		"POST /schedules/{name}":   s.createSchedule,
		"PUT /schedules/{name}":    s.updateSchedule,
		"GET /schedules/{name}":    s.getSchedule,
		"DELETE /schedules/{name}": s.deleteSchedule,
		"GET /schedules":           s.listSchedules,

		"POST /schedule-groups/{name}":   s.createGroup,
		"GET /schedule-groups/{name}":    s.getGroup,
		"DELETE /schedule-groups/{name}": s.deleteGroup,
		"GET /schedule-groups":           s.listGroups,
		"GET /tags/{arn...}":             s.listTags,
		"POST /tags/{arn...}":            s.tagResource,
		"DELETE /tags/{arn...}":          s.untagResource,
	}
	for route, serve := range routes {
		mux.HandleFunc(route, s.answer(serve))
	}
	mux.HandleFunc("/", s.answer(func(r *http.Request, _ []byte) (any, error) {
		asked := r.Method + " " + r.URL.Path
		return nil, wire.Errorf("UnknownOperationException", "the local stack's scheduler does not serve %s%s", asked, nearest.Hint("request", asked, nearest.Keys(routes)))
	}))
	return mux
}

func (s *Service) answer(f func(*http.Request, []byte) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, wire.MaxBody))
		if err != nil {
			wire.WriteJSONError(w, r, wire.Errorf("SerializationException", "read the request: %v", err))
			return
		}
		out, err := f(r, body)
		if err != nil {
			wire.WriteJSONError(w, r, err)
			return
		}
		wire.WriteJSON(w, r, http.StatusOK, out)
	}
}

// request is the body of CreateSchedule and UpdateSchedule; dates are seconds
// since 1970.
type request struct {
	definition
	ClientToken        string
	StartDate, EndDate *float64
}

func (s *Service) decode(r *http.Request, body []byte) (Schedule, error) {
	var in request
	if err := wire.DecodeStrict(body, &in); err != nil {
		return Schedule{}, err
	}
	in.Name = r.PathValue("name")
	sched, err := s.schedule(in.definition)
	if err != nil {
		return Schedule{}, err
	}
	sched.StartDate, sched.EndDate, sched.Token = fromSeconds(in.StartDate), fromSeconds(in.EndDate), in.ClientToken
	return sched, nil
}

func fromSeconds(seconds *float64) *time.Time {
	if seconds == nil {
		return nil
	}
	t := time.UnixMilli(int64(*seconds * 1000)).UTC()
	return &t
}

func (s *Service) createSchedule(r *http.Request, body []byte) (any, error) {
	sched, err := s.decode(r, body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, ok := s.schedules[key(sched.Group, sched.Name)]; ok {
		if sched.Token != "" && before.Token == sched.Token { // its answer was lost
			return map[string]string{"ScheduleArn": s.arn(sched)}, nil
		}
		return nil, &wire.Error{Code: "ConflictException", Status: http.StatusConflict, Message: "Schedule " + sched.Name + " already exists."}
	}
	return map[string]string{"ScheduleArn": s.arn(sched)}, s.put(sched)
}

func (s *Service) updateSchedule(r *http.Request, body []byte) (any, error) {
	sched, err := s.decode(r, body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before, ok := s.schedules[key(sched.Group, sched.Name)]
	if !ok {
		return nil, notFound(sched.Name)
	}
	sched.Created, sched.Declared, sched.Token = before.Created, before.Declared, before.Token
	return map[string]string{"ScheduleArn": s.arn(sched)}, s.put(sched)
}

func notFound(name string) error {
	return &wire.Error{Code: "ResourceNotFoundException", Status: http.StatusNotFound, Message: "Schedule " + name + " does not exist."}
}

type summary struct {
	Arn, Name, GroupName, State        string
	CreationDate, LastModificationDate float64
	Target                             struct{ Arn string }
}

type described struct {
	Arn, Name, GroupName, State string
	Description                 string `json:",omitempty"`
	ScheduleExpression          string
	ScheduleExpressionTimezone  string
	FlexibleTimeWindow          struct {
		Mode                   string
		MaximumWindowInMinutes int `json:",omitempty"`
	}
	Target                             Target
	ActionAfterCompletion              string
	CreationDate, LastModificationDate float64
	StartDate, EndDate                 *float64 `json:",omitempty"`
}

func seconds(t *time.Time) *float64 {
	if t == nil {
		return nil
	}
	v := float64(t.UnixMilli()) / 1000
	return &v
}

// named gives the schedule that a path and the groupName parameter name. The
// caller holds the lock.
func (s *Service) named(r *http.Request) (id string, c *compiled, err error) {
	group, name := r.URL.Query().Get("groupName"), r.PathValue("name")
	if _, err := s.group(group); err != nil {
		return "", nil, err
	}
	id = key(group, name)
	c, ok := s.schedules[id]
	if !ok {
		return "", nil, notFound(name)
	}
	return id, c, nil
}

func (s *Service) getSchedule(r *http.Request, _ []byte) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, c, err := s.named(r)
	if err != nil {
		return nil, err
	}
	out := described{Arn: s.arn(c.Schedule), Name: c.Name, GroupName: cmp.Or(c.Group, defaultGroup), State: c.State, Description: c.Description,
		ScheduleExpression: c.Expression, ScheduleExpressionTimezone: c.Timezone, Target: c.Target, ActionAfterCompletion: "NONE",
		CreationDate: *seconds(&c.Created), LastModificationDate: *seconds(&c.Modified), StartDate: seconds(c.StartDate), EndDate: seconds(c.EndDate)}
	out.FlexibleTimeWindow.Mode, out.FlexibleTimeWindow.MaximumWindowInMinutes = "OFF", c.Window
	if c.Window > 0 {
		out.FlexibleTimeWindow.Mode = "FLEXIBLE"
	}
	if c.DeleteAfter {
		out.ActionAfterCompletion = "DELETE"
	}
	return out, nil
}

func (s *Service) deleteSchedule(r *http.Request, _ []byte) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, _, err := s.named(r)
	if err != nil {
		return nil, err
	}
	delete(s.schedules, id)
	return nil, s.kept.Remove(id)
}

// listSchedules pages by key: the token is the last key of the page before.
// Without a group it lists those of all groups.
func (s *Service) listSchedules(r *http.Request, _ []byte) (any, error) {
	query := r.URL.Query()
	limit, err := pageSize(query)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	group := query.Get("ScheduleGroup")
	if _, err := s.group(group); err != nil {
		return nil, err
	}
	out := struct {
		Schedules []summary
		NextToken string `json:",omitempty"`
	}{Schedules: []summary{}}
	last := ""
	for _, id := range slices.Sorted(maps.Keys(s.schedules)) {
		c := s.schedules[id]
		if !strings.HasPrefix(c.Name, query.Get("NamePrefix")) || id <= query.Get("NextToken") ||
			(query.Has("State") && query.Get("State") != c.State) || (group != "" && group != cmp.Or(c.Group, defaultGroup)) {
			continue
		}
		if len(out.Schedules) == limit {
			out.NextToken = last
			break
		}
		item := summary{Arn: s.arn(c.Schedule), Name: c.Name, GroupName: cmp.Or(c.Group, defaultGroup), State: c.State,
			CreationDate: *seconds(&c.Created), LastModificationDate: *seconds(&c.Modified)}
		item.Target.Arn, last = c.Target.ARN, id
		out.Schedules = append(out.Schedules, item)
	}
	return out, nil
}

func pageSize(query url.Values) (int, error) {
	if !query.Has("MaxResults") {
		return 100, nil
	}
	limit, err := strconv.Atoi(query.Get("MaxResults"))
	if err != nil || limit < 1 || limit > 100 {
		return 0, wire.Errorf("ValidationException", "MaxResults is %q, want 1 to 100", query.Get("MaxResults"))
	}
	return limit, nil
}
