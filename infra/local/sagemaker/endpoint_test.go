package sagemaker

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/stretchr/testify/require"
)

func TestCreateServesByWeight(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	got := b.describe(t)
	require.Equal(t, "c1", *got.EndpointConfigName)
	require.Nil(t, got.PendingDeploymentSummary)
	require.Equal(t, float32(10), *got.ProductionVariants[1].CurrentWeight)
	require.Equal(t, float32(10), *got.ProductionVariants[1].DesiredWeight)
	require.Equal(t, int32(1), *got.ProductionVariants[0].CurrentInstanceCount)

	const n = 2000
	green := 0
	for range n {
		r, err := b.call(t, "1,2", "")
		require.NoError(t, err)
		if r.variant == "green" {
			green++
			require.True(t, strings.HasPrefix(r.body, "candidate,m1,"), r.body)
		}
	}
	// 10 % of 2,000 with a standard deviation of 13.4; the seed is fixed.
	require.InDelta(t, 200, green, 3*13.4)

	r, err := b.call(t, "1,2", "green")
	require.NoError(t, err)
	require.Equal(t, "green", r.variant)
	require.Equal(t, "got trace=7", r.attributes)
	_, err = b.call(t, "1,2", "red")
	require.Equal(t, "ValidationError", code(t, err))
}

func TestWeightsAreAsynchronous(t *testing.T) {
	b := newBench(t)
	b.Service.config.UpdateTime = 100 * time.Millisecond
	b.serve(t)
	require.NoError(t, b.weigh(t, map[string]float32{"blue": 0, "green": 0.1}))
	got := b.describe(t)
	require.Equal(t, types.EndpointStatusUpdating, got.EndpointStatus)
	require.Equal(t, float32(90), *got.ProductionVariants[0].CurrentWeight)
	require.Equal(t, float32(0), *got.ProductionVariants[0].DesiredWeight)

	err := b.weigh(t, map[string]float32{"blue": 1})
	require.Equal(t, "ValidationException", code(t, err))
	require.ErrorContains(t, err, `Cannot update in-progress endpoint "arn:aws:sagemaker:eu-west-1:000000000000:endpoint/e".`)
	require.ErrorContains(t, b.update(t, "c1"), "Cannot update in-progress endpoint")
	_, err = b.client.DeleteEndpoint(t.Context(), &sagemaker.DeleteEndpointInput{EndpointName: aws.String("e")})
	require.ErrorContains(t, err, "Cannot update in-progress endpoint")

	got = b.await(t, types.EndpointStatusInService)
	require.Equal(t, float32(0.1), *got.ProductionVariants[1].CurrentWeight)
	for range 50 {
		r, err := b.call(t, "1", "")
		require.NoError(t, err)
		require.Equal(t, "green", r.variant)
	}
	r, err := b.call(t, "1", "blue")
	require.NoError(t, err, "a variant at weight 0 still answers when targeted")
	require.Equal(t, "blue", r.variant)

	require.ErrorContains(t, b.weigh(t, map[string]float32{"green": 0}), "all be zero")
	require.ErrorContains(t, b.weigh(t, map[string]float32{"red": 1}), "not present within endpoint configuration")
	require.ErrorContains(t, b.weigh(t, map[string]float32{"green": -1}), "want at least 0")
}

func TestUpdateKeepsOrResetsWeights(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	require.NoError(t, b.weigh(t, map[string]float32{"blue": 30, "green": 70}))
	b.await(t, types.EndpointStatusInService)
	b.model(t, "next", nil)
	b.config(t, "c2", production("blue", "next", 50), production("green", "candidate", 50), production("third", "next", 5))
	before, err := b.call(t, "1", "green")
	require.NoError(t, err)
	_, err = b.client.UpdateEndpoint(t.Context(), &sagemaker.UpdateEndpointInput{EndpointName: aws.String("e"), EndpointConfigName: aws.String("c2"), RetainAllVariantProperties: aws.Bool(true),
		ExcludeRetainedVariantProperties: []types.VariantProperty{{VariantPropertyType: types.VariantPropertyTypeDataCaptureConfig}}})
	require.NoError(t, err)
	got := b.await(t, types.EndpointStatusInService)
	require.Equal(t, "c2", *got.EndpointConfigName)
	require.Equal(t, []float32{30, 70, 5}, []float32{*got.ProductionVariants[0].CurrentWeight, *got.ProductionVariants[1].CurrentWeight, *got.ProductionVariants[2].CurrentWeight})
	after, err := b.call(t, "1", "green")
	require.NoError(t, err)
	require.Equal(t, before.body, after.body, "an unchanged variant keeps its process")
	blue, err := b.call(t, "1", "blue")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(blue.body, "next,"), blue.body)

	require.NoError(t, b.update(t, "c1"))
	got = b.await(t, types.EndpointStatusInService)
	require.Equal(t, float32(90), *got.ProductionVariants[0].CurrentWeight, "without retaining, the configuration's weights")

	_, err = b.client.UpdateEndpoint(t.Context(), &sagemaker.UpdateEndpointInput{EndpointName: aws.String("e"), EndpointConfigName: aws.String("c2"), RetainDeploymentConfig: aws.Bool(true)})
	require.ErrorContains(t, err, "RetainDeploymentConfig")
	_, err = b.client.UpdateEndpoint(t.Context(), &sagemaker.UpdateEndpointInput{EndpointName: aws.String("e"), EndpointConfigName: aws.String("c2"),
		DeploymentConfig: &types.DeploymentConfig{AutoRollbackConfiguration: &types.AutoRollbackConfig{}}})
	require.ErrorContains(t, err, "DeploymentConfig")
}

