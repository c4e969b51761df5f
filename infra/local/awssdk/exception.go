package awssdk

import (
	"errors"
	"reflect"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// exception gives an error of a service the name that it has in the AWS SDK
// for Java, as the code of a *wire.Error.
func (s service) exception(err error) error {
	if invalid, ok := errors.AsType[smithy.InvalidParamsError](err); ok {
		return wire.Errorf("States.Runtime", "%v", invalid)
	}
	answered, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return &wire.Error{Code: "SdkClientException", Message: err.Error(), Status: 500}
	}
	e := &wire.Error{Code: s.prefix + "Exception", Message: answered.ErrorMessage(), Status: 400}
	if e.Message == "" {
		e.Message = answered.ErrorCode()
	}
	if name := modelled(answered); name != "" {
		e.Code = exceptionName(name)
	}
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		e.Status = response.HTTPStatusCode()
	}
	return e
}

// modelled is the name of the error's shape, "" when the service's model does
// not have it.
func modelled(err smithy.APIError) string {
	if _, generic := err.(*smithy.GenericAPIError); generic {
		return ""
	}
	if queue, ok := err.(*queueException); ok {
		return queue.shape
	}
	return reflect.Indirect(reflect.ValueOf(err)).Type().Name()
}

func exceptionName(shape string) string {
	shape = strings.TrimSuffix(shape, "Fault")
	if strings.HasSuffix(shape, "Exception") {
		return shape
	}
	return shape + "Exception"
}
