package ecs

import "encoding/json"

// tag is a tag of anything.
type tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Variable is an environment variable.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// nameValue is an attribute, a setting or a detail.
type nameValue struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

// failure is why something asked for was not found.
type failure struct {
	Arn    string `json:"arn"`
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
}

func missing(arn string) failure { return failure{Arn: arn, Reason: "MISSING"} }

// network is networkConfiguration. It is kept and described; this machine's
// network is the only one.
type network struct {
	AwsvpcConfiguration *struct {
		Subnets        []string `json:"subnets"`
		SecurityGroups []string `json:"securityGroups"`
		AssignPublicIP string   `json:"assignPublicIp"`
	} `json:"awsvpcConfiguration,omitempty"`
}

// Task is a task as DescribeTasks gives it.
type Task struct {
	Attachments          []attachment     `json:"attachments"`
	Attributes           []nameValue      `json:"attributes"`
	AvailabilityZone     string           `json:"availabilityZone"`
	CapacityProviderName string           `json:"capacityProviderName,omitempty"`
	ClusterArn           string           `json:"clusterArn"`
	Connectivity         string           `json:"connectivity,omitempty"`
	ConnectivityAt       *Moment          `json:"connectivityAt,omitempty"`
	Containers           []Container      `json:"containers"`
	CPU                  string           `json:"cpu"`
	CreatedAt            Moment           `json:"createdAt"`
	DesiredStatus        string           `json:"desiredStatus"`
	EnableExecuteCommand bool             `json:"enableExecuteCommand"`
	ExecutionStoppedAt   *Moment          `json:"executionStoppedAt,omitempty"`
	Group                string           `json:"group"`
	HealthStatus         string           `json:"healthStatus"`
	LastStatus           string           `json:"lastStatus"`
	LaunchType           string           `json:"launchType"`
	Memory               string           `json:"memory"`
	Overrides            taskOverride     `json:"overrides"`
	PlatformFamily       string           `json:"platformFamily"`
	PlatformVersion      string           `json:"platformVersion"`
	PullStartedAt        *Moment          `json:"pullStartedAt,omitempty"`
	PullStoppedAt        *Moment          `json:"pullStoppedAt,omitempty"`
	StartedAt            *Moment          `json:"startedAt,omitempty"`
	StartedBy            string           `json:"startedBy,omitempty"`
	StopCode             string           `json:"stopCode,omitempty"`
	StoppedAt            *Moment          `json:"stoppedAt,omitempty"`
	StoppedReason        string           `json:"stoppedReason,omitempty"`
	StoppingAt           *Moment          `json:"stoppingAt,omitempty"`
	Tags                 []tag            `json:"tags"`
	TaskArn              string           `json:"taskArn"`
	TaskDefinitionArn    string           `json:"taskDefinitionArn"`
	Version              int64            `json:"version"`
	EphemeralStorage     ephemeralStorage `json:"ephemeralStorage"`
}

type ephemeralStorage struct {
	SizeInGiB int `json:"sizeInGiB"`
}

// attachment is a task's network interface.
type attachment struct {
	ID      string      `json:"id"`
	Type    string      `json:"type"`
	Status  string      `json:"status"`
	Details []nameValue `json:"details"`
}

// Container is a container of a task.
type Container struct {
	ContainerArn      string             `json:"containerArn"`
	TaskArn           string             `json:"taskArn"`
	Name              string             `json:"name"`
	Image             string             `json:"image"`
	RuntimeID         string             `json:"runtimeId,omitempty"`
	LastStatus        string             `json:"lastStatus"`
	ExitCode          *int               `json:"exitCode,omitempty"`
	Reason            string             `json:"reason,omitempty"`
	NetworkBindings   []json.RawMessage  `json:"networkBindings"`
	NetworkInterfaces []networkInterface `json:"networkInterfaces"`
	HealthStatus      string             `json:"healthStatus"`
	CPU               string             `json:"cpu"`
	Memory            string             `json:"memory,omitempty"`
	MemoryReservation string             `json:"memoryReservation,omitempty"`
}

type networkInterface struct {
	AttachmentID       string `json:"attachmentId"`
	PrivateIPv4Address string `json:"privateIpv4Address"`
}

// taskOverride is what RunTask may replace of a task definition.
type taskOverride struct {
	ContainerOverrides []containerOverride `json:"containerOverrides"`
	CPU                string              `json:"cpu,omitempty"`
	Memory             string              `json:"memory,omitempty"`
	ExecutionRoleArn   string              `json:"executionRoleArn,omitempty"`
	TaskRoleArn        string              `json:"taskRoleArn,omitempty"`
}

type containerOverride struct {
	Name              string     `json:"name"`
	Command           []string   `json:"command,omitempty"`
	Environment       []Variable `json:"environment,omitempty"`
	CPU               *int       `json:"cpu,omitempty"`
	Memory            *int       `json:"memory,omitempty"`
	MemoryReservation *int       `json:"memoryReservation,omitempty"`
}

// loadBalancer binds a container's port to a target group.
type loadBalancer struct {
	TargetGroupArn        string          `json:"targetGroupArn"`
	ContainerName         string          `json:"containerName"`
	ContainerPort         int             `json:"containerPort"`
	LoadBalancerName      string          `json:"loadBalancerName,omitempty"`
	AdvancedConfiguration json.RawMessage `json:"advancedConfiguration,omitempty"`
}

