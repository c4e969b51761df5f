package s3

import (
	"context"
	"net"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
)

// Client gives a client of the service that does not go through the front door.
func (s *Service) Client() *sdk.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.dial(ctx) }}
	return sdk.New(sdk.Options{Region: s.o.Region, BaseEndpoint: aws.String("http://127.0.0.1"), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s.o.AccessKey, s.o.SecretKey, ""),
		HTTPClient:  &http.Client{Transport: transport}})
}
