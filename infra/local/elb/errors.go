package elb

import (
	"fmt"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// The errors of Elastic Load Balancing; its clients match on the codes.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/CommonErrors.html

func invalid(format string, args ...any) error {
	return wire.Errorf("ValidationError", format, args...)
}

func invalidConfiguration(format string, args ...any) error {
	return wire.Errorf("InvalidConfigurationRequest", format, args...)
}

func notPermitted(format string, args ...any) error {
	return wire.Errorf("OperationNotPermitted", format, args...)
}

// unsupported refuses what AWS has and the local stack has not.
func unsupported(format string, args ...any) error {
	return wire.Errorf("ValidationError", "the local stack has no %s", fmt.Sprintf(format, args...))
}

func noLoadBalancer(arn string) error {
	return wire.Errorf("LoadBalancerNotFound", "Load balancer '%s' not found", arn)
}

func noTargetGroup(arn string) error {
	return wire.Errorf("TargetGroupNotFound", "Target group '%s' not found", arn)
}

func noListener(arn string) error {
	return wire.Errorf("ListenerNotFound", "Listener '%s' not found", arn)
}

func noRule(arn string) error { return wire.Errorf("RuleNotFound", "Rule '%s' not found", arn) }
