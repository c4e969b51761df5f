package s3

import (
	"context"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"
)

func TestLifecycleRulesCanBeChanged(t *testing.T) {
	dir, ctx := t.TempDir()+"/s3", context.Background()
	r := openWith(t, dir, &board{})
	const template = `{"BucketName":"store","LifecycleConfiguration":{"Rules":[{"Id":"old","Status":"Enabled","NoncurrentVersionExpiration":{"NoncurrentDays":30}}]}}`
	r.declare(t, "Store", template)
	rules := []types.LifecycleRule{
		{ID: aws.String("cool"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: aws.String("raw/"),
			Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}, ObjectSizeGreaterThan: aws.Int64(1 << 20)}},
			Transitions: []types.Transition{{Days: aws.Int32(30), StorageClass: types.TransitionStorageClassStandardIa}, {Days: aws.Int32(90), StorageClass: types.TransitionStorageClassGlacierIr}},
			Expiration:  &types.LifecycleExpiration{Days: aws.Int32(365)}},
		{Status: types.ExpirationStatusDisabled, Filter: &types.LifecycleRuleFilter{Tag: &types.Tag{Key: aws.String("tmp"), Value: aws.String("1")}},
			Expiration: &types.LifecycleExpiration{Date: aws.Time(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))}},
		{ID: aws.String("tidy"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
			Expiration:                     &types.LifecycleExpiration{ExpiredObjectDeleteMarker: aws.Bool(true)},
			NoncurrentVersionExpiration:    &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(3), NewerNoncurrentVersions: aws.Int32(5)},
			NoncurrentVersionTransitions:   []types.NoncurrentVersionTransition{{NoncurrentDays: aws.Int32(1), StorageClass: types.TransitionStorageClassGlacier}},
			AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(7)}},
	}
	_, err := r.client.PutBucketLifecycleConfiguration(ctx, &sdk.PutBucketLifecycleConfigurationInput{Bucket: store, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules}})
	require.NoError(t, err)
	check := func(r rig) {
		t.Helper()
		got, err := r.client.GetBucketLifecycleConfiguration(ctx, &sdk.GetBucketLifecycleConfigurationInput{Bucket: store})
		require.NoError(t, err)
		require.NotEmpty(t, *got.Rules[1].ID, "S3 names rules")
		got.Rules[1].ID = nil
		require.Equal(t, rules, got.Rules)
	}
	check(r)
	require.NoError(t, r.service.Close())
	again := openWith(t, dir, &board{})
	again.declare(t, "Store", template)
	check(again) // the template says what it said before
	again.declare(t, "Store", strings.Replace(template, `"NoncurrentDays":30`, `"NoncurrentDays":31`, 1))
	got, err := again.client.GetBucketLifecycleConfiguration(ctx, &sdk.GetBucketLifecycleConfigurationInput{Bucket: store})
	require.NoError(t, err)
	require.Len(t, got.Rules, 1)
	require.EqualValues(t, 31, *got.Rules[0].NoncurrentVersionExpiration.NoncurrentDays)
	_, err = again.client.DeleteBucketLifecycle(ctx, &sdk.DeleteBucketLifecycleInput{Bucket: store})
	require.NoError(t, err)
	_, err = again.client.GetBucketLifecycleConfiguration(ctx, &sdk.GetBucketLifecycleConfigurationInput{Bucket: store})
	require.Equal(t, "NoSuchLifecycleConfiguration", code(err))
	_, err = again.client.GetBucketLifecycleConfiguration(ctx, &sdk.GetBucketLifecycleConfigurationInput{Bucket: aws.String("nowhere")})
	require.Equal(t, "NoSuchBucket", code(err))
}

const rule = `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ID>r</ID><Status>Enabled</Status>%</Rule></LifecycleConfiguration>`