// deploymentConfiguration says how a rolling deployment goes.
type deploymentConfiguration struct {
	MinimumHealthyPercent    *int            `json:"minimumHealthyPercent,omitempty"`
	MaximumPercent           *int            `json:"maximumPercent,omitempty"`
	DeploymentCircuitBreaker *circuitBreaker `json:"deploymentCircuitBreaker,omitempty"`
	Alarms                   *alarms         `json:"alarms,omitempty"`
	Strategy                 string          `json:"strategy,omitempty"`
	BakeTimeInMinutes        *int            `json:"bakeTimeInMinutes,omitempty"`
}

// alarms are a deployment's alarms; AWS gives the empty ones back that the
// console and CDK send.
type alarms struct {
	AlarmNames []string `json:"alarmNames"`
	Enable     bool     `json:"enable"`
	Rollback   bool     `json:"rollback"`
}

// circuitBreaker ends a deployment whose tasks keep failing.
type circuitBreaker struct {
	Enable                 bool       `json:"enable"`
	Rollback               bool       `json:"rollback"`
	ResetOnHealthyTask     *bool      `json:"resetOnHealthyTask,omitempty"`
	ThresholdConfiguration *threshold `json:"thresholdConfiguration,omitempty"`
}

type threshold struct {
	Type  string `json:"type"`
	Value int    `json:"value"`
}

// deploymentDetail is a deployment as DescribeServices gives it.
type deploymentDetail struct {
	ID                       string   `json:"id"`
	Status                   string   `json:"status"` // PRIMARY or ACTIVE
	TaskDefinition           string   `json:"taskDefinition"`
	DesiredCount             int      `json:"desiredCount"`
	PendingCount             int      `json:"pendingCount"`
	RunningCount             int      `json:"runningCount"`
	FailedTasks              int      `json:"failedTasks"`
	CreatedAt                Moment   `json:"createdAt"`
	UpdatedAt                Moment   `json:"updatedAt"`
	LaunchType               string   `json:"launchType,omitempty"`
	CapacityProviderStrategy []weight `json:"capacityProviderStrategy,omitempty"`
	PlatformVersion          string   `json:"platformVersion"`
	PlatformFamily           string   `json:"platformFamily"`
	NetworkConfiguration     *network `json:"networkConfiguration,omitempty"`
	RolloutState             string   `json:"rolloutState"`
	RolloutStateReason       string   `json:"rolloutStateReason"`
}

// weight is an item of a capacity provider strategy.
type weight struct {
	CapacityProvider string `json:"capacityProvider"`
	Weight           int    `json:"weight"`
	Base             int    `json:"base"`
}

// serviceEvent is a line of a service's log of events.
type serviceEvent struct {
	ID        string `json:"id"`
	CreatedAt Moment `json:"createdAt"`
	Message   string `json:"message"`
}

// serviceDetail is a service as DescribeServices gives it.
type serviceDetail struct {
	ServiceArn                    string                  `json:"serviceArn"`
	ServiceName                   string                  `json:"serviceName"`
	ClusterArn                    string                  `json:"clusterArn"`
	LoadBalancers                 []loadBalancer          `json:"loadBalancers"`
	ServiceRegistries             []json.RawMessage       `json:"serviceRegistries"`
	Status                        string                  `json:"status"`
	DesiredCount                  int                     `json:"desiredCount"`
	RunningCount                  int                     `json:"runningCount"`
	PendingCount                  int                     `json:"pendingCount"`
	LaunchType                    string                  `json:"launchType,omitempty"`
	CapacityProviderStrategy      []weight                `json:"capacityProviderStrategy,omitempty"`
	PlatformVersion               string                  `json:"platformVersion"`
	PlatformFamily                string                  `json:"platformFamily"`
	TaskDefinition                string                  `json:"taskDefinition"`
	DeploymentConfiguration       deploymentConfiguration `json:"deploymentConfiguration"`
	Deployments                   []deploymentDetail      `json:"deployments"`
	RoleArn                       string                  `json:"roleArn,omitempty"`
	Events                        []serviceEvent          `json:"events"`
	CreatedAt                     Moment                  `json:"createdAt"`
	PlacementConstraints          []json.RawMessage       `json:"placementConstraints"`
	PlacementStrategy             []json.RawMessage       `json:"placementStrategy"`
	NetworkConfiguration          *network                `json:"networkConfiguration,omitempty"`
	HealthCheckGracePeriodSeconds int                     `json:"healthCheckGracePeriodSeconds"`
	SchedulingStrategy            string                  `json:"schedulingStrategy"`
	DeploymentController          controller              `json:"deploymentController"`
	CreatedBy                     string                  `json:"createdBy"`
	EnableECSManagedTags          bool                    `json:"enableECSManagedTags"`
	PropagateTags                 string                  `json:"propagateTags"`
	EnableExecuteCommand          bool                    `json:"enableExecuteCommand"`
	AvailabilityZoneRebalancing   string                  `json:"availabilityZoneRebalancing"`
	Tags                          []tag                   `json:"tags,omitempty"`
}

type controller struct {
	Type string `json:"type"`
}
