package states

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// The constraints that AWS checks before an operation sees its input.

// constraint is the refusal of a value that is not in a request's model.
func constraint(value any, member, rule string) error {
	return wire.Errorf("ValidationException",
		"1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: Member must %s", value, member, rule)
}

// oneOf refuses a value that is neither empty nor in the set.
func oneOf(value, member string, set []string) error {
	if value == "" || slices.Contains(set, value) {
		return nil
	}
	return constraint(value, member, "satisfy enum value set: ["+strings.Join(set, ", ")+"]")
}

func (p page) check() error {
	switch {
	case p.MaxResults < 0:
		return constraint(p.MaxResults, "maxResults", "have value greater than or equal to 0")
	case p.MaxResults > 1000:
		return constraint(p.MaxResults, "maxResults", "have value less than or equal to 1000")
	}
	return nil
}

func (in listInput) check() error {
	if err := oneOf(in.StatusFilter, "statusFilter",
		[]string{"RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"}); err != nil {
		return err
	}
	return oneOf(in.RedriveFilter, "redriveFilter", []string{"REDRIVEN", "NOT_REDRIVEN"})
}

// isARN refuses what is no ARN of the kind that an operation takes, such as
// "stateMachine".
func isARN(arn, kind string) error {
	parts := strings.SplitN(arn, ":", 7)
	switch {
	case parts[0] != "arn" || len(parts) < 2:
		return invalidARN("Invalid ARN prefix: %s", arn)
	case len(parts) < 7 || parts[2] != "states" || parts[6] == "":
		return invalidARN("Resource type not valid in this context: %s", arn)
	case parts[5] != kind:
		return invalidARN("Resource type not valid in this context: %s", parts[5])
	}
	return nil
}

func invalidARN(format string, values ...any) error {
	return wire.Errorf("InvalidArn", "Invalid Arn: '%s'", fmt.Sprintf(format, values...))
}

// isRole refuses what is no ARN of an IAM role.
func isRole(arn string) error {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" && parts[2] == "iam" && strings.HasPrefix(parts[5], "role/") && parts[5] != "role/" {
		return nil
	}
	return wire.Errorf("InvalidArn", "Invalid Role Arn: '%s'", arn)
}

// isLogging refuses a logging configuration that could not log.
func isLogging(configuration json.RawMessage) error {
	if len(configuration) == 0 {
		return nil
	}
	var in struct {
		Level        string `json:"level"`
		Destinations []struct {
			Group struct {
				ARN string `json:"logGroupArn"`
			} `json:"cloudWatchLogsLogGroup"`
		} `json:"destinations"`
	}
	if err := json.Unmarshal(configuration, &in); err != nil {
		return wire.Errorf("InvalidLoggingConfiguration", "Invalid Logging Configuration: '%s'", err)
	}
	if err := oneOf(in.Level, "loggingConfiguration.level", []string{"ALL", "ERROR", "FATAL", "OFF"}); err != nil {
		return err
	}
	switch {
	case in.Level != "" && in.Level != "OFF" && len(in.Destinations) == 0:
		return wire.Errorf("InvalidLoggingConfiguration", "Invalid Logging Configuration: Must specify exactly one Log Destination.")
	case len(in.Destinations) > 1:
		return constraint(len(in.Destinations), "loggingConfiguration.destinations", "have length less than or equal to 1")
	case len(in.Destinations) == 1 && !strings.HasSuffix(in.Destinations[0].Group.ARN, ":*"):
		return wire.Errorf("InvalidLoggingConfiguration", "Invalid Logging Configuration: Log Destination ARN must end with ':*'.")
	}
	return nil
}