func TestFailedUpdateEndsInServiceOnTheOldConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		environment map[string]string
		artefact    string
		want        string
	}{
		"crashes":           {map[string]string{"MODE": "crash"}, "m.tar.gz", "ended with exit code 3"},
		"never answers":     {map[string]string{"MODE": "deaf"}, "m.tar.gz", "did not pass the ping health check"},
		"artefact is away":  {nil, "none.tar.gz", "Failed to download model data"},
		"artefact is wrong": {nil, "escape.tar.gz", "leads outside the model's folder"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.objects.all["store/escape.tar.gz"] = targz(t, map[string]string{"../escaped.txt": "x"})
			b.serve(t)
			b.Service.config.ReadyTimeout = time.Second
			_, err := b.client.CreateModel(t.Context(), &sagemaker.CreateModelInput{ModelName: aws.String("bad"), PrimaryContainer: &types.ContainerDefinition{
				Image: aws.String("server:1"), ModelDataUrl: aws.String("s3://store/" + c.artefact), Environment: c.environment}})
			require.NoError(t, err)
			b.config(t, "c2", production("blue", "champion", 1), production("green", "bad", 1))
			require.NoError(t, b.update(t, "c2"))
			got := b.describe(t)
			if got.EndpointStatus == types.EndpointStatusUpdating {
				require.Equal(t, "c2", *got.PendingDeploymentSummary.EndpointConfigName)
				require.Equal(t, "c1", *got.EndpointConfigName)
			}
			got = b.await(t, types.EndpointStatusInService)
			require.Equal(t, "c1", *got.EndpointConfigName)
			require.Contains(t, *got.FailureReason, c.want)
			require.Nil(t, got.PendingDeploymentSummary)
			require.Equal(t, float32(90), *got.ProductionVariants[0].CurrentWeight)
			r, err := b.call(t, "1", "green")
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(r.body, "candidate,"), r.body)
			require.NoError(t, b.weigh(t, map[string]float32{"green": 20}), "and it can be changed again")
			got = b.await(t, types.EndpointStatusInService)
			require.Nil(t, got.FailureReason, "a change that succeeded clears the reason")
		})
	}
}

func TestFailedCreation(t *testing.T) {
	b := newBench(t)
	b.model(t, "bad", map[string]string{"MODE": "crash"})
	b.config(t, "c1", production("blue", "bad", 1))
	_, err := b.client.CreateEndpoint(t.Context(), &sagemaker.CreateEndpointInput{EndpointName: aws.String("e"), EndpointConfigName: aws.String("c1")})
	require.NoError(t, err)
	got := b.await(t, types.EndpointStatusFailed)
	require.Contains(t, *got.FailureReason, "The primary container for production variant blue did not pass the ping health check.")
	require.ErrorContains(t, b.update(t, "c1"), "it can only be deleted")
	_, err = b.call(t, "1", "")
	require.Equal(t, "ValidationError", code(t, err))
	_, err = b.client.DeleteEndpoint(t.Context(), &sagemaker.DeleteEndpointInput{EndpointName: aws.String("e")})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := b.client.DescribeEndpoint(t.Context(), &sagemaker.DescribeEndpointInput{EndpointName: aws.String("e")})
		return err != nil && strings.Contains(err.Error(), "Could not find endpoint")
	}, 10*time.Second, 5*time.Millisecond)
}

