package ecs

import (
	"context"
	"encoding/json"
	"sync"
)

// outbox hands events on in order, outside the service's locks. Events are best
// effort, as AWS's are: one that a kill cuts off is lost.
type outbox struct {
	port   Events
	mutex  sync.Mutex
	wake   *sync.Cond
	queued []Event
	closed bool
	ended  chan struct{}
}

func newOutbox(port Events) *outbox {
	o := &outbox{port: port, ended: make(chan struct{})}
	o.wake = sync.NewCond(&o.mutex)
	go o.run()
	return o
}

func (o *outbox) put(e Event) {
	if o.port == nil {
		return
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.queued = append(o.queued, e)
	o.wake.Signal()
}

func (o *outbox) run() {
	defer close(o.ended)
	for {
		o.mutex.Lock()
		for len(o.queued) == 0 && !o.closed {
			o.wake.Wait()
		}
		if len(o.queued) == 0 {
			o.mutex.Unlock()
			return
		}
		next := o.queued[0]
		o.queued = o.queued[1:]
		o.mutex.Unlock()
		o.port.Put(context.Background(), next)
	}
}

// close hands on what is queued and ends.
func (o *outbox) close() {
	o.mutex.Lock()
	o.closed = true
	o.wake.Signal()
	o.mutex.Unlock()
	<-o.ended
}

// taskEvent tells that a task has changed; the mutex is held.
func (s *Service) taskEvent(t *task) {
	type detail struct {
		Task
		UpdatedAt Moment `json:"updatedAt"`
	}
	now := s.now()
	text, err := eventDetail(detail{t.Detail, now})
	if err != nil {
		s.logf("the event of task %s: %v", t.id(), err)
		return
	}
	s.events.put(Event{DetailType: "ECS Task State Change", Resources: []string{t.Detail.TaskArn}, Time: now.Time, Detail: text})
}

// serviceAction tells of something that a service did or could not do.
func (s *Service) serviceAction(v *service, eventType, name, reason string) {
	now := s.now()
	s.put(v, "ECS Service Action", struct {
		EventType  string `json:"eventType"`
		EventName  string `json:"eventName"`
		ClusterArn string `json:"clusterArn"`
		CreatedAt  string `json:"createdAt"`
		Reason     string `json:"reason,omitempty"`
	}{eventType, name, v.Detail.ClusterArn, eventTime(now.Time), reason}, now)
}

// deploymentEvent tells of a deployment's rollout state.
func (s *Service) deploymentEvent(v *service, d *deployment) {
	eventType := "INFO"
	if d.Detail.RolloutState == failed {
		eventType = "ERROR"
	}
	now := s.now()
	s.put(v, "ECS Deployment State Change", struct {
		EventType    string `json:"eventType"`
		EventName    string `json:"eventName"`
		DeploymentID string `json:"deploymentId"`
		UpdatedAt    string `json:"updatedAt"`
		Reason       string `json:"reason"`
	}{eventType, "SERVICE_DEPLOYMENT_" + d.Detail.RolloutState, d.Detail.ID, eventTime(now.Time), d.Detail.RolloutStateReason}, now)
}

func (s *Service) put(v *service, detailType string, detail any, now Moment) {
	text, err := json.Marshal(detail)
	if err != nil {
		s.logf("the event of service %s: %v", v.Detail.ServiceName, err)
		return
	}
	s.events.put(Event{DetailType: detailType, Resources: []string{v.Detail.ServiceArn}, Time: now.Time, Detail: text})
}
