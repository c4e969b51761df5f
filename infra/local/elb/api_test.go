package elb

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

// serveAPI gives AWS's client for the service.
func (b *bench) serveAPI() *sdk.Client {
	server := httptest.NewServer(b.Handler())
	b.t.Cleanup(server.Close)
	return sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		RetryMaxAttempts: 1})
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

// TestClientOfAWS: what AWS's client for Go sends and reads, from a load balancer
// to a rule and back.
func TestClientOfAWS(t *testing.T) {
	b := open(t)
	client, ctx := b.serveAPI(), t.Context()
	made, err := client.CreateLoadBalancer(ctx, &sdk.CreateLoadBalancerInput{Name: aws.String("web"), Subnets: []string{"subnet-a", "subnet-b"},
		SecurityGroups: []string{"sg-1"}, Scheme: types.LoadBalancerSchemeEnumInternal, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("ml")}}})
	require.NoError(t, err)
	require.Equal(t, types.LoadBalancerStateEnumProvisioning, made.LoadBalancers[0].State.Code)
	lb := *made.LoadBalancers[0].LoadBalancerArn
	require.Regexp(t, `^arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web/[0-9a-f]{16}$`, lb)
	again, err := client.CreateLoadBalancer(ctx, &sdk.CreateLoadBalancerInput{Name: aws.String("web"), SecurityGroups: []string{"sg-1"}, Scheme: types.LoadBalancerSchemeEnumInternal,
		SubnetMappings: []types.SubnetMapping{{SubnetId: aws.String("subnet-a")}, {SubnetId: aws.String("subnet-b")}}})
	require.NoError(t, err)
	require.Equal(t, lb, *again.LoadBalancers[0].LoadBalancerArn, "the same settings: the same load balancer")
	balancers, err := client.DescribeLoadBalancers(ctx, &sdk.DescribeLoadBalancersInput{Names: []string{"web"}})
	require.NoError(t, err)
	one := balancers.LoadBalancers[0]
	require.Equal(t, types.LoadBalancerStateEnumActive, one.State.Code)
	require.Equal(t, []string{"vpc-1", "application", "internal", "ipv4"}, []string{*one.VpcId, string(one.Type), string(one.Scheme), string(one.IpAddressType)})
	require.True(t, strings.HasPrefix(*one.DNSName, "internal-web-"), *one.DNSName)
	require.Equal(t, []string{"sg-1"}, one.SecurityGroups)
	require.Len(t, one.AvailabilityZones, 2)
	require.Equal(t, "us-east-1b", *one.AvailabilityZones[1].ZoneName)
	require.WithinDuration(t, time.Now(), *one.CreatedTime, time.Minute)

	var groups []string
	for _, name := range []string{"blue", "green"} {
		out, err := client.CreateTargetGroup(ctx, &sdk.CreateTargetGroupInput{Name: &name, Port: aws.Int32(8080), Protocol: types.ProtocolEnumHttp,
			TargetType: types.TargetTypeEnumIp, VpcId: aws.String("vpc-1"), HealthCheckPath: aws.String("/ping"), Matcher: &types.Matcher{HttpCode: aws.String("200-204")}})
		require.NoError(t, err)
		groups = append(groups, *out.TargetGroups[0].TargetGroupArn)
	}
	described, err := client.DescribeTargetGroups(ctx, &sdk.DescribeTargetGroupsInput{TargetGroupArns: groups[:1]})
	require.NoError(t, err)
	group := described.TargetGroups[0]
	require.Equal(t, []int32{30, 5, 5, 2, 8080}, []int32{*group.HealthCheckIntervalSeconds, *group.HealthCheckTimeoutSeconds, *group.HealthyThresholdCount, *group.UnhealthyThresholdCount, *group.Port})
	require.Equal(t, []string{"/ping", "200-204", "traffic-port", "HTTP1"}, []string{*group.HealthCheckPath, *group.Matcher.HttpCode, *group.HealthCheckPort, *group.ProtocolVersion})
	require.Empty(t, group.LoadBalancerArns)

	listeners, err := client.CreateListener(ctx, &sdk.CreateListenerInput{LoadBalancerArn: &lb, Port: aws.Int32(8000), Protocol: types.ProtocolEnumHttp,
		DefaultActions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: &groups[0]}}})
	require.NoError(t, err)
	listener := *listeners.Listeners[0].ListenerArn
	action := listeners.Listeners[0].DefaultActions[0]
	require.Equal(t, groups[0], *action.TargetGroupArn)
	require.EqualValues(t, 1, *action.ForwardConfig.TargetGroups[0].Weight)
	require.False(t, *action.ForwardConfig.TargetGroupStickinessConfig.Enabled)
	repeated, err := client.CreateListener(ctx, &sdk.CreateListenerInput{LoadBalancerArn: &lb, Port: aws.Int32(8000), Protocol: types.ProtocolEnumHttp,
		DefaultActions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: &groups[0]}}})
	require.NoError(t, err)
	require.Equal(t, listener, *repeated.Listeners[0].ListenerArn)

	weighted := []types.Action{{Type: types.ActionTypeEnumForward, Order: aws.Int32(1), ForwardConfig: &types.ForwardActionConfig{
		TargetGroups:                []types.TargetGroupTuple{{TargetGroupArn: &groups[0], Weight: aws.Int32(90)}, {TargetGroupArn: &groups[1], Weight: aws.Int32(10)}},
		TargetGroupStickinessConfig: &types.TargetGroupStickinessConfig{Enabled: aws.Bool(true), DurationSeconds: aws.Int32(60)}}}}
	rules, err := client.CreateRule(ctx, &sdk.CreateRuleInput{ListenerArn: &listener, Priority: aws.Int32(5), Actions: weighted, Conditions: []types.RuleCondition{
		{Field: aws.String("path-pattern"), Values: []string{"/v1/*"}},
		{Field: aws.String("query-string"), QueryStringConfig: &types.QueryStringConditionConfig{Values: []types.QueryStringKeyValuePair{{Key: aws.String("k"), Value: aws.String("v")}}}}}})
	require.NoError(t, err)
	rule := rules.Rules[0]
	require.Equal(t, []string{"/v1/*"}, rule.Conditions[0].PathPatternConfig.Values)
	require.Equal(t, []string{"/v1/*"}, rule.Conditions[0].Values)
	require.Equal(t, "v", *rule.Conditions[1].QueryStringConfig.Values[0].Value)
	require.Nil(t, rule.Actions[0].TargetGroupArn)
	require.EqualValues(t, 60, *rule.Actions[0].ForwardConfig.TargetGroupStickinessConfig.DurationSeconds)
	weighted[0].ForwardConfig.TargetGroups[1].Weight = aws.Int32(999)
	_, err = client.ModifyRule(ctx, &sdk.ModifyRuleInput{RuleArn: rule.RuleArn, Actions: weighted})
	require.NoError(t, err)
	_, err = client.SetRulePriorities(ctx, &sdk.SetRulePrioritiesInput{RulePriorities: []types.RulePriorityPair{{RuleArn: rule.RuleArn, Priority: aws.Int32(50000)}}})
	require.NoError(t, err)
	var seen []types.Rule
	var marker *string
	for {
		out, err := client.DescribeRules(ctx, &sdk.DescribeRulesInput{ListenerArn: &listener, PageSize: aws.Int32(1), Marker: marker})
		require.NoError(t, err)
		seen = append(seen, out.Rules...)
		if marker = out.NextMarker; marker == nil {
			break
		}
	}
	require.Len(t, seen, 2)
	require.Equal(t, "50000", *seen[0].Priority)
	require.EqualValues(t, 999, *seen[0].Actions[0].ForwardConfig.TargetGroups[1].Weight)
	require.True(t, *seen[1].IsDefault)
	require.Equal(t, "default", *seen[1].Priority)
	require.Equal(t, groups[0], *seen[1].Actions[0].TargetGroupArn)

	_, err = client.RegisterTargets(ctx, &sdk.RegisterTargetsInput{TargetGroupArn: &groups[1], Targets: []types.TargetDescription{{Id: aws.String("10.0.0.9")}, {Id: aws.String("10.0.0.9"), Port: aws.Int32(81)}}})
	require.NoError(t, err)
	health, err := client.DescribeTargetHealth(ctx, &sdk.DescribeTargetHealthInput{TargetGroupArn: &groups[1], Targets: []types.TargetDescription{{Id: aws.String("10.0.0.10"), Port: aws.Int32(80)}, {Id: aws.String("10.0.0.9")}}})
	require.NoError(t, err)
	require.Equal(t, types.TargetHealthReasonEnumNotRegistered, health.TargetHealthDescriptions[0].TargetHealth.Reason)
	require.Equal(t, types.TargetHealthStateEnumInitial, health.TargetHealthDescriptions[1].TargetHealth.State)
	require.EqualValues(t, 8080, *health.TargetHealthDescriptions[1].Target.Port, "the group's port")
	_, err = client.DeregisterTargets(ctx, &sdk.DeregisterTargetsInput{TargetGroupArn: &groups[1], Targets: []types.TargetDescription{{Id: aws.String("10.0.0.9"), Port: aws.Int32(81)}}})
	require.NoError(t, err)
	health, err = client.DescribeTargetHealth(ctx, &sdk.DescribeTargetHealthInput{TargetGroupArn: &groups[1]})
	require.NoError(t, err)
	require.Equal(t, types.TargetHealthStateEnumDraining, health.TargetHealthDescriptions[1].TargetHealth.State)

	tags := []types.Tag{{Key: aws.String("team"), Value: aws.String("search")}, {Key: aws.String("a"), Value: aws.String("1")}}
	_, err = client.AddTags(ctx, &sdk.AddTagsInput{ResourceArns: []string{lb, *rule.RuleArn}, Tags: tags})
	require.NoError(t, err)
	_, err = client.RemoveTags(ctx, &sdk.RemoveTagsInput{ResourceArns: []string{lb}, TagKeys: []string{"a", "none"}})
	require.NoError(t, err)
	told, err := client.DescribeTags(ctx, &sdk.DescribeTagsInput{ResourceArns: []string{lb, *rule.RuleArn, listener}})
	require.NoError(t, err)
	require.Len(t, told.TagDescriptions[0].Tags, 1)
	require.Equal(t, "search", *told.TagDescriptions[0].Tags[0].Value)
	require.Len(t, told.TagDescriptions[1].Tags, 2)
	require.Empty(t, told.TagDescriptions[2].Tags)

	attributes, err := client.ModifyTargetGroupAttributes(ctx, &sdk.ModifyTargetGroupAttributesInput{TargetGroupArn: &groups[0], Attributes: []types.TargetGroupAttribute{{Key: aws.String(deregistrationDelay), Value: aws.String("5")}, {Key: aws.String("slow_start.duration_seconds"), Value: aws.String("0")}}})
	require.NoError(t, err)
	require.Len(t, attributes.Attributes, len(groupAttributes))
	_, err = client.ModifyLoadBalancerAttributes(ctx, &sdk.ModifyLoadBalancerAttributesInput{LoadBalancerArn: &lb, Attributes: []types.LoadBalancerAttribute{{Key: aws.String(deletionProtection), Value: aws.String("true")}}})
	require.NoError(t, err)
	_, err = client.DeleteLoadBalancer(ctx, &sdk.DeleteLoadBalancerInput{LoadBalancerArn: &lb})
	require.Equal(t, "OperationNotPermitted", codeOf(err))
	_, err = client.ModifyLoadBalancerAttributes(ctx, &sdk.ModifyLoadBalancerAttributesInput{LoadBalancerArn: &lb, Attributes: []types.LoadBalancerAttribute{{Key: aws.String(deletionProtection), Value: aws.String("false")}}})
	require.NoError(t, err)

	_, err = client.DeleteTargetGroup(ctx, &sdk.DeleteTargetGroupInput{TargetGroupArn: &groups[0]})
	require.Equal(t, "ResourceInUse", codeOf(err))
	_, err = client.DeleteRule(ctx, &sdk.DeleteRuleInput{RuleArn: rule.RuleArn})
	require.NoError(t, err)
	_, err = client.DeleteListener(ctx, &sdk.DeleteListenerInput{ListenerArn: &listener})
	require.NoError(t, err)
	_, err = client.DeleteTargetGroup(ctx, &sdk.DeleteTargetGroupInput{TargetGroupArn: &groups[0]})
	require.NoError(t, err)
	for range 2 {
		_, err = client.DeleteLoadBalancer(ctx, &sdk.DeleteLoadBalancerInput{LoadBalancerArn: &lb})
		require.NoError(t, err, "deleting is idempotent")
	}
	_, err = client.DescribeLoadBalancers(ctx, &sdk.DescribeLoadBalancersInput{LoadBalancerArns: []string{lb}})
	var missing *types.LoadBalancerNotFoundException
	require.ErrorAs(t, err, &missing)
	require.Empty(t, b.state.Tags[lb])
}