func TestScalingAndRoundRobin(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	scale := func(n int32) {
		_, err := b.client.UpdateEndpointWeightsAndCapacities(t.Context(), &sagemaker.UpdateEndpointWeightsAndCapacitiesInput{EndpointName: aws.String("e"),
			DesiredWeightsAndCapacities: []types.DesiredWeightAndCapacity{{VariantName: aws.String("blue"), DesiredInstanceCount: aws.Int32(n)}}})
		require.NoError(t, err)
		got := b.await(t, types.EndpointStatusInService)
		require.Equal(t, n, *got.ProductionVariants[0].CurrentInstanceCount)
	}
	pids := func() map[string]int {
		out := map[string]int{}
		for range 6 {
			r, err := b.call(t, "1", "blue")
			require.NoError(t, err)
			out[r.body]++
		}
		return out
	}
	scale(3)
	for _, n := range pids() {
		require.Equal(t, 2, n, "each of three instances in turn")
	}
	require.Len(t, pids(), 3)
	scale(1)
	require.Len(t, pids(), 1)
}

func TestACrashedServerIsRestarted(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	_, err := b.call(t, "die", "blue")
	require.Equal(t, "ModelError", code(t, err))
	require.Eventually(t, func() bool {
		_, err := b.call(t, "1", "blue")
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, types.EndpointStatusInService, b.describe(t).EndpointStatus)
	require.NoError(t, b.Flush(t.Context(), time.Now()))
	errors5, samples := b.metrics.sum("Invocation5XXErrors", "blue")
	requests, _ := b.metrics.sum("Invocations", "blue")
	require.GreaterOrEqual(t, errors5, 1.0)
	require.Equal(t, requests, samples, "each request publishes 0 or 1")
}

func TestDeletedConfigurationBlocksUpdates(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	_, err := b.client.DeleteEndpointConfig(t.Context(), &sagemaker.DeleteEndpointConfigInput{EndpointConfigName: aws.String("c1")})
	require.NoError(t, err)
	b.config(t, "c2", production("blue", "champion", 1))
	require.ErrorContains(t, b.update(t, "c2"), `Could not find endpoint configuration "arn:aws:sagemaker:eu-west-1:000000000000:endpoint-config/c1"`)
	_, err = b.call(t, "1", "")
	require.NoError(t, err, "it serves on")
}

// gated makes configuration c2 whose green variant is ready once the returned
// file exists.
func (b *bench) gated(t *testing.T) string {
	t.Helper()
	gate := filepath.Join(t.TempDir(), "gate")
	b.model(t, "gated", map[string]string{"GATE": gate})
	b.config(t, "c2", production("blue", "champion", 1), production("green", "gated", 1))
	return gate
}

// alive says whether a process runs, from its own answer "name,model,pid".
func pid(t *testing.T, body string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(body[strings.LastIndexByte(body, ',')+1:]))
	require.NoError(t, err)
	return n
}

// A second service on the same folder, while the first is not closed, is what a
// kill -9 and a restart leave behind: only what was on disk counts.
func TestKillDuringAnUpdateThenRecover(t *testing.T) {
	for name, opens := range map[string]bool{"completes": true, "rolls back": false} {
		t.Run(name, func(t *testing.T) {
			first := newBench(t)
			first.serve(t)
			gate := first.gated(t)
			require.NoError(t, first.update(t, "c2"))
			require.Equal(t, types.EndpointStatusUpdating, first.describe(t).EndpointStatus)

			copied := filepath.Join(t.TempDir(), "copy")
			require.NoError(t, os.CopyFS(copied, os.DirFS(first.dir)))
			second := openBench(t, copied, first.objects)
			if opens {
				require.NoError(t, os.WriteFile(gate, nil, 0o600))
			} else {
				second.Service.config.ReadyTimeout = 2 * time.Second
			}
			require.Equal(t, types.EndpointStatusUpdating, second.describe(t).EndpointStatus)
			require.NoError(t, second.Recover(t.Context()))
			r, err := second.call(t, "1", "blue")
			require.NoError(t, err, "the current configuration serves at once")
			require.True(t, strings.HasPrefix(r.body, "champion,m1,"))
			got := second.await(t, types.EndpointStatusInService)
			r, err = second.call(t, "1", "green")
			require.NoError(t, err)
			if opens {
				require.Equal(t, "c2", *got.EndpointConfigName)
				require.True(t, strings.HasPrefix(r.body, "gated,"), r.body)
				require.Equal(t, float32(1), *got.ProductionVariants[0].CurrentWeight)
			} else {
				require.Equal(t, "c1", *got.EndpointConfigName)
				require.Contains(t, *got.FailureReason, "did not pass the ping health check")
				require.True(t, strings.HasPrefix(r.body, "candidate,"), r.body)
				require.Equal(t, float32(90), *got.ProductionVariants[0].CurrentWeight)
			}
		})
	}
}

