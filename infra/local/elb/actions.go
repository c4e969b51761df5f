package elb

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// The types of actions.
const (
	typeForward  = "forward"
	typeFixed    = "fixed-response"
	typeRedirect = "redirect"
)

// AWS's limits on an action.
const (
	maxGroups = 5 // target groups in a forward action
	maxWeight = 999
	maxStick  = 604800 // seconds
	maxBody   = 1024   // bytes of a fixed response
)

// checkActions gives the actions as they are kept and read back, in their order,
// or says what AWS or the local stack would not take. s.mu is held.
func (s *Service) checkActions(actions []Action) ([]Action, error) {
	if len(actions) == 0 {
		return nil, invalid("You must specify an action")
	}
	for _, a := range actions {
		switch a.Type {
		case typeForward, typeFixed, typeRedirect:
		case "authenticate-oidc", "authenticate-cognito", "jwt-validation":
			return nil, unsupported("action of the type %s, which is of HTTPS listeners; it has forward, fixed-response and redirect", a.Type)
		default:
			return nil, invalid("1 validation error detected: Value '%s' at 'actions.type' failed to satisfy constraint: want forward, fixed-response or redirect", a.Type)
		}
	}
	if len(actions) > 1 {
		return nil, invalid("A rule can only have one action of the types forward, redirect and fixed-response")
	}
	out := slices.Clone(actions)
	slices.SortStableFunc(out, func(a, b Action) int { return cmp.Compare(order(a), order(b)) })
	for i := range out {
		if err := s.checkAction(&out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func order(a Action) int {
	if a.Order == nil {
		return 0
	}
	return *a.Order
}

func (s *Service) checkAction(a *Action) error {
	if a.Order != nil && (*a.Order < 1 || *a.Order > 50000) {
		return invalid("Action order '%d' must be between 1 and 50000 inclusive", *a.Order)
	}
	given := map[string]bool{typeForward: a.ForwardConfig != nil || a.TargetGroupArn != "", typeFixed: a.FixedResponseConfig != nil, typeRedirect: a.RedirectConfig != nil}
	for _, kind := range []string{typeForward, typeFixed, typeRedirect} {
		if given[kind] != (kind == a.Type) {
			return invalid("An action of the type '%s' needs the configuration of its type, and no other", a.Type)
		}
	}
	switch a.Type {
	case typeFixed:
		return checkFixed(a.FixedResponseConfig)
	case typeRedirect:
		return checkRedirect(a.RedirectConfig)
	}
	config, err := forwardConfig(a)
	if err != nil {
		return err
	}
	a.ForwardConfig, a.TargetGroupArn = config, ""
	if len(config.TargetGroups) == 1 {
		a.TargetGroupArn = config.TargetGroups[0].TargetGroupArn
	}
	return s.checkGroups(config)
}

// forwardConfig gives the full form of a forward action, which AWS reads back
// however it was written.
func forwardConfig(a *Action) (*ForwardConfig, error) {
	config := &ForwardConfig{TargetGroups: []WeightedGroup{{TargetGroupArn: a.TargetGroupArn}}}
	if a.ForwardConfig != nil {
		if a.TargetGroupArn != "" && (len(a.ForwardConfig.TargetGroups) != 1 || a.ForwardConfig.TargetGroups[0].TargetGroupArn != a.TargetGroupArn) {
			return nil, invalid("You can specify both a target group ARN and a forward config only if they name the same single target group")
		}
		config.TargetGroups = slices.Clone(a.ForwardConfig.TargetGroups)
		config.TargetGroupStickinessConfig = a.ForwardConfig.TargetGroupStickinessConfig
	}
	if n := len(config.TargetGroups); n < 1 || n > maxGroups {
		return nil, invalid("A forward action must have between 1 and %d target groups, not %d", maxGroups, n)
	}
	seen := map[string]bool{}
	for i := range config.TargetGroups {
		g := &config.TargetGroups[i]
		if g.Weight == nil {
			if len(config.TargetGroups) > 1 {
				return nil, invalid("You must specify a weight for each target group of a forward action with several")
			}
			one := 1
			g.Weight = &one
		}
		if *g.Weight < 0 || *g.Weight > maxWeight {
			return nil, invalid("Target group weight '%d' must be between 0 and %d inclusive", *g.Weight, maxWeight)
		}
		if seen[g.TargetGroupArn] {
			return nil, invalid("Target group '%s' is listed twice in a forward action", g.TargetGroupArn)
		}
		seen[g.TargetGroupArn] = true
	}
	sticky := config.TargetGroupStickinessConfig
	if sticky == nil {
		config.TargetGroupStickinessConfig = &GroupStickiness{}
		return config, nil
	}
	if sticky.Enabled && sticky.DurationSeconds == nil {
		return nil, invalid("You must specify a duration to enable target group stickiness")
	}
	if d := sticky.DurationSeconds; d != nil && (*d < 1 || *d > maxStick) {
		return nil, invalid("Target group stickiness duration '%d' must be between 1 and %d seconds inclusive", *d, maxStick)
	}
	return config, nil
}

// checkGroups wants the groups to exist, and group stickiness where one of
// several groups has stickiness; s.mu is held.
func (s *Service) checkGroups(config *ForwardConfig) error {
	for _, g := range config.TargetGroups {
		record := s.state.TargetGroups[g.TargetGroupArn]
		if record == nil {
			return noTargetGroup(g.TargetGroupArn)
		}
		if len(config.TargetGroups) > 1 && !config.TargetGroupStickinessConfig.Enabled && settingsOf(record).sticky > 0 {
			return invalidConfiguration("You must enable group stickiness on a rule if you enabled target stickiness on one of its target groups: '%s'", g.TargetGroupArn)
		}
	}
	return nil
}

// checkAssociation keeps a target group to one load balancer; s.mu is held.
func (s *Service) checkAssociation(balancer string, actions []Action) error {
	for _, arn := range groupsOf(actions) {
		for _, user := range s.users(arn) {
			if user != balancer {
				return wire.Errorf("TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one load balancer: %s", arn)
			}
		}
	}
	return nil
}

// groupsOf lists the target groups that actions forward to.
func groupsOf(actions []Action) []string {
	var out []string
	for _, a := range actions {
		if a.ForwardConfig == nil {
			continue
		}
		for _, g := range a.ForwardConfig.TargetGroups {
			out = append(out, g.TargetGroupArn)
		}
	}
	return out
}

func forwardsTo(actions []Action, group string) bool {
	return slices.Contains(groupsOf(actions), group)
}

var (
	fixedCode    = regexp.MustCompile(`^(2|4|5)\d\d$`)
	contentTypes = []string{"", "text/plain", "text/css", "text/html", "application/javascript", "application/json"}
)

func checkFixed(f *FixedResponse) error {
	switch {
	case !fixedCode.MatchString(f.StatusCode):
		return invalid("Fixed response status code '%s' must be 2XX, 4XX or 5XX", f.StatusCode)
	case !slices.Contains(contentTypes, f.ContentType):
		return invalid("Fixed response content type '%s' must be one of%s", f.ContentType, strings.Join(contentTypes, " "))
	case len(f.MessageBody) > maxBody:
		return invalid("Fixed response message body has %d bytes, at most %d", len(f.MessageBody), maxBody)
	}
	return nil
}

func checkRedirect(r *Redirect) error {
	if r.StatusCode != "HTTP_301" && r.StatusCode != "HTTP_302" {
		return invalid("Redirect status code '%s' must be HTTP_301 or HTTP_302", r.StatusCode)
	}
	if port, err := strconv.Atoi(r.Port); r.Port != "" && r.Port != "#{port}" && (err != nil || port < 1 || port > 65535) {
		return invalid("Redirect port '%s' must be a number from 1 to 65535 or #{port}", r.Port)
	}
	if !slices.Contains([]string{"", "HTTP", "HTTPS", "#{protocol}"}, r.Protocol) {
		return invalid("Redirect protocol '%s' must be HTTP, HTTPS or #{protocol}", r.Protocol)
	}
	if r.Path != "" && !strings.HasPrefix(r.Path, "/") {
		return invalid("Redirect path '%s' must start with '/'", r.Path)
	}
	for _, component := range []string{r.Host, r.Path, r.Query} {
		if len(component) > 128 {
			return invalid("Redirect component '%s' has more than 128 characters", component)
		}
	}
	fillIn(r)
	if r.Protocol == "#{protocol}" && r.Host == "#{host}" && r.Port == "#{port}" && r.Path == "/#{path}" {
		return invalid("A redirect must change the protocol, the host, the port or the path: this one is a loop")
	}
	return nil
}

// fillIn gives the components that are left out, as AWS reads them back.
func fillIn(r *Redirect) {
	for _, c := range []struct {
		at       *string
		fallback string
	}{{&r.Protocol, "#{protocol}"}, {&r.Host, "#{host}"}, {&r.Port, "#{port}"}, {&r.Path, "/#{path}"}, {&r.Query, "#{query}"}} {
		if *c.at == "" {
			*c.at = c.fallback
		}
	}
}
