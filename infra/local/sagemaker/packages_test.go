package sagemaker

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

func TestModelRegistry(t *testing.T) {
	b := newBench(t)
	create := b.Creators()["AWS::SageMaker::ModelPackageGroup"]
	resource := assembly.Resource{LogicalID: "Registry", Type: "AWS::SageMaker::ModelPackageGroup", Properties: json.RawMessage(`{"ModelPackageGroupName":"adult"}`)}
	made, err := create(t.Context(), resource)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sagemaker:eu-west-1:000000000000:model-package-group/adult", made.Ref)
	again, err := create(t.Context(), resource)
	require.NoError(t, err)
	require.Equal(t, made, again)
	resource.Properties = json.RawMessage(`{"ModelPackageGroupName":"adult","ModelPackageGroupPolicy":{}}`)
	_, err = create(t.Context(), resource)
	require.ErrorContains(t, err, "ModelPackageGroupPolicy")

	in := &sagemaker.CreateModelPackageInput{ModelPackageGroupName: aws.String("adult"), ClientToken: aws.String("run-1"), ModelApprovalStatus: types.ModelApprovalStatusApproved,
		CustomerMetadataProperties: map[string]string{"run": "adult-1"},
		InferenceSpecification: &types.InferenceSpecification{SupportedContentTypes: []string{"text/csv"},
			Containers: []types.ModelPackageContainerDefinition{{Image: aws.String("server:1"), ModelDataUrl: aws.String("s3://store/m.tar.gz")}}}}
	one, err := b.client.CreateModelPackage(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sagemaker:eu-west-1:000000000000:model-package/adult/1", *one.ModelPackageArn)
	same, err := b.client.CreateModelPackage(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, *one.ModelPackageArn, *same.ModelPackageArn, "the same client token makes one version")
	in.ClientToken = aws.String("run-2")
	two, err := b.client.CreateModelPackage(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sagemaker:eu-west-1:000000000000:model-package/adult/2", *two.ModelPackageArn)

	_, err = b.client.UpdateModelPackage(t.Context(), &sagemaker.UpdateModelPackageInput{ModelPackageArn: two.ModelPackageArn, ModelApprovalStatus: types.ModelApprovalStatusRejected,
		CustomerMetadataProperties: map[string]string{"reason": "slow"}, CustomerMetadataPropertiesToRemove: []string{"run"}})
	require.NoError(t, err)
	got, err := b.client.DescribeModelPackage(t.Context(), &sagemaker.DescribeModelPackageInput{ModelPackageName: two.ModelPackageArn})
	require.NoError(t, err)
	require.Equal(t, types.ModelApprovalStatusRejected, got.ModelApprovalStatus)
	require.Equal(t, map[string]string{"reason": "slow"}, got.CustomerMetadataProperties)
	require.Equal(t, "server:1", *got.InferenceSpecification.Containers[0].Image)

	list, err := b.client.ListModelPackages(t.Context(), &sagemaker.ListModelPackagesInput{ModelPackageGroupName: aws.String("adult"), ModelApprovalStatus: types.ModelApprovalStatusApproved})
	require.NoError(t, err)
	require.Len(t, list.ModelPackageSummaryList, 1)
	require.Equal(t, int32(1), *list.ModelPackageSummaryList[0].ModelPackageVersion)

	kept := openBench(t, b.dir, b.objects)
	_, err = kept.client.DescribeModelPackage(t.Context(), &sagemaker.DescribeModelPackageInput{ModelPackageName: two.ModelPackageArn})
	require.NoError(t, err)
	_, err = kept.client.DescribeModelPackage(t.Context(), &sagemaker.DescribeModelPackageInput{ModelPackageName: aws.String("arn:aws:sagemaker:eu-west-1:000000000000:model-package/adult/3")})
	require.ErrorContains(t, err, "does not exist")
	group, err := kept.client.DescribeModelPackageGroup(t.Context(), &sagemaker.DescribeModelPackageGroupInput{ModelPackageGroupName: aws.String("adult")})
	require.NoError(t, err)
	require.Equal(t, types.ModelPackageGroupStatusCompleted, group.ModelPackageGroupStatus)
}
