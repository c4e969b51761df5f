package elb

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// template is what CDK makes of a blue/green service, with Ref as $Name.
var template = []struct{ id, kind, properties string }{
	{"Balancer", "LoadBalancer", `{"Scheme":"internal","Subnets":["subnet-a","subnet-b"],"SecurityGroups":["sg-1"],"Type":"application","LoadBalancerAttributes":[{"Key":"deletion_protection.enabled","Value":"false"},{"Key":"idle_timeout.timeout_seconds","Value":"30"}],"Tags":[{"Key":"team","Value":"ml"}]}`},
	{"Blue", "TargetGroup", `{"HealthCheckPath":"/ping","HealthCheckIntervalSeconds":5,"HealthCheckTimeoutSeconds":2,"Port":8080,"Protocol":"HTTP","TargetType":"ip","VpcId":"vpc-1","TargetGroupAttributes":[{"Key":"deregistration_delay.timeout_seconds","Value":"10"},{"Key":"stickiness.enabled","Value":"false"}]}`},
	{"Green", "TargetGroup", `{"Name":"green","Port":8080,"Protocol":"HTTP","TargetType":"ip","VpcId":"vpc-1","Matcher":{"HttpCode":"200-299"},"Targets":[{"Id":"10.0.0.9"}]}`},
	{"Listener", "Listener", `{"LoadBalancerArn":"$Balancer","Port":80,"Protocol":"HTTP","DefaultActions":[{"Type":"fixed-response","FixedResponseConfig":{"StatusCode":"404"}}]}`},
	{"Rule", "ListenerRule", `{"ListenerArn":"$Listener","Priority":1,"Conditions":[{"Field":"path-pattern","PathPatternConfig":{"Values":["/*"]}}],"Actions":[{"Type":"forward","ForwardConfig":{"TargetGroups":[{"TargetGroupArn":"$Blue","Weight":100},{"TargetGroupArn":"$Green","Weight":0}]}}]}`},
}

// deploy makes the template, with some resources' properties replaced, and gives
// what was made.
func (b *bench) deploy(replace map[string]string) map[string]assembly.Created {
	b.t.Helper()
	made, err := b.tryDeploy(replace)
	require.NoError(b.t, err)
	require.NoError(b.t, b.Prune())
	return made
}

func (b *bench) tryDeploy(replace map[string]string) (map[string]assembly.Created, error) {
	made := map[string]assembly.Created{}
	var refs []string
	for _, r := range template {
		id, properties := r.id, r.properties
		if other, ok := replace[id]; ok {
			properties = other
		}
		if renamed, ok := replace["rename "+id]; ok {
			id = renamed
		}
		if properties == "" {
			continue
		}
		kind := "AWS::ElasticLoadBalancingV2::" + r.kind
		created, err := b.Creators()[kind](b.t.Context(), assembly.Resource{LogicalID: id, Type: kind, Properties: json.RawMessage(strings.NewReplacer(refs...).Replace(properties))})
		if err != nil {
			return nil, err
		}
		made[r.id] = created
		refs = append(refs, "$"+r.id, created.Ref)
	}
	return made, nil
}

func TestTemplate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		made := b.deploy(nil)
		lb := made["Balancer"]
		require.Regexp(t, `^app/Demo-Balancer-[0-9a-f]{12}/[0-9a-f]{16}$`, lb.Attributes["LoadBalancerFullName"])
		require.Regexp(t, `^internal-demo-balancer-.*\.elb\.localhost$`, lb.Attributes["DNSName"])
		require.Equal(t, []any{"sg-1"}, lb.Attributes["SecurityGroups"])
		require.Regexp(t, `^targetgroup/green/[0-9a-f]{16}$`, made["Green"].Attributes["TargetGroupFullName"])
		require.Equal(t, "green", made["Green"].Attributes["TargetGroupName"])
		require.Equal(t, made["Rule"].Ref, made["Rule"].Attributes["RuleArn"])
		require.Contains(t, made["Rule"].Ref, ":listener-rule/app/Demo-Balancer-")
		require.Equal(t, "30", value(b.state.LoadBalancers[lb.Ref].Attributes, balancerSettings, idleTimeout))
		require.Equal(t, []target{{ID: "10.0.0.9", Port: 8080}}, b.state.TargetGroups[made["Green"].Ref].Targets)

		_, err := b.modifyRule(t.Context(), modifyRuleIn{RuleArn: made["Rule"].Ref, Actions: weights(0, made["Blue"].Ref, 30, made["Green"].Ref, 70)})
		require.NoError(t, err)
		require.NoError(t, b.Close())
		b.reopen()
		again := b.deploy(nil)
		for _, one := range []map[string]assembly.Created{made, again} { // there was no listener when the groups were made
			delete(one["Blue"].Attributes, "LoadBalancerArns")
			delete(one["Green"].Attributes, "LoadBalancerArns")
		}
		require.Equal(t, made, again, "the same, again")
		rule := b.state.Rules[made["Rule"].Ref]
		require.Equal(t, 70, *rule.Actions[0].ForwardConfig.TargetGroups[1].Weight, "what the rollout reached stays")

		changed := strings.Replace(template[4].properties, `"Priority":1`, `"Priority":3`, 1)
		require.NoError(t, b.Close())
		b.reopen()
		b.deploy(map[string]string{"Rule": changed, "Green": strings.Replace(template[2].properties, "200-299", "200", 1),
			"Balancer": strings.Replace(template[0].properties, `"30"`, `"31"`, 1),
			"Listener": strings.Replace(template[3].properties, `"404"`, `"410"`, 1)})
		require.Equal(t, 3, rule2(b, made).Priority)
		require.Equal(t, 0, *rule2(b, made).Actions[0].ForwardConfig.TargetGroups[1].Weight, "declared otherwise: as declared")
		require.Equal(t, "200", b.state.TargetGroups[made["Green"].Ref].Check.Matcher)
		require.Equal(t, "31", value(b.state.LoadBalancers[lb.Ref].Attributes, balancerSettings, idleTimeout))
		require.Equal(t, "410", b.state.Listeners[made["Listener"].Ref].Actions[0].FixedResponseConfig.StatusCode)
	})
}

