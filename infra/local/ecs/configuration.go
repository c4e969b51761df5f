package ecs

import "cmp"

// check refuses what a rolling deployment cannot have.
func (c *deploymentConfiguration) check() error {
	if c == nil {
		return nil
	}
	if c.Strategy != "" && c.Strategy != "ROLLING" {
		return refused("deploymentConfiguration.strategy "+c.Strategy, "it has ROLLING; shift traffic with weighted target groups (ModifyRule, ModifyListener) over two services")
	}
	if c.BakeTimeInMinutes != nil && *c.BakeTimeInMinutes != 0 {
		return refused("deploymentConfiguration.bakeTimeInMinutes", "bake outside of ECS, over weighted target groups")
	}
	if a := c.Alarms; a != nil && (a.Enable || len(a.AlarmNames) > 0) {
		return refused("deploymentConfiguration.alarms", "it has deploymentCircuitBreaker; let a rule on \"CloudWatch Alarm State Change\" call UpdateService")
	}
	if p := c.MinimumHealthyPercent; p != nil && *p < 0 {
		return invalid("minimumHealthyPercent %d: want 0 or more", *p)
	}
	if p := c.MaximumPercent; p != nil && *p < 100 {
		return invalid("maximumPercent %d: want 100 or more", *p)
	}
	if p := c.MinimumHealthyPercent; p != nil && *p > 100 {
		return invalid("minimumHealthyPercent %d: want 0 to 100", *p)
	}
	if b := c.DeploymentCircuitBreaker; b != nil && b.ThresholdConfiguration != nil {
		t := b.ThresholdConfiguration
		if !contains([]string{"COUNT", "BOUNDED_PERCENT", "UNBOUNDED_PERCENT"}, t.Type) || t.Value < 1 {
			return invalid("deploymentCircuitBreaker.thresholdConfiguration type %q, value %d: want COUNT, BOUNDED_PERCENT or UNBOUNDED_PERCENT and 1 or more", t.Type, t.Value)
		}
	}
	return nil
}

// merged is the configuration with what is not given taken from before.
func (c *deploymentConfiguration) merged(before deploymentConfiguration) deploymentConfiguration {
	if c == nil {
		return before
	}
	out := *c
	out.MinimumHealthyPercent = cmp.Or(out.MinimumHealthyPercent, before.MinimumHealthyPercent)
	out.MaximumPercent = cmp.Or(out.MaximumPercent, before.MaximumPercent)
	out.DeploymentCircuitBreaker = cmp.Or(out.DeploymentCircuitBreaker, before.DeploymentCircuitBreaker)
	out.Strategy = "ROLLING"
	return out
}

// blocked refuses a pair of limits under which nothing can be replaced.
func (c deploymentConfiguration) blocked() error {
	if *c.MaximumPercent == 100 && *c.MinimumHealthyPercent == 100 {
		return invalid("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.")
	}
	return nil
}

// usualDeployment is AWS's default.
func usualDeployment() deploymentConfiguration {
	low, high := 100, 200
	return deploymentConfiguration{MinimumHealthyPercent: &low, MaximumPercent: &high, Strategy: "ROLLING",
		DeploymentCircuitBreaker: &circuitBreaker{}}
}
