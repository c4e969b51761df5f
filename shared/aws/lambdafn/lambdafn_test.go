package lambdafn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/lambdafn"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

func TestEveryKindHasItsErrorName(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Invalid, fault.NotFound, fault.Conflict, fault.Denied, fault.Busy,
		fault.Unavailable, fault.Internal} {
		err := fmt.Errorf("outside: %w", fault.New(kind, "move", "it was gone").WithHint("look again"))
		response, ok := lambdafn.Named(err).(messages.InvokeResponse_Error)
		require.True(t, ok)
		require.Equal(t, "Sluice."+string(kind), response.Type)
		require.Equal(t, "outside: move: it was gone (look again)", response.Message)
	}
	require.NoError(t, lambdafn.Named(nil))
	response := lambdafn.Named(errors.New("plain")).(messages.InvokeResponse_Error)
	require.Equal(t, "Sluice.Internal", response.Type)
}

func TestAdaptDecodesAndAnswers(t *testing.T) {
	handler := lambdafn.Adapt(func(_ context.Context, in contract.StepInput) (contract.PlanResult, error) {
		if in.Model == "" {
			return contract.PlanResult{}, fault.New(fault.Invalid, "plan", "no model")
		}
		return contract.PlanResult{Plan: in.Model + "/" + in.Run}, nil
	})
	out, err := handler(t.Context(), json.RawMessage(`{"model":"m","run":"m-1","more":{}}`))
	require.NoError(t, err)
	require.Equal(t, "m/m-1", out.Plan)

	_, err = handler(t.Context(), json.RawMessage(`{}`))
	require.Equal(t, "Sluice.Invalid", err.(messages.InvokeResponse_Error).Type)
	_, err = handler(t.Context(), json.RawMessage(`[1`))
	require.Equal(t, "Sluice.Invalid", err.(messages.InvokeResponse_Error).Type)
	require.Contains(t, err.Error(), "read the event")
}
