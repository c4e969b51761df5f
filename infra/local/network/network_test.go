package network

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

func create(s *Service, id, kind, properties string) (assembly.Created, error) {
	return s.Creators()["AWS::EC2::"+kind](context.Background(), assembly.Resource{LogicalID: id, Type: "AWS::EC2::" + kind, Properties: json.RawMessage(properties)})
}

// build makes a VPC with everything; each of the ids can be used as $Name.
func build(t *testing.T, s *Service) *strings.Replacer {
	t.Helper()
	var ids []string
	for _, c := range []struct{ id, kind, properties string }{
		{"Vpc", "VPC", `{"CidrBlock":"10.64.0.0/16","EnableDnsSupport":true}`},
		{"Gateway", "InternetGateway", `{}`},
		{"Attachment", "VPCGatewayAttachment", `{"InternetGatewayId":"$Gateway","VpcId":"$Vpc"}`},
		{"Table", "RouteTable", `{"VpcId":"$Vpc"}`},
		{"Route", "Route", `{"RouteTableId":"$Table","DestinationCidrBlock":"0.0.0.0/0","GatewayId":"$Gateway"}`},
		{"Subnet", "Subnet", `{"VpcId":"$Vpc","CidrBlock":"10.64.0.0/18","AvailabilityZone":"us-east-1a"}`},
		{"Association", "SubnetRouteTableAssociation", `{"RouteTableId":"$Table","SubnetId":"$Subnet"}`},
		{"Endpoint", "VPCEndpoint", `{"VpcId":"$Vpc","ServiceName":"com.amazonaws.us-east-1.s3","VpcEndpointType":"Gateway","RouteTableIds":["$Table"]}`},
		{"Group", "SecurityGroup", `{"VpcId":"$Vpc","GroupDescription":"hosts","SecurityGroupEgress":[{"CidrIp":"0.0.0.0/0","IpProtocol":"tcp","FromPort":443,"ToPort":443}]}`},
	} {
		made, err := create(s, c.id, c.kind, strings.NewReplacer(ids...).Replace(c.properties))
		require.NoError(t, err, c.id)
		ids = append(ids, "$"+c.id, made.Ref)
	}
	return strings.NewReplacer(ids...)
}

func TestANetworkHasStableIDs(t *testing.T) {
	s := New("us-east-1", "Demo")
	ids := build(t, s)
	require.Regexp(t, `^vpc-[0-9a-f]{17}$`, ids.Replace("$Vpc"))
	require.Regexp(t, `^subnet-[0-9a-f]{17}$`, ids.Replace("$Subnet"))
	require.Len(t, s.Records(), 9)
	require.Equal(t, ids.Replace("$Group"), build(t, s).Replace("$Group"), "made again, it is the same")
	require.Len(t, s.Records(), 9)
}

func TestWhatIsRefused(t *testing.T) {
	for _, c := range []struct{ kind, properties, want string }{
		{"VPC", `{"CidrBlock":"10.64.0.1/16"}`, "want a network such as"},
		{"VPC", `{"CidrBlock":"10.64.0.0/16","Ipv4IpamPoolId":"x"}`, `"Ipv4IpamPoolId"`},
		{"Subnet", `{"VpcId":"$Subnet","CidrBlock":"10.64.64.0/18"}`, "no AWS::EC2::VPC of this stack"},
		{"Subnet", `{"VpcId":"$Vpc","CidrBlock":"10.65.0.0/18"}`, "does not lie within"},
		{"Subnet", `{"VpcId":"$Vpc","CidrBlock":"10.0.0.0/8"}`, "does not lie within"},
		{"Subnet", `{"VpcId":"$Vpc","CidrBlock":"10.64.1.0/24"}`, "overlaps subnet Subnet"},
		{"Route", `{"RouteTableId":"$Table","DestinationCidrBlock":"everywhere","GatewayId":"$Gateway"}`, "DestinationCidrBlock"},
		{"Route", `{"RouteTableId":"$Table","DestinationCidrBlock":"0.0.0.0/0","GatewayId":"nat"}`, "no AWS::EC2::InternetGateway"},
		{"VPCEndpoint", `{"VpcId":"$Vpc","ServiceName":"com.amazonaws.us-east-1.ecr.api","VpcEndpointType":"Interface"}`, "gateway endpoints are for"},
		{"SecurityGroup", `{"VpcId":"$Vpc"}`, "GroupDescription is required"},
		{"SubnetRouteTableAssociation", `{"RouteTableId":"$Table","SubnetId":"none"}`, "no AWS::EC2::Subnet"},
	} {
		s := New("us-east-1", "Demo")
		_, err := create(s, "Another", c.kind, build(t, s).Replace(c.properties))
		require.ErrorContains(t, err, c.want, c.properties)
	}
}
