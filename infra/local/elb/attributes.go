package elb

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// setting is one attribute: what it is when nobody set it, and which values the
// local stack can honour.
type setting struct {
	fallback string
	accepts  func(value string) bool // nil: the fallback only
	want     string                  // in words
}

func oneOf(fallback string, others ...string) setting {
	all := append([]string{fallback}, others...)
	return setting{fallback, func(v string) bool { return slices.Contains(all, v) }, "one of " + strings.Join(all, ", ")}
}

func seconds(fallback, low, high int) setting {
	return setting{strconv.Itoa(fallback), func(v string) bool {
		n, err := strconv.Atoi(v)
		return err == nil && n >= low && n <= high
	}, "a number from " + strconv.Itoa(low) + " to " + strconv.Itoa(high)}
}

// fixed is an attribute that the local stack has with AWS's default only.
func fixed(fallback string) setting { return setting{fallback: fallback} }

// The attributes' names that something here reads.
const (
	deletionProtection = "deletion_protection.enabled"
	idleTimeout        = "idle_timeout.timeout_seconds"
	clientKeepAlive    = "client_keep_alive.seconds"
	forwardedPort      = "routing.http.xff_client_port.enabled"
	forwardedMode      = "routing.http.xff_header_processing.mode"
	preserveHost       = "routing.http.preserve_host_header.enabled"

	deregistrationDelay = "deregistration_delay.timeout_seconds"
	stickyEnabled       = "stickiness.enabled"
	stickySeconds       = "stickiness.lb_cookie.duration_seconds"
	algorithm           = "load_balancing.algorithm.type"
	minimumHealthyCount = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count"
	minimumHealthyShare = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage"
)

// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
var balancerSettings = map[string]setting{
	deletionProtection: oneOf("false", "true"),
	idleTimeout:        seconds(60, 1, 4000),
	clientKeepAlive:    seconds(3600, 60, 604800),
	forwardedPort:      oneOf("false", "true"),
	forwardedMode:      oneOf("append", "preserve", "remove"),
	preserveHost:       oneOf("false", "true"),
	// Of HTTPS listeners, which there are none of: neither value does anything.
	"routing.http2.enabled": oneOf("true", "false"),

	"access_logs.s3.enabled":                                   fixed("false"),
	"access_logs.s3.bucket":                                    fixed(""),
	"access_logs.s3.prefix":                                    fixed(""),
	"connection_logs.s3.enabled":                               fixed("false"),
	"connection_logs.s3.bucket":                                fixed(""),
	"connection_logs.s3.prefix":                                fixed(""),
	"health_check_logs.s3.enabled":                             fixed("false"),
	"health_check_logs.s3.bucket":                              fixed(""),
	"health_check_logs.s3.prefix":                              fixed(""),
	"ipv6.deny_all_igw_traffic":                                fixed("false"),
	"load_balancing.cross_zone.enabled":                        fixed("true"),
	"routing.http.desync_mitigation_mode":                      fixed("defensive"),
	"routing.http.drop_invalid_header_fields.enabled":          fixed("false"),
	"routing.http.x_amzn_tls_version_and_cipher_suite.enabled": fixed("false"),
	"waf.fail_open.enabled":                                    fixed("false"),
	"zonal_shift.config.enabled":                               fixed("false"),
}

// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html
var groupAttributes = map[string]setting{
	deregistrationDelay: seconds(300, 0, 3600),
	stickyEnabled:       oneOf("false", "true"),
	stickySeconds:       seconds(86400, 1, 604800),
	algorithm:           oneOf("round_robin", "least_outstanding_requests"),
	minimumHealthyCount: seconds(1, 1, maxTargets),
	minimumHealthyShare: {"off", func(v string) bool { return v == "off" || seconds(1, 1, 100).accepts(v) }, "off or a number from 1 to 100"},

	"stickiness.type":                                                     fixed("lb_cookie"),
	"stickiness.app_cookie.cookie_name":                                   fixed(""),
	"stickiness.app_cookie.duration_seconds":                              fixed("86400"),
	"load_balancing.algorithm.anomaly_mitigation":                         fixed("off"),
	"load_balancing.cross_zone.enabled":                                   fixed("use_load_balancer_configuration"),
	"slow_start.duration_seconds":                                         fixed("0"),
	"target_group_health.dns_failover.minimum_healthy_targets.count":      fixed("1"),
	"target_group_health.dns_failover.minimum_healthy_targets.percentage": fixed("off"),
}

// changed gives a copy of set with the changes made, or an error that names the
// first attribute that cannot be honoured.
func changed(set map[string]string, changes []Attribute, known map[string]setting, what string) (map[string]string, error) {
	out := map[string]string{}
	for key, value := range set {
		out[key] = value
	}
	for _, change := range changes {
		s, ok := known[change.Key]
		switch {
		case !ok:
			return nil, invalidConfiguration("%s attribute key '%s' is not recognized", what, change.Key)
		case change.Value == s.fallback:
		case s.accepts == nil:
			return nil, invalidConfiguration("%s attribute '%s' cannot be '%s': the local stack has '%s' only", what, change.Key, change.Value, s.fallback)
		case !s.accepts(change.Value):
			return nil, invalidConfiguration("%s attribute '%s' cannot be '%s': want %s", what, change.Key, change.Value, s.want)
		}
		out[change.Key] = change.Value
	}
	return out, nil
}

// all lists every attribute with its value, by key.
func all(set map[string]string, known map[string]setting) []Attribute {
	var out []Attribute
	for _, key := range sorted(known) {
		out = append(out, Attribute{key, value(set, known, key)})
	}
	return out
}

func value(set map[string]string, known map[string]setting, key string) string {
	if v, ok := set[key]; ok {
		return v
	}
	return known[key].fallback
}

func number(set map[string]string, known map[string]setting, key string) int {
	n, _ := strconv.Atoi(value(set, known, key)) // checked when it was set; "off" is 0
	return n
}

// groupSettings are a target group's attributes as requests use them.
type groupSettings struct {
	deregistration   time.Duration
	sticky           time.Duration // 0: not
	leastOutstanding bool
	minimumHealthy   int
	minimumPercent   int // 0: off
}

func settingsOf(g *targetGroup) groupSettings {
	of := func(key string) int { return number(g.Attributes, groupAttributes, key) }
	out := groupSettings{deregistration: time.Duration(of(deregistrationDelay)) * time.Second,
		leastOutstanding: value(g.Attributes, groupAttributes, algorithm) == "least_outstanding_requests",
		minimumHealthy:   of(minimumHealthyCount), minimumPercent: of(minimumHealthyShare)}
	if value(g.Attributes, groupAttributes, stickyEnabled) == "true" {
		out.sticky = time.Duration(of(stickySeconds)) * time.Second
	}
	return out
}

// frontSettings are a load balancer's attributes as requests use them.
type frontSettings struct {
	idle          time.Duration
	keepAlive     time.Duration
	forwardedMode string
	forwardedPort bool
	preserveHost  bool
}

func frontSettingsOf(b *loadBalancer) frontSettings {
	of := func(key string) string { return value(b.Attributes, balancerSettings, key) }
	return frontSettings{
		idle:          time.Duration(number(b.Attributes, balancerSettings, idleTimeout)) * time.Second,
		keepAlive:     time.Duration(number(b.Attributes, balancerSettings, clientKeepAlive)) * time.Second,
		forwardedMode: of(forwardedMode), forwardedPort: of(forwardedPort) == "true", preserveHost: of(preserveHost) == "true"}
}