func rule2(b *bench, made map[string]assembly.Created) *rule { return b.state.Rules[made["Rule"].Ref] }

// TestTemplateWithout: what a later template does not declare is deleted, and what
// it declares by another logical id replaces it.
func TestTemplateWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		made := b.deploy(nil)
		byHand := b.group("by-hand")
		require.NoError(t, b.Close())
		b.reopen()
		renamed := b.deploy(map[string]string{"rename Rule": "Other", "rename Listener": "Another"})
		require.NotEqual(t, made["Rule"].Ref, renamed["Rule"].Ref)
		require.Len(t, b.state.Rules, 1)
		require.Len(t, b.Addresses(), 1)

		require.NoError(t, b.Close())
		b.reopen()
		b.deploy(map[string]string{"Rule": "", "Green": ""})
		require.Empty(t, b.state.Rules)
		require.Len(t, b.state.TargetGroups, 2)
		require.Contains(t, b.state.TargetGroups, byHand, "it was not the template's")
		require.NoError(t, b.Close())
		b.reopen()
		b.deploy(map[string]string{"Rule": "", "Green": "", "Blue": "", "Listener": "", "Balancer": ""})
		require.Empty(t, b.Addresses())
		require.Empty(t, b.state.LoadBalancers)
		require.Equal(t, []string{byHand}, sorted(b.state.TargetGroups))
	})
}

func TestTemplateRefusals(t *testing.T) {
	for want, replace := range map[string]map[string]string{
		`"Certificates"`:                 {"Listener": `{"LoadBalancerArn":"$Balancer","Port":443,"Protocol":"HTTPS","Certificates":[{"CertificateArn":"x"}],"DefaultActions":[]}`},
		"has no HTTPS listeners":         {"Listener": `{"LoadBalancerArn":"$Balancer","Port":443,"Protocol":"HTTPS","DefaultActions":[{"Type":"fixed-response","FixedResponseConfig":{"StatusCode":"404"}}]}`},
		"has no targets of the type":     {"Blue": `{"Port":8080,"Protocol":"HTTP","VpcId":"vpc-1"}`},
		"is not recognized":              {"Blue": `{"Port":8080,"Protocol":"HTTP","TargetType":"ip","VpcId":"vpc-1","TargetGroupAttributes":[{"Key":"x","Value":"y"}]}`},
		"A priority must be specified":   {"Rule": `{"ListenerArn":"$Listener"}`},
		"two different Availability":     {"Balancer": `{"Subnets":["subnet-a"]}`},
		`"AuthenticateOidcConfig"`:       {"Rule": `{"ListenerArn":"$Listener","Priority":1,"Conditions":[],"Actions":[{"Type":"authenticate-oidc","AuthenticateOidcConfig":{}}]}`},
		`"EnforceSecurityGroupInbound`:   {"Balancer": `{"Subnets":["subnet-a"],"EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic":"on"}`},
		"Listener 'nowhere' not found":   {"Rule": `{"ListenerArn":"nowhere","Priority":1}`},
		"port 80 has a listener":         {"Rule": "", "rename Listener": "Listener"},
		"ListenerRule): the local stack": {"Rule": `{"ListenerArn":"$Listener","Priority":1,"Transforms":[]}`},
	} {
		b := open(t)
		if replace["rename Listener"] != "" { // one that was made by hand is in the way
			made, err := b.tryDeploy(map[string]string{"Listener": "", "Rule": ""})
			require.NoError(t, err)
			b.listener(made["Balancer"].Ref, 80, weights(0, made["Green"].Ref, 1))
			want = "A listener already exists on this port"
		}
		_, err := b.tryDeploy(replace)
		require.ErrorContains(t, err, want)
	}
}
