package elb

import (
	"context"
	"strconv"
)

// targetIn is a target as a request names it.
type targetIn struct {
	Id               string
	Port             *int
	AvailabilityZone string
}

type targetsIn struct {
	TargetGroupArn string
	Targets        []targetIn
}

func (in targetsIn) targets() ([]target, error) {
	if len(in.Targets) == 0 {
		return nil, invalid("You must specify at least one target")
	}
	var out []target
	for _, t := range in.Targets {
		one := target{ID: t.Id, Zone: t.AvailabilityZone}
		if t.Port != nil {
			if one.Port = *t.Port; one.Port == 0 {
				return nil, invalid("Port '0' is not valid: want 1 to 65535")
			}
		}
		out = append(out, one)
	}
	return out, nil
}

func (s *Service) registerTargets(_ context.Context, in targetsIn) (*none, error) {
	targets, err := in.targets()
	if err != nil {
		return nil, err
	}
	return &none{}, s.register(in.TargetGroupArn, targets)
}

func (s *Service) deregisterTargets(_ context.Context, in targetsIn) (*none, error) {
	targets, err := in.targets()
	if err != nil {
		return nil, err
	}
	return &none{}, s.deregister(in.TargetGroupArn, targets)
}

type targetOut struct {
	Id               string
	Port             int
	AvailabilityZone string `xml:",omitempty"`
}

type targetHealthOut struct {
	Target          targetOut
	HealthCheckPort string `xml:",omitempty"`
	TargetHealth    struct {
		State       string
		Reason      string `xml:",omitempty"`
		Description string `xml:",omitempty"`
	}
}

type targetHealthsOut struct {
	TargetHealthDescriptions []targetHealthOut `xml:"TargetHealthDescriptions>member"`
}

func (s *Service) describeTargetHealth(_ context.Context, in targetsIn) (*targetHealthsOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, p := s.state.TargetGroups[in.TargetGroupArn], s.pools[in.TargetGroupArn]
	if g == nil {
		return nil, noTargetGroup(in.TargetGroupArn)
	}
	asked := g.Targets
	if len(in.Targets) > 0 {
		var err error
		if asked, err = in.targets(); err != nil {
			return nil, err
		}
	}
	out := &targetHealthsOut{}
	for _, t := range asked {
		if t.Port == 0 {
			t.Port = g.Port
		}
		h := p.describe(t.ID, t.Port)
		one := targetHealthOut{Target: targetOut{t.ID, t.Port, t.Zone}, HealthCheckPort: strconv.Itoa(g.Check.checkPort(t.Port))}
		one.TargetHealth.State, one.TargetHealth.Reason, one.TargetHealth.Description = h.state, h.reason, h.description
		out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, one)
	}
	return out, nil
}
