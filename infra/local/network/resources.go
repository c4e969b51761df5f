package network

import (
	"fmt"
	"slices"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

const (
	vpcType        = "AWS::EC2::VPC"
	subnetType     = "AWS::EC2::Subnet"
	gatewayType    = "AWS::EC2::InternetGateway"
	routeTableType = "AWS::EC2::RouteTable"
)

type vpcProperties struct {
	CidrBlock          string
	EnableDnsHostnames bool
	EnableDnsSupport   bool
	InstanceTenancy    string
	Tags               []assembly.Tag
}

func (s *Service) vpc(p vpcProperties, r *Record) (map[string]any, error) {
	var err error
	r.cidr, err = prefix("CidrBlock", p.CidrBlock)
	return map[string]any{"VpcId": r.ID, "CidrBlock": p.CidrBlock}, err
}

type subnetProperties struct {
	VpcId               string
	CidrBlock           string
	AvailabilityZone    string
	MapPublicIpOnLaunch bool
	Tags                []assembly.Tag
}

func (s *Service) subnet(p subnetProperties, r *Record) (map[string]any, error) {
	vpc, err := s.need("VpcId", p.VpcId, vpcType)
	if err != nil {
		return nil, err
	}
	if r.cidr, err = prefix("CidrBlock", p.CidrBlock); err != nil {
		return nil, err
	}
	if r.cidr.Bits() < vpc.cidr.Bits() || !vpc.cidr.Contains(r.cidr.Addr()) {
		return nil, fmt.Errorf("CidrBlock %s does not lie within the VPC's %s", r.cidr, vpc.cidr)
	}
	for _, other := range s.records {
		if other.Type == subnetType && other.vpc == vpc.ID && other.ID != r.ID && other.cidr.Overlaps(r.cidr) {
			return nil, fmt.Errorf("CidrBlock %s overlaps subnet %s (%s)", r.cidr, other.LogicalID, other.cidr)
		}
	}
	r.vpc = vpc.ID
	return map[string]any{"SubnetId": r.ID, "VpcId": vpc.ID, "CidrBlock": p.CidrBlock, "AvailabilityZone": p.AvailabilityZone}, nil
}

type tagged struct{ Tags []assembly.Tag }

func (s *Service) internetGateway(_ tagged, r *Record) (map[string]any, error) {
	return map[string]any{"InternetGatewayId": r.ID}, nil
}

type attachmentProperties struct{ InternetGatewayId, VpcId string }

func (s *Service) attachment(p attachmentProperties, _ *Record) (map[string]any, error) {
	if _, err := s.need("VpcId", p.VpcId, vpcType); err != nil {
		return nil, err
	}
	_, err := s.need("InternetGatewayId", p.InternetGatewayId, gatewayType)
	return map[string]any{"AttachmentType": "IGW"}, err
}

type routeTableProperties struct {
	VpcId string
	Tags  []assembly.Tag
}

func (s *Service) routeTable(p routeTableProperties, r *Record) (map[string]any, error) {
	_, err := s.need("VpcId", p.VpcId, vpcType)
	r.vpc = p.VpcId
	return map[string]any{"RouteTableId": r.ID}, err
}

type routeProperties struct{ RouteTableId, DestinationCidrBlock, GatewayId string }

func (s *Service) route(p routeProperties, r *Record) (map[string]any, error) {
	if _, err := s.need("RouteTableId", p.RouteTableId, routeTableType); err != nil {
		return nil, err
	}
	if _, err := s.need("GatewayId", p.GatewayId, gatewayType); err != nil {
		return nil, err
	}
	_, err := prefix("DestinationCidrBlock", p.DestinationCidrBlock)
	return map[string]any{"CidrBlock": p.DestinationCidrBlock}, err
}

type associationProperties struct{ RouteTableId, SubnetId string }

func (s *Service) association(p associationProperties, r *Record) (map[string]any, error) {
	table, err := s.need("RouteTableId", p.RouteTableId, routeTableType)
	if err != nil {
		return nil, err
	}
	subnet, err := s.need("SubnetId", p.SubnetId, subnetType)
	if err == nil && subnet.vpc != table.vpc {
		err = fmt.Errorf("the subnet and the route table are in different VPCs")
	}
	return map[string]any{"Id": r.ID}, err
}

type endpointProperties struct {
	VpcId           string
	ServiceName     string
	VpcEndpointType string
	RouteTableIds   []string
	PolicyDocument  map[string]any
	Tags            []assembly.Tag
}

func (s *Service) endpoint(p endpointProperties, r *Record) (map[string]any, error) {
	if _, err := s.need("VpcId", p.VpcId, vpcType); err != nil {
		return nil, err
	}
	for _, id := range p.RouteTableIds {
		if _, err := s.need("RouteTableIds", id, routeTableType); err != nil {
			return nil, err
		}
	}
	gateways := []string{"com.amazonaws." + s.region + ".s3", "com.amazonaws." + s.region + ".dynamodb"}
	if (p.VpcEndpointType != "" && p.VpcEndpointType != "Gateway") || !slices.Contains(gateways, p.ServiceName) {
		return nil, fmt.Errorf("an endpoint of type %q for %q: gateway endpoints are for %v, and other types are not accepted", p.VpcEndpointType, p.ServiceName, gateways)
	}
	return map[string]any{"Id": r.ID}, nil
}

type permission struct {
	CidrIp, CidrIpv6, Description, IpProtocol         string
	FromPort, ToPort                                  *int
	DestinationSecurityGroupId, SourceSecurityGroupId string
}

type securityGroupProperties struct {
	GroupDescription     string
	GroupName            string
	VpcId                string
	SecurityGroupEgress  []permission
	SecurityGroupIngress []permission
	Tags                 []assembly.Tag
}

func (s *Service) securityGroup(p securityGroupProperties, r *Record) (map[string]any, error) {
	_, err := s.need("VpcId", p.VpcId, vpcType)
	if err == nil && p.GroupDescription == "" {
		err = fmt.Errorf("GroupDescription is required")
	}
	r.vpc = p.VpcId
	return map[string]any{"GroupId": r.ID, "Id": r.ID, "VpcId": p.VpcId}, err
}
