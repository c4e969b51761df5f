package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	runtimetypes "github.com/aws/aws-sdk-go-v2/service/sagemakerruntime/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sluice-ml/sluice/shared/contract"
)

// Variant is a slot of an endpoint as the endpoint itself reports it.
type Variant struct {
	Slot      string  `json:"slot"`
	Weight    float64 `json:"weight"`  // current
	Desired   float64 `json:"desired"` // differs while a change is under way
	Instances int     `json:"instances"`
	Version   int     `json:"version,omitempty"` // where the endpoint itself tells
}

// Endpoint is what serves a model.
type Endpoint struct {
	Name     string    `json:"name"`
	Status   string    `json:"status"`
	Config   string    `json:"config"`
	Variants []Variant `json:"variants"`
}

// Share is a slot's part of the traffic, 0..1.
func (e Endpoint) Share(slot string) float64 {
	sum, own := 0.0, 0.0
	for _, v := range e.Variants {
		sum += v.Weight
		if v.Slot == slot {
			own = v.Weight
		}
	}
	if sum == 0 {
		return 0
	}
	return own / sum
}

// ShowEndpoint reads a model's endpoint back.
func (c *Client) ShowEndpoint(ctx context.Context, model string) (Endpoint, error) {
	name := contract.EndpointName(c.Environment, model)
	if backend, err := c.ecs(ctx, model); err != nil || backend != nil {
		return c.showBalanced(ctx, backend, model, err)
	}
	out, err := c.endpoints.DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: aws.String(name)})
	if err != nil {
		return Endpoint{}, fmt.Errorf("read endpoint %s: %w (it exists once the model's first version was promoted)", name, err)
	}
	endpoint := Endpoint{Name: name, Status: string(out.EndpointStatus), Config: aws.ToString(out.EndpointConfigName)}
	for _, v := range out.ProductionVariants {
		endpoint.Variants = append(endpoint.Variants, Variant{
			Slot:   aws.ToString(v.VariantName),
			Weight: float64(aws.ToFloat32(v.CurrentWeight)), Desired: float64(aws.ToFloat32(v.DesiredWeight)),
			Instances: int(aws.ToInt32(v.CurrentInstanceCount)),
		})
	}
	return endpoint, nil
}

// Ask sends one JSON request to a model's endpoint and says which variant
// answered, also when the answer was an error where that is known. It never
// retries: the caller counts failures.
func (c *Client) Ask(ctx context.Context, model, inferenceID string, body []byte) (variant string, err error) {
	if backend, err := c.ecs(ctx, model); err != nil || backend != nil {
		return c.askBalanced(ctx, model, inferenceID, body, err)
	}
	out, err := c.inference.InvokeEndpoint(ctx, &sagemakerruntime.InvokeEndpointInput{
		EndpointName: aws.String(contract.EndpointName(c.Environment, model)),
		ContentType:  aws.String("application/json"),
		InferenceId:  aws.String(inferenceID),
		Body:         body,
	}, func(o *sagemakerruntime.Options) { o.RetryMaxAttempts = 1 })
	if err != nil {
		return failedVariant(err), err
	}
	return aws.ToString(out.InvokedProductionVariant), nil
}

// failedVariant reads the variant from a model error's response headers.
func failedVariant(err error) string {
	var model *runtimetypes.ModelError
	var response *smithyhttp.ResponseError
	if errors.As(err, &model) && errors.As(err, &response) {
		return response.HTTPResponse().Header.Get("x-Amzn-Invoked-Production-Variant")
	}
	return ""
}

// AlarmSince is when an alarm of a model's slot went into its present state.
func (c *Client) AlarmSince(ctx context.Context, model, slot, measure string) (state string, since time.Time, err error) {
	name := contract.AlarmName(c.Environment, model, slot, measure)
	out, err := c.alarms.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{name}})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("read alarm %s: %w", name, err)
	}
	if len(out.MetricAlarms) != 1 {
		return "", time.Time{}, fmt.Errorf("there is no alarm %s", name)
	}
	alarm := out.MetricAlarms[0]
	return string(alarm.StateValue), aws.ToTime(alarm.StateTransitionedTimestamp), nil
}

// AlarmFired is when an alarm last went to ALARM, at or before a time; zero when
// its history does not say (CloudWatch keeps it for 30 days).
func (c *Client) AlarmFired(ctx context.Context, name string, by time.Time) (time.Time, error) {
	pages := cloudwatch.NewDescribeAlarmHistoryPaginator(c.alarms, &cloudwatch.DescribeAlarmHistoryInput{
		AlarmName: aws.String(name), HistoryItemType: types.HistoryItemTypeStateUpdate, EndDate: aws.Time(by.Add(time.Second)),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return time.Time{}, fmt.Errorf("read the history of alarm %s: %w", name, err)
		}
		for _, item := range page.AlarmHistoryItems { // the newest first
			var change struct {
				NewState struct {
					StateValue string `json:"stateValue"`
				} `json:"newState"`
			}
			at := aws.ToTime(item.Timestamp)
			if at.After(by) || json.Unmarshal([]byte(aws.ToString(item.HistoryData)), &change) != nil {
				continue
			}
			if change.NewState.StateValue == string(types.StateValueAlarm) {
				return at, nil
			}
		}
	}
	return time.Time{}, nil
}
