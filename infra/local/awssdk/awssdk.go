// Package awssdk makes the aws-sdk:* calls of state machines, through the AWS
// SDK for Go.
//
// Step Functions names services and actions as the AWS SDK for Java does:
// aws-sdk:sagemaker:describeEndpoint is the service "sagemaker" and the action
// "describeEndpoint". Parameters and results are JSON whose members are the
// API's in PascalCase (Java's: ACL is Acl, SSEKMSKeyId is SsekmsKeyId). Times
// are ISO 8601 strings, blobs and streams are strings. An error is named
// <Prefix>.<Exception>, e.g. S3.NoSuchKeyException; one that the service's
// model does not have is <Prefix>.<Prefix>Exception, e.g.
// SageMaker.SageMakerException.
//
// A service is a line for each operation that the local stack serves (see
// services.go); what is not there is refused with the nearest that is.
package awssdk

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sluice-ml/sluice/infra/local/nearest"
)

// Caller calls AWS services at one endpoint.
type Caller struct {
	services map[string]service
}

// service is one AWS service as state machines know it.
type service struct {
	prefix     string // of its errors
	operations map[string]operation
}

// New makes a caller. config says the endpoint, the region and the credentials;
// a call is not retried, because state machines say themselves how.
func New(config aws.Config) *Caller {
	config.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return &Caller{services: services(config)}
}

// Actions lists what can be called, as "service:action".
func (c *Caller) Actions() []string {
	var all []string
	for name, s := range c.services {
		for action := range s.operations {
			all = append(all, name+":"+action)
		}
	}
	slices.Sort(all)
	return all
}

func (c *Caller) find(serviceName, action string) (service, operation, error) {
	s, ok := c.services[serviceName]
	if !ok {
		return s, operation{}, fmt.Errorf("the local stack's state machines do not call the service %q%s", serviceName, nearest.Hint("service", serviceName, nearest.Keys(c.services)))
	}
	op, ok := s.operations[action]
	if !ok {
		return s, op, fmt.Errorf("the local stack's state machines do not call %s:%s%s", serviceName, action, nearest.Hint("action", action, nearest.Keys(s.operations)))
	}
	return s, op, nil
}

// Check refuses a call that cannot be made: of a service or an action that is
// not there, with a member that the action does not have, or without one that
// it needs. fields are the names of the members, nil when they are only known
// at run time.
func (c *Caller) Check(serviceName, action string, fields []string) error {
	_, op, err := c.find(serviceName, action)
	if err != nil || fields == nil {
		return err
	}
	known := op.members()
	for _, f := range fields {
		if !slices.Contains(known, f) {
			return fmt.Errorf("The field %q is not supported by Step Functions for %s:%s%s", f, serviceName, action, nearest.Hint("field", f, known))
		}
	}
	return op.required(fields)
}

// Call makes a call. The error is a *wire.Error; its code is the exception's
// name, SdkClientException when the service could not be reached, and
// States.Runtime when the parameters are no call.
func (c *Caller) Call(ctx context.Context, serviceName, action string, parameters json.RawMessage) (json.RawMessage, error) {
	s, op, err := c.find(serviceName, action)
	if err != nil {
		return nil, err
	}
	in, err := op.input(parameters)
	if err != nil {
		return nil, err
	}
	out, err := op.call(ctx, in)
	if err != nil {
		return nil, s.exception(err)
	}
	v, err := toJSON(out)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}
