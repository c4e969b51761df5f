package awssdk

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/batch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

func TestMemberName(t *testing.T) {
	for name, want := range map[string]string{
		"EndpointName": "EndpointName", "ETag": "ETag", "ACL": "Acl", "SSEKMSKeyId": "SsekmsKeyId", "MFA": "Mfa",
		"ChecksumCRC32": "ChecksumCRC32", "DBInstanceIdentifier": "DbInstanceIdentifier", "S3Uri": "S3Uri", "KMSKeyId": "KmsKeyId", "ID": "Id", "X": "X",
	} {
		if got := memberName(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestExceptionNames(t *testing.T) {
	s := service{prefix: "Cloud"}
	for want, err := range map[string]error{
		"NoSuchKeyException":         &s3types.NoSuchKey{},
		"LimitExceededException":     &cloudwatchtypes.LimitExceededFault{},
		"CloudException":             &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"},
		"SdkClientException":         io.ErrUnexpectedEOF,
		"States.Runtime":             smithy.InvalidParamsError{Context: "x"},
		"ResourceNotFoundException":  &cloudwatchtypes.ResourceNotFoundException{},
		"QueueDoesNotExistException": queueError([]byte(`{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"m"}`)),
	} {
		if got := s.exception(err).Error(); !strings.HasPrefix(got, want+": ") {
			t.Errorf("%T: %s, want %s", err, got, want)
		}
	}
}

// decoded puts JSON parameters into a new input.
func decoded[T any](parameters string) (*T, error) {
	in, err := operation{name: "test", in: reflect.TypeFor[T]()}.input(json.RawMessage(parameters))
	if err != nil {
		return nil, err
	}
	return in.(*T), nil
}

func TestDecode(t *testing.T) {
	in, err := decoded[s3.PutObjectInput](`{"Bucket":"b","Body":[1],"Metadata":{"k":"v"},"ContentLength":3.0,"BucketKeyEnabled":true,"Expires":"2026-01-02T03:04:05.5Z","Acl":"private","Tagging":null}`)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(in.Body)
	if err != nil || string(body) != "[1]" || *in.Bucket != "b" || in.Metadata["k"] != "v" || *in.ContentLength != 3 || !*in.BucketKeyEnabled ||
		!in.Expires.Equal(time.Date(2026, 1, 2, 3, 4, 5, 5e8, time.UTC)) || in.ACL != "private" || in.Tagging != nil {
		t.Errorf("%+v %s %v", in, body, err)
	}
	metric, err := decoded[cloudwatch.PutMetricDataInput](`{"Namespace":"n","MetricData":[{"MetricName":"m","Value":2,"Values":[1.5]}]}`)
	if err != nil || *metric.MetricData[0].Value != 2 || metric.MetricData[0].Values[0] != 1.5 {
		t.Errorf("%+v %v", metric, err)
	}
	for parameters, want := range map[string]string{
		`{"Buckets":"b"}`:                 `"Buckets" is not supported by Step Functions; the nearest field here is Bucket`,
		`{"Bucket":1}`:                    "Bucket: want a string, got 1",
		`{"Metadata":{"k":1}}`:            "Metadata.k: want a string",
		`{"Metadata":[]}`:                 "Metadata: want an object",
		`{"BucketKeyEnabled":"yes"}`:      "BucketKeyEnabled: want a bool",
		`{"ContentLength":1e30}`:          "ContentLength: want a whole number",
		`{"Expires":5}`:                   "Expires: want an ISO 8601 time",
		`[]`:                              "want an object",
		`{`:                               "unexpected EOF",
		`{"Bucket":{"a":"` + long + `"}}`: "Bucket: want a string, got",
		`{"ResultMetadata":{}}`:           "not supported",
		`{"SSEKMSKeyId":"the name that Go has it"}`: "the nearest field here is SsekmsKeyId",
	} {
		if _, err := decoded[s3.PutObjectInput](parameters); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 400 {
			t.Errorf("%s: %v, want %s", parameters, err, want)
		}
	}
}

var long = strings.Repeat("x", 5000)

func TestEncode(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	for name, c := range map[string]struct {
		out  any
		want string
	}{
		"object": {&s3.GetObjectOutput{Body: io.NopCloser(strings.NewReader("text")), ETag: aws.String("e"), LastModified: &at, ContentLength: aws.Int64(4), Metadata: map[string]string{"k": "v"}},
			`{"Body":"text","ContentLength":4,"ETag":"e","LastModified":"2026-01-02T02:04:05Z","Metadata":{"k":"v"}}`},
		"nothing set": {&batch.ListJobsOutput{}, `{}`},
		"union":       {&struct{ Filter s3types.LifecycleRuleFilter }{s3types.LifecycleRuleFilter{Prefix: aws.String("p")}}, `{"Filter":{"Prefix":"p"}}`},
		"plain":       {plainJSON{map[string]any{"a": 1}}, `{"a":1}`},
	} {
		v, err := toJSON(c.out)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(v)
		if err != nil || string(text) != c.want {
			t.Errorf("%s: %s %v, want %s", name, text, err, c.want)
		}
	}
	if _, err := toJSON(&s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(make([]byte, maxStream+1)))}); err == nil || !strings.Contains(err.Error(), "States.DataLimitExceeded") {
		t.Errorf("a body that is too large: %v", err)
	}
}

// TestEveryOperation: each can be read and written, and the SDK finds what is
// missing without a call.
func TestEveryOperation(t *testing.T) {
	c := New(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String("http://127.0.0.1:1"), Credentials: aws.AnonymousCredentials{}})
	actions := c.Actions()
	if len(actions) < 100 {
		t.Fatalf("only %d actions", len(actions))
	}
	for _, name := range actions {
		service, action, _ := strings.Cut(name, ":")
		op := c.services[service].operations[action]
		if op.name != action || strings.ToLower(action[:1]) != action[:1] {
			t.Errorf("%s: named %s", name, op.name)
		}
		if err := c.Check(service, action, op.members()); err != nil {
			t.Errorf("%s with every member: %v", name, err)
		}
		if err := c.Check(service, action, []string{"NoSuchMember"}); err == nil || !strings.Contains(err.Error(), "NoSuchMember") {
			t.Errorf("%s with a member that it does not have: %v", name, err)
		}
	}
	if err := c.Check("s3", "copyObject", []string{"Bucket", "Key"}); err == nil || !strings.Contains(err.Error(), "CopySource") {
		t.Errorf("without CopySource: %v", err)
	}
	if _, err := c.Call(t.Context(), "sts", "getCallerIdentity", json.RawMessage(`{}`)); err == nil || !strings.HasPrefix(err.Error(), "SdkClientException") {
		t.Errorf("nobody answers: %v", err)
	}
}

func FuzzInput(f *testing.F) {
	f.Add(`{"Bucket":"b","Body":{"a":1},"Metadata":{"k":"v"},"ContentLength":3}`)
	f.Add(`{"Expires":"2026-01-02T03:04:05Z"}`)
	f.Fuzz(func(t *testing.T, parameters string) {
		in, err := decoded[s3.PutObjectInput](parameters)
		if (in == nil) == (err == nil) {
			t.Errorf("%v %v", in, err)
		}
	})
}
