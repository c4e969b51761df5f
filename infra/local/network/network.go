// Package network accepts the template's VPC for the training hosts.
//
// The local stack's Batch jobs are processes of this machine and use its
// network, so nothing here routes or filters a packet: the resources are
// checked for the properties that Sluice's template uses, given ids of AWS's
// shape, and kept by name. A property outside that set is refused, as
// everywhere in the local stack.
package network

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

type tag struct{ Key, Value string }

// Creators gives the creator of each accepted EC2 resource type.
func Creators() map[string]assembly.Creator {
	return map[string]assembly.Creator{
		"AWS::EC2::VPC":                         accept[vpc]("vpc", "VpcId"),
		"AWS::EC2::InternetGateway":             accept[internetGateway]("igw", "InternetGatewayId"),
		"AWS::EC2::VPCGatewayAttachment":        accept[gatewayAttachment]("igw-attach", "AttachmentType"),
		"AWS::EC2::RouteTable":                  accept[routeTable]("rtb", "RouteTableId"),
		"AWS::EC2::Route":                       accept[route]("r", "CidrBlock"),
		"AWS::EC2::Subnet":                      accept[subnet]("subnet", "SubnetId"),
		"AWS::EC2::SubnetRouteTableAssociation": accept[subnetRoutes]("rtbassoc", "Id"),
		"AWS::EC2::SecurityGroup":               accept[securityGroup]("sg", "GroupId"),
		"AWS::EC2::VPCEndpoint":                 accept[endpoint]("vpce", "Id"),
	}
}

type (
	vpc struct {
		CidrBlock                            string
		EnableDnsHostnames, EnableDnsSupport bool
		Tags                                 []tag
	}
	internetGateway   struct{ Tags []tag }
	gatewayAttachment struct{ VpcId, InternetGatewayId string }
	routeTable        struct {
		VpcId string
		Tags  []tag
	}
	route  struct{ RouteTableId, DestinationCidrBlock, GatewayId string }
	subnet struct {
		VpcId, CidrBlock, AvailabilityZone string
		MapPublicIpOnLaunch                bool
		Tags                               []tag
	}
	subnetRoutes  struct{ SubnetId, RouteTableId string }
	securityGroup struct {
		GroupDescription, VpcId string
		SecurityGroupEgress     []struct {
			IpProtocol, CidrIp, Description string
			FromPort, ToPort                int
		}
		Tags []tag
	}
	endpoint struct {
		VpcId, ServiceName, VpcEndpointType string
		RouteTableIds                       []string
		Tags                                []tag
	}
)

// accept checks a resource's properties against T and names it: an id with
// AWS's prefix, the same for the same resource every time.
func accept[T any](prefix, attribute string) assembly.Creator {
	return func(_ context.Context, r assembly.Resource) (assembly.Created, error) {
		var properties T
		if err := r.Decode(&properties); err != nil {
			return assembly.Created{}, err
		}
		body, err := json.Marshal(properties)
		if err != nil {
			return assembly.Created{}, err
		}
		sum := sha256.Sum256(append([]byte(r.LogicalID), body...))
		id := prefix + "-" + hex.EncodeToString(sum[:])[:17]
		return assembly.Created{Ref: id, Attributes: map[string]any{attribute: id}}, nil
	}
}