func TestLifecycleRulesThatAreRefused(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	for body, want := range map[string]string{
		`nonsense`: "MalformedXML",
		`<LifecycleConfiguration></LifecycleConfiguration>`:                                                                                                                                                    "MalformedXML",
		strings.Replace(rule, "%", `<Filter/>`, 1):                                                                                                                                                             "InvalidRequest",
		strings.Replace(rule, "%", `<Expiration><Days>1</Days></Expiration>`, 1):                                                                                                                               "MalformedXML",
		strings.Replace(rule, "%", `<Prefix/><Filter/><Expiration><Days>1</Days></Expiration>`, 1):                                                                                                             "MalformedXML",
		strings.Replace(rule, "%", `<Filter/><Expiration><Days>0</Days></Expiration>`, 1):                                                                                                                      "InvalidArgument",
		strings.Replace(rule, "%", `<Filter/><Expiration><Days>x</Days></Expiration>`, 1):                                                                                                                      "MalformedXML",
		strings.Replace(rule, "%", `<Filter/><Expiration><Days>1</Days><Date>2030-01-01T00:00:00Z</Date></Expiration>`, 1):                                                                                     "MalformedXML",
		strings.Replace(rule, "%", `<Filter/><Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>`, 1):                                                                                                   "InvalidArgument",
		strings.Replace(rule, "%", `<Filter/><Expiration><Weeks>1</Weeks></Expiration>`, 1):                                                                                                                    "MalformedXML",
		strings.Replace(rule, "%", `<Filter/><Surprise/><Expiration><Days>1</Days></Expiration>`, 1):                                                                                                           "MalformedXML",
		strings.Replace(rule, "%", `<Filter/><Transition><Days>29</Days><StorageClass>STANDARD_IA</StorageClass></Transition>`, 1):                                                                             "InvalidArgument",
		strings.Replace(rule, "%", `<Filter/><Transition><Days>30</Days><StorageClass>COLD</StorageClass></Transition>`, 1):                                                                                    "MalformedXML",
		strings.Replace(rule, "%", `<Filter/><NoncurrentVersionExpiration><NoncurrentDays>0</NoncurrentDays></NoncurrentVersionExpiration>`, 1):                                                                "InvalidArgument",
		strings.Replace(rule, "%", `<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>`, 1): "InvalidRequest",
		strings.Replace(rule, "%", `<Filter><And><Prefix>a</Prefix></And></Filter><Expiration><Days>1</Days></Expiration>`, 1):                                                                                 "MalformedXML",
		strings.Replace(strings.Replace(rule, "%", `<Filter/><Expiration><Days>1</Days></Expiration>`, 1), "Enabled", "On", 1):                                                                                 "MalformedXML",
		strings.Replace(rule, "%", `<Filter/><Expiration><Days>9</Days></Expiration><Transition><Days>9</Days><StorageClass>GLACIER</StorageClass></Transition>`, 1):                                           "InvalidArgument",
	} {
		_, err := parseLifecycle([]byte(body))
		require.NotNil(t, err, body)
		require.Equal(t, want, err.Code, "%s: %s", body, err.Message)
	}
	twice := types.LifecycleRule{ID: aws.String("r"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{}, Expiration: &types.LifecycleExpiration{Days: aws.Int32(1)}}
	_, err := r.client.PutBucketLifecycleConfiguration(ctx, &sdk.PutBucketLifecycleConfigurationInput{Bucket: store,
		LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{twice, twice}}})
	require.Equal(t, "InvalidArgument", code(err))
	_, err = r.client.GetBucketLifecycleConfiguration(ctx, &sdk.GetBucketLifecycleConfigurationInput{Bucket: store})
	require.Equal(t, "NoSuchLifecycleConfiguration", code(err), "a refused configuration changes nothing")
	stranger := sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: aws.String(r.url), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "wrong"}, nil
		})})
	_, err = stranger.DeleteBucketLifecycle(ctx, &sdk.DeleteBucketLifecycleInput{Bucket: store})
	require.Equal(t, "SignatureDoesNotMatch", code(err))
}

func TestDeclaredLifecycleRules(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	r.declare(t, "B", `{"BucketName":"declared","LifecycleConfiguration":{"Rules":[{"Status":"Enabled","Prefix":"raw/","TagFilters":[{"Key":"k","Value":"v"}],
		"ObjectSizeGreaterThan":"1024","Transitions":[{"StorageClass":"STANDARD_IA","TransitionInDays":30}],
		"NoncurrentVersionTransitions":[{"StorageClass":"GLACIER_IR","TransitionInDays":7,"NewerNoncurrentVersions":2}],"ExpirationInDays":60}]}}`)
	got, err := r.client.GetBucketLifecycleConfiguration(ctx, &sdk.GetBucketLifecycleConfigurationInput{Bucket: aws.String("declared")})
	require.NoError(t, err)
	and := got.Rules[0].Filter.And
	require.Equal(t, []any{"raw/", "k", int64(1024)}, []any{*and.Prefix, *and.Tags[0].Key, *and.ObjectSizeGreaterThan})
	require.EqualValues(t, 30, *got.Rules[0].Transitions[0].Days)
	require.EqualValues(t, 2, *got.Rules[0].NoncurrentVersionTransitions[0].NewerNoncurrentVersions)
}

// FuzzLifecycle: what is accepted is written as something that reads the same.
func FuzzLifecycle(f *testing.F) {
	f.Add([]byte(strings.Replace(rule, "%", `<Filter/><Expiration><Days>1</Days></Expiration>`, 1)))
	f.Add([]byte(strings.Replace(rule, "%", `<Filter><And><Prefix>a</Prefix><Tag><Key>k</Key><Value/></Tag></And></Filter><Transition><Days>0</Days><StorageClass>GLACIER</StorageClass></Transition>`, 1)))
	f.Fuzz(func(t *testing.T, body []byte) {
		rules, err := parseLifecycle(body)
		if err != nil {
			return
		}
		written, failure := xml.Marshal(Lifecycle{Rules: rules})
		require.NoError(t, failure)
		again, err := parseLifecycle(written)
		require.Nil(t, err, "%s", written)
		require.Equal(t, rules, again)
	})
}
