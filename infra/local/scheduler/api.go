package scheduler

import (
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

// Handler serves the scheduler's REST-JSON operations: CreateSchedule,
// UpdateSchedule, GetSchedule, DeleteSchedule and ListSchedules.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	routes := map[string]func(*http.Request, []byte) (any, error){
		"POST /schedules/{name}":   s.createSchedule,
		"PUT /schedules/{name}":    s.updateSchedule,
		"GET /schedules/{name}":    s.getSchedule,
		"DELETE /schedules/{name}": s.deleteSchedule,
		"GET /schedules":           s.listSchedules,
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
	ClientToken           string
	ActionAfterCompletion string
	StartDate, EndDate    *float64
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
	switch in.ActionAfterCompletion {
	case "", "NONE", "DELETE":
		sched.DeleteAfter = in.ActionAfterCompletion == "DELETE"
	default:
		return Schedule{}, wire.Errorf("ValidationException", "ActionAfterCompletion is %q, want NONE or DELETE", in.ActionAfterCompletion)
	}
	sched.StartDate, sched.EndDate = fromSeconds(in.StartDate), fromSeconds(in.EndDate)
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
	if _, ok := s.schedules[sched.Name]; ok {
		return nil, &wire.Error{Code: "ConflictException", Status: http.StatusConflict, Message: "Schedule " + sched.Name + " already exists."}
	}
	return map[string]string{"ScheduleArn": s.ARN(sched.Name)}, s.put(sched)
}

func (s *Service) updateSchedule(r *http.Request, body []byte) (any, error) {
	sched, err := s.decode(r, body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before, ok := s.schedules[sched.Name]
	if !ok {
		return nil, notFound(sched.Name)
	}
	sched.Created, sched.Declared = before.Created, before.Declared
	return map[string]string{"ScheduleArn": s.ARN(sched.Name)}, s.put(sched)
}

func notFound(name string) error {
	return &wire.Error{Code: "ResourceNotFoundException", Status: http.StatusNotFound, Message: "Schedule " + name + " does not exist."}
}

type summary struct {
	Arn, Name, GroupName, State string
	CreationDate                float64
	Target                      struct{ Arn string }
}

type described struct {
	Arn, Name, GroupName, State string
	Description                 string `json:",omitempty"`
	ScheduleExpression          string
	ScheduleExpressionTimezone  string
	FlexibleTimeWindow          struct{ Mode string }
	Target                      Target
	ActionAfterCompletion       string
	CreationDate                float64
	StartDate, EndDate          *float64 `json:",omitempty"`
}

func seconds(t *time.Time) *float64 {
	if t == nil {
		return nil
	}
	v := float64(t.UnixMilli()) / 1000
	return &v
}

func (s *Service) getSchedule(r *http.Request, _ []byte) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.schedules[r.PathValue("name")]
	if !ok {
		return nil, notFound(r.PathValue("name"))
	}
	out := described{Arn: s.ARN(c.Name), Name: c.Name, GroupName: "default", State: c.State, Description: c.Description,
		ScheduleExpression: c.Expression, ScheduleExpressionTimezone: c.Timezone, Target: c.Target, ActionAfterCompletion: "NONE",
		CreationDate: *seconds(&c.Created), StartDate: seconds(c.StartDate), EndDate: seconds(c.EndDate)}
	out.FlexibleTimeWindow.Mode = "OFF"
	if c.DeleteAfter {
		out.ActionAfterCompletion = "DELETE"
	}
	return out, nil
}

func (s *Service) deleteSchedule(r *http.Request, _ []byte) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.PathValue("name")
	if _, ok := s.schedules[name]; !ok {
		return nil, notFound(name)
	}
	delete(s.schedules, name)
	return nil, s.kept.Remove(name)
}

// listSchedules pages by name: the token is the last name of the page before.
func (s *Service) listSchedules(r *http.Request, _ []byte) (any, error) {
	query := r.URL.Query()
	limit, err := pageSize(query)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := struct {
		Schedules []summary
		NextToken string `json:",omitempty"`
	}{Schedules: []summary{}}
	for _, name := range slices.Sorted(maps.Keys(s.schedules)) {
		c := s.schedules[name]
		if !strings.HasPrefix(name, query.Get("NamePrefix")) || name <= query.Get("NextToken") ||
			(query.Has("State") && query.Get("State") != c.State) {
			continue
		}
		if len(out.Schedules) == limit {
			out.NextToken = out.Schedules[limit-1].Name
			break
		}
		item := summary{Arn: s.ARN(name), Name: name, GroupName: "default", State: c.State, CreationDate: *seconds(&c.Created)}
		item.Target.Arn = c.Target.ARN
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
