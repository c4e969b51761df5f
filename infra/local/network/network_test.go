package network

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

func TestSameResourceKeepsItsIDAndUnknownPropertiesAreRefused(t *testing.T) {
	create := Creators()["AWS::EC2::Subnet"]
	resource := assembly.Resource{LogicalID: "SubnetA", Type: "AWS::EC2::Subnet", Properties: json.RawMessage(`{"VpcId":"vpc-1","CidrBlock":"10.0.0.0/24"}`)}
	first, err := create(context.Background(), resource)
	require.NoError(t, err)
	again, err := create(context.Background(), resource)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Regexp(t, `^subnet-[0-9a-f]{17}$`, first.Ref)
	require.Equal(t, first.Ref, first.Attributes["SubnetId"])

	resource.Properties = json.RawMessage(`{"VpcId":"vpc-1","Ipv6Native":true}`)
	_, err = create(context.Background(), resource)
	require.ErrorContains(t, err, "SubnetA")
	require.ErrorContains(t, err, "Ipv6Native")
}