// TestErrors: AWS's codes, for what AWS refuses and for what we lack.
func TestErrors(t *testing.T) {
	b := open(t)
	client, ctx := b.serveAPI(), t.Context()
	lb, other := b.balancer("web"), b.balancer("other")
	blue, green, foreign := b.group("blue"), b.group("green"), b.group("foreign")
	listener := b.listener(lb, 80, weights(0, blue, 1))
	b.listener(other, 80, weights(0, foreign, 1))
	path := func(values ...string) []types.RuleCondition {
		return []types.RuleCondition{{Field: aws.String("path-pattern"), Values: values}}
	}
	forward := func(pairs ...any) []types.Action {
		config := &types.ForwardActionConfig{}
		for i := 0; i < len(pairs); i += 2 {
			config.TargetGroups = append(config.TargetGroups, types.TargetGroupTuple{TargetGroupArn: aws.String(pairs[i].(string)), Weight: aws.Int32(int32(pairs[i+1].(int)))})
		}
		return []types.Action{{Type: types.ActionTypeEnumForward, ForwardConfig: config}}
	}
	makeRule := func(change func(*sdk.CreateRuleInput)) func() error {
		in := &sdk.CreateRuleInput{ListenerArn: &listener, Priority: aws.Int32(7), Conditions: path("/x"), Actions: forward(blue, 1)}
		change(in)
		return func() error { _, err := client.CreateRule(ctx, in); return err }
	}
	makeGroup := func(change func(*sdk.CreateTargetGroupInput)) func() error {
		in := &sdk.CreateTargetGroupInput{Name: aws.String("new"), Port: aws.Int32(80), Protocol: types.ProtocolEnumHttp, TargetType: types.TargetTypeEnumIp, VpcId: aws.String("vpc-1")}
		change(in)
		return func() error { _, err := client.CreateTargetGroup(ctx, in); return err }
	}
	makeBalancer := func(change func(*sdk.CreateLoadBalancerInput)) func() error {
		in := &sdk.CreateLoadBalancerInput{Name: aws.String("new"), Subnets: []string{"subnet-a", "subnet-b"}}
		change(in)
		return func() error { _, err := client.CreateLoadBalancer(ctx, in); return err }
	}
	makeListener := func(change func(*sdk.CreateListenerInput)) func() error {
		in := &sdk.CreateListenerInput{LoadBalancerArn: &lb, Port: aws.Int32(81), Protocol: types.ProtocolEnumHttp, DefaultActions: forward(blue, 1)}
		change(in)
		return func() error { _, err := client.CreateListener(ctx, in); return err }
	}
	target := func(id string, port int32) func() error {
		return func() error {
			_, err := client.RegisterTargets(ctx, &sdk.RegisterTargetsInput{TargetGroupArn: &green, Targets: []types.TargetDescription{{Id: &id, Port: &port}}})
			return err
		}
	}
	attribute := func(key, value string) func() error {
		return func() error {
			_, err := client.ModifyTargetGroupAttributes(ctx, &sdk.ModifyTargetGroupAttributesInput{TargetGroupArn: &blue, Attributes: []types.TargetGroupAttribute{{Key: &key, Value: &value}}})
			return err
		}
	}
	require.NoError(t, makeRule(func(in *sdk.CreateRuleInput) { in.Priority = aws.Int32(1); in.Actions = forward(blue, 1, green, 1) })())
	var six []any
	for i := range 6 {
		six = append(six, b.group(fmt.Sprint("many", i)), 1)
	}
	for _, c := range []struct {
		code, message string
		call          func() error
	}{
		{"PriorityInUse", "Priority '1' is currently in use", makeRule(func(in *sdk.CreateRuleInput) { in.Priority = aws.Int32(1) })},
		{"ValidationError", "between 1 and 50000", makeRule(func(in *sdk.CreateRuleInput) { in.Priority = aws.Int32(50001) })},
		{"ListenerNotFound", listener + "x", makeRule(func(in *sdk.CreateRuleInput) { in.ListenerArn = aws.String(listener + "x") })},
		{"TargetGroupNotFound", "'nobody'", makeRule(func(in *sdk.CreateRuleInput) { in.Actions = forward("nobody", 1) })},
		{"TargetGroupAssociationLimit", foreign, makeRule(func(in *sdk.CreateRuleInput) { in.Actions = forward(foreign, 1) })},
		{"ValidationError", "between 0 and 999", makeRule(func(in *sdk.CreateRuleInput) { in.Actions = forward(blue, 1000) })},
		{"ValidationError", "between 0 and 999", makeRule(func(in *sdk.CreateRuleInput) { in.Actions = forward(blue, -1) })},
		{"ValidationError", "between 1 and 5 target groups", makeRule(func(in *sdk.CreateRuleInput) { in.Actions = forward(six...) })},
		{"ValidationError", "twice", makeRule(func(in *sdk.CreateRuleInput) { in.Actions = forward(blue, 1, blue, 1) })},
		{"ValidationError", "only have one action", makeRule(func(in *sdk.CreateRuleInput) { in.Actions = append(forward(blue, 1), forward(green, 1)...) })},
		{"ValidationError", "needs the configuration of its type", makeRule(func(in *sdk.CreateRuleInput) { in.Actions = []types.Action{{Type: types.ActionTypeEnumRedirect}} })},
		{"ValidationError", "authenticate-oidc", makeRule(func(in *sdk.CreateRuleInput) {
			in.Actions = []types.Action{{Type: types.ActionTypeEnumAuthenticateOidc}}
		})},
		{"ValidationError", "a loop", makeRule(func(in *sdk.CreateRuleInput) {
			in.Actions = []types.Action{{Type: types.ActionTypeEnumRedirect, RedirectConfig: &types.RedirectActionConfig{StatusCode: types.RedirectActionStatusCodeEnumHttp301, Query: aws.String("q")}}}
		})},
		{"ValidationError", "2XX, 4XX or 5XX", makeRule(func(in *sdk.CreateRuleInput) {
			in.Actions = []types.Action{{Type: types.ActionTypeEnumFixedResponse, FixedResponseConfig: &types.FixedResponseActionConfig{StatusCode: aws.String("302")}}}
		})},
		{"ValidationError", "specify a duration", makeRule(func(in *sdk.CreateRuleInput) {
			in.Actions = forward(blue, 1)
			in.Actions[0].ForwardConfig.TargetGroupStickinessConfig = &types.TargetGroupStickinessConfig{Enabled: aws.Bool(true)}
		})},
		{"ValidationError", "'5' condition values", makeRule(func(in *sdk.CreateRuleInput) { in.Conditions = path("/1", "/2", "/3", "/4", "/5", "/6") })},
		{"ValidationError", "'6' condition wildcards", makeRule(func(in *sdk.CreateRuleInput) { in.Conditions = path("/*", "/**", "/***?") })},
		{"ValidationError", "one 'path-pattern' condition", makeRule(func(in *sdk.CreateRuleInput) { in.Conditions = append(path("/1"), path("/2")...) })},
		{"ValidationError", "character", makeRule(func(in *sdk.CreateRuleInput) { in.Conditions = path("/ü") })},
		{"ValidationError", "1 to 128 characters", makeRule(func(in *sdk.CreateRuleInput) { in.Conditions = path("/" + strings.Repeat("x", 128)) })},
		{"ValidationError", "must be one of", makeRule(func(in *sdk.CreateRuleInput) {
			in.Conditions = []types.RuleCondition{{Field: aws.String("cookie"), Values: []string{"x"}}}
		})},
		{"ValidationError", "CIDR", makeRule(func(in *sdk.CreateRuleInput) {
			in.Conditions = []types.RuleCondition{{Field: aws.String("source-ip"), SourceIpConfig: &types.SourceIpConditionConfig{Values: []string{"10.0.0.1"}}}}
		})},
		{"ValidationError", "use host-header", makeRule(func(in *sdk.CreateRuleInput) {
			in.Conditions = []types.RuleCondition{{Field: aws.String("http-header"), HttpHeaderConfig: &types.HttpHeaderConditionConfig{HttpHeaderName: aws.String("Host"), Values: []string{"x"}}}}
		})},
		{"InvalidParameter", "Conditions.member.1.RegexValues.member.1", makeRule(func(in *sdk.CreateRuleInput) { in.Conditions[0].RegexValues = []string{"x"} })},
		{"InvalidParameter", "Transforms.member.1.Type", makeRule(func(in *sdk.CreateRuleInput) {
			in.Transforms = []types.RuleTransform{{Type: types.TransformTypeEnumUrlRewrite}}
		})},

		{"DuplicateTargetGroupName", "'blue'", makeGroup(func(in *sdk.CreateTargetGroupInput) { in.Name = aws.String("blue") })},
		{"ValidationError", "targets of the type 'instance'; it has the TargetType ip", makeGroup(func(in *sdk.CreateTargetGroupInput) { in.TargetType = "" })},
		{"ValidationError", "protocol 'HTTPS'; it has HTTP", makeGroup(func(in *sdk.CreateTargetGroupInput) { in.Protocol = types.ProtocolEnumHttps })},
		{"ValidationError", "protocol version 'GRPC'", makeGroup(func(in *sdk.CreateTargetGroupInput) { in.ProtocolVersion = aws.String("GRPC") })},
		{"ValidationError", "VPC ID", makeGroup(func(in *sdk.CreateTargetGroupInput) { in.VpcId = nil })},
		{"ValidationError", "name 'a--'", makeGroup(func(in *sdk.CreateTargetGroupInput) { in.Name = aws.String("a--") })},
		{"ValidationError", "greater than the timeout", makeGroup(func(in *sdk.CreateTargetGroupInput) {
			in.HealthCheckIntervalSeconds, in.HealthCheckTimeoutSeconds = aws.Int32(10), aws.Int32(10)
		})},
		{"ValidationError", "between 5 and 300", makeGroup(func(in *sdk.CreateTargetGroupInput) { in.HealthCheckIntervalSeconds = aws.Int32(4) })},
		{"ValidationError", "must start with '/'", makeGroup(func(in *sdk.CreateTargetGroupInput) { in.HealthCheckPath = aws.String("ping") })},
		{"ValidationError", "'200-499'", makeGroup(func(in *sdk.CreateTargetGroupInput) { in.Matcher = &types.Matcher{HttpCode: aws.String("500")} })},
		{"DuplicateTagKeys", "'a'", makeGroup(func(in *sdk.CreateTargetGroupInput) {
			in.Tags = []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("a"), Value: aws.String("2")}}
		})},

		{"DuplicateLoadBalancerName", "'web'", makeBalancer(func(in *sdk.CreateLoadBalancerInput) { in.Name = aws.String("web") })},
		{"ValidationError", "'internal-x'", makeBalancer(func(in *sdk.CreateLoadBalancerInput) { in.Name = aws.String("internal-x") })},
		{"ValidationError", "two different Availability Zones", makeBalancer(func(in *sdk.CreateLoadBalancerInput) { in.Subnets = []string{"subnet-a"} })},
		{"SubnetNotFound", "subnet-z", makeBalancer(func(in *sdk.CreateLoadBalancerInput) { in.Subnets = []string{"subnet-a", "subnet-z"} })},
		{"InvalidSubnet", "subnet-a2", makeBalancer(func(in *sdk.CreateLoadBalancerInput) { in.Subnets = []string{"subnet-a", "subnet-a2"} })},
		{"InvalidSubnet", "subnet-other", makeBalancer(func(in *sdk.CreateLoadBalancerInput) { in.Subnets = []string{"subnet-a", "subnet-other"} })},
		{"InvalidSecurityGroup", "sg-2", makeBalancer(func(in *sdk.CreateLoadBalancerInput) { in.SecurityGroups = []string{"sg-2"} })},
		{"InvalidScheme", "'public'", makeBalancer(func(in *sdk.CreateLoadBalancerInput) { in.Scheme = "public" })},
		{"ValidationError", "type 'network'", makeBalancer(func(in *sdk.CreateLoadBalancerInput) { in.Type = types.LoadBalancerTypeEnumNetwork })},

		{"DuplicateListener", lb, makeListener(func(in *sdk.CreateListenerInput) { in.Port = aws.Int32(80); in.DefaultActions = forward(green, 1) })},
		{"LoadBalancerNotFound", "nobody", makeListener(func(in *sdk.CreateListenerInput) { in.LoadBalancerArn = aws.String("nobody") })},
		{"ValidationError", "HTTPS listeners; it has the Protocol HTTP", makeListener(func(in *sdk.CreateListenerInput) { in.Protocol = types.ProtocolEnumHttps })},
		{"UnsupportedProtocol", "'TCP'", makeListener(func(in *sdk.CreateListenerInput) { in.Protocol = types.ProtocolEnumTcp })},
		{"InvalidParameter", "Certificates.member.1.CertificateArn", makeListener(func(in *sdk.CreateListenerInput) {
			in.Certificates = []types.Certificate{{CertificateArn: aws.String("x")}}
		})},

		{"ValidationError", "not a valid IPv4", target("i-0123", 80)},
		{"InvalidTarget", "8.8.8.8", target("8.8.8.8", 80)},
		{"ValidationError", "Port '70000'", target("10.0.0.1", 70000)},
		{"InvalidConfigurationRequest", "'nonsense' is not recognized", attribute("nonsense", "1")},
		{"InvalidConfigurationRequest", "cannot be '3601': want a number from 0 to 3600", attribute(deregistrationDelay, "3601")},
		{"InvalidConfigurationRequest", "'app_cookie': the local stack has 'lb_cookie' only", attribute("stickiness.type", "app_cookie")},
		{"InvalidConfigurationRequest", "slow_start", attribute("slow_start.duration_seconds", "30")},
		{"InvalidConfigurationRequest", "one of round_robin, least_outstanding_requests", attribute(algorithm, "weighted_random")},
		{"InvalidConfigurationRequest", "You must enable group stickiness", attribute(stickyEnabled, "true")},

		{"OperationNotPermitted", "Default rule", func() error {
			_, err := client.DeleteRule(ctx, &sdk.DeleteRuleInput{RuleArn: &b.state.Listeners[listener].DefaultRule})
			return err
		}},
		{"RuleNotFound", "nobody", func() error {
			_, err := client.ModifyRule(ctx, &sdk.ModifyRuleInput{RuleArn: aws.String("nobody"), Actions: forward(blue, 1)})
			return err
		}},
		{"ValidationError", "either listener ARNs or a load balancer ARN", func() error { _, err := client.DescribeListeners(ctx, &sdk.DescribeListenersInput{}); return err }},
		{"ValidationError", "Invalid marker", func() error {
			_, err := client.DescribeTargetGroups(ctx, &sdk.DescribeTargetGroupsInput{Marker: aws.String("x")})
			return err
		}},
		{"ValidationError", "'401' at 'pageSize'", func() error {
			_, err := client.DescribeTargetGroups(ctx, &sdk.DescribeTargetGroupsInput{PageSize: aws.Int32(401)})
			return err
		}},
		{"TargetGroupNotFound", "none", func() error {
			_, err := client.DescribeTargetGroups(ctx, &sdk.DescribeTargetGroupsInput{Names: []string{"none"}})
			return err
		}},
		{"ValidationError", "change of a listener's port", func() error {
			_, err := client.ModifyListener(ctx, &sdk.ModifyListenerInput{ListenerArn: &listener, Port: aws.Int32(90)})
			return err
		}},
		{"InvalidAction", "SetSubnets", func() error {
			_, err := client.SetSubnets(ctx, &sdk.SetSubnetsInput{LoadBalancerArn: &lb, Subnets: []string{"subnet-a"}})
			return err
		}},
	} {
		before, err := statesText(b)
		require.NoError(t, err)
		err = c.call()
		require.Equal(t, c.code, codeOf(err), c.message)
		require.ErrorContains(t, err, c.message)
		after, err := statesText(b)
		require.NoError(t, err)
		require.Equal(t, before, after, "refused (%s), so nothing changed", c.message)
	}
}

