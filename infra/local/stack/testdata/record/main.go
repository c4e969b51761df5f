// Command bootstrap is the function of the stack's tests: it reads an object and
// writes what it was asked to, and how large the object is, to another bucket.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

type event struct {
	ID     string `json:"id"`
	Via    string `json:"via"`
	Detail struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			VersionID string `json:"version-id"`
		} `json:"object"`
	} `json:"detail"`
}

func handle(ctx context.Context, raw json.RawMessage) (map[string]any, error) {
	var e event
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(cfg)
	object, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &e.Detail.Bucket.Name, Key: &e.Detail.Object.Key, VersionId: aws.String(e.Detail.Object.VersionID)})
	if err != nil {
		return nil, err
	}
	defer object.Body.Close()
	content, err := io.ReadAll(object.Body)
	if err != nil {
		return nil, err
	}
	if e.Via == "" {
		e.Via = "rule"
	}
	key := fmt.Sprintf("%s/%s", e.Via, e.Detail.Object.Key)
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(os.Getenv("STORE")), Key: &key,
		Body: strings.NewReader(fmt.Sprintf("%d bytes", len(content)))})
	return map[string]any{"key": key, "bytes": len(content)}, err
}

func main() { lambda.Start(handle) }