func TestCloseThenRecover(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	require.NoError(t, b.weigh(t, map[string]float32{"blue": 60, "green": 40}))
	b.await(t, types.EndpointStatusInService)
	before, err := b.call(t, "1", "blue")
	require.NoError(t, err)
	require.NoError(t, b.Close(context.Background()))
	_, err = os.Stat(filepath.Join("/proc", strconv.Itoa(pid(t, before.body))))
	require.ErrorIs(t, err, os.ErrNotExist, "the server is gone")

	again := openBench(t, b.dir, b.objects)
	require.NoError(t, again.Recover(t.Context()))
	got := again.describe(t)
	require.Equal(t, types.EndpointStatusInService, got.EndpointStatus)
	require.Equal(t, float32(40), *got.ProductionVariants[1].CurrentWeight)
	after, err := again.call(t, "1", "blue")
	require.NoError(t, err)
	require.NotEqual(t, before.body, after.body)
	require.Equal(t, int64(1), again.Usage()[0].Requests-b.Usage()[0].Requests, "totals go on")
}

func TestRequestsSurviveAnUpdate(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	b.model(t, "next", nil)
	b.config(t, "c2", production("blue", "next", 50), production("green", "next", 50))
	stop, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				failed <- nil
				return
			default:
				if _, err := b.call(t, "1", ""); err != nil {
					failed <- err
					return
				}
			}
		}
	}()
	require.NoError(t, b.update(t, "c2"))
	require.Equal(t, "c2", *b.await(t, types.EndpointStatusInService).EndpointConfigName)
	require.NoError(t, b.update(t, "c1"))
	require.Equal(t, "c1", *b.await(t, types.EndpointStatusInService).EndpointConfigName)
	close(stop)
	require.NoError(t, <-failed, "no request is lost while traffic moves")
}

func TestListAndValidation(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	list, err := b.client.ListEndpoints(t.Context(), &sagemaker.ListEndpointsInput{NameContains: aws.String("e"), StatusEquals: types.EndpointStatusInService})
	require.NoError(t, err)
	require.Len(t, list.Endpoints, 1)
	b.config(t, "c2", production("blue", "champion", 1))
	configs, err := b.client.ListEndpointConfigs(t.Context(), &sagemaker.ListEndpointConfigsInput{MaxResults: aws.Int32(1), SortBy: types.EndpointConfigSortKeyName, SortOrder: types.OrderKeyAscending})
	require.NoError(t, err)
	require.Equal(t, "c1", *configs.EndpointConfigs[0].EndpointConfigName)
	configs, err = b.client.ListEndpointConfigs(t.Context(), &sagemaker.ListEndpointConfigsInput{MaxResults: aws.Int32(1), SortBy: types.EndpointConfigSortKeyName, SortOrder: types.OrderKeyAscending, NextToken: configs.NextToken})
	require.NoError(t, err)
	require.Equal(t, "c2", *configs.EndpointConfigs[0].EndpointConfigName)

	for want, change := range map[string]func(*types.ProductionVariant){
		"Could not find model":   func(v *types.ProductionVariant) { v.ModelName = aws.String("none") },
		"all zero":               func(v *types.ProductionVariant) { v.InitialVariantWeight = aws.Float32(0) },
		"InitialInstanceCount 0": func(v *types.ProductionVariant) { v.InitialInstanceCount = aws.Int32(0) },
		"ServerlessConfig": func(v *types.ProductionVariant) {
			v.ServerlessConfig = &types.ProductionVariantServerlessConfig{MaxConcurrency: aws.Int32(1), MemorySizeInMB: aws.Int32(1024)}
		},
	} {
		v := production("blue", "champion", 1)
		change(&v)
		_, err := b.client.CreateEndpointConfig(t.Context(), &sagemaker.CreateEndpointConfigInput{EndpointConfigName: aws.String("c9"), ProductionVariants: []types.ProductionVariant{v}})
		require.Equal(t, "ValidationException", code(t, err))
		require.ErrorContains(t, err, want)
	}
	_, err = b.client.CreateModel(t.Context(), &sagemaker.CreateModelInput{ModelName: aws.String("champion"), PrimaryContainer: &types.ContainerDefinition{Image: aws.String("server:1")}})
	require.ErrorContains(t, err, "Cannot create already existing model")
	_, err = b.client.CreateEndpoint(t.Context(), &sagemaker.CreateEndpointInput{EndpointName: aws.String("e"), EndpointConfigName: aws.String("c1")})
	require.ErrorContains(t, err, "Cannot create already existing endpoint")
	m, err := b.client.DescribeModel(t.Context(), &sagemaker.DescribeModelInput{ModelName: aws.String("champion")})
	require.NoError(t, err)
	require.Equal(t, "server:1", *m.PrimaryContainer.Image)
	c, err := b.client.DescribeEndpointConfig(t.Context(), &sagemaker.DescribeEndpointConfigInput{EndpointConfigName: aws.String("c1")})
	require.NoError(t, err)
	require.Equal(t, types.MetricPublishFrequencyInSeconds(10), c.MetricsConfig.MetricPublishFrequencyInSeconds)
}