func statesText(b *bench) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	raw, err := json.Marshal(b.state)
	return string(raw), err
}

// TestPrioritiesAllOrNone: a refused exchange leaves every rule as it was.
func TestPrioritiesAllOrNone(t *testing.T) {
	b := open(t)
	lb, blue := b.balancer("web"), b.group("blue")
	listener := b.listener(lb, 80, weights(0, blue, 1))
	var arns []string
	for i := range 3 {
		out, err := b.createRule(t.Context(), createRuleIn{ListenerArn: listener, Priority: to(i + 1), Conditions: []Condition{{Field: fieldPath, Values: []string{"/x"}}}, Actions: weights(0, blue, 1)})
		require.NoError(t, err)
		arns = append(arns, out.Rules[0].RuleArn)
	}
	for _, wrong := range [][]rulePriority{
		{{arns[0], to(9)}, {arns[1], to(3)}},
		{{arns[0], to(9)}, {"nobody", to(10)}},
		{{arns[0], to(9)}, {arns[1], nil}},
		{{arns[0], to(9)}, {arns[0], to(10)}},
		{{arns[0], to(9)}, {arns[1], to(9)}},
		{{arns[0], to(0)}},
		{},
	} {
		_, err := b.setPriorities(t.Context(), prioritiesIn{wrong})
		require.Error(t, err, wrong)
		for i, arn := range arns {
			require.Equal(t, i+1, b.state.Rules[arn].Priority, wrong)
		}
	}
	_, err := b.setPriorities(t.Context(), prioritiesIn{[]rulePriority{{arns[0], to(2)}, {arns[1], to(3)}, {arns[2], to(1)}}})
	require.NoError(t, err, "a round of exchanges has no moment of its own")
}
