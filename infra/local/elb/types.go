package elb

// The shapes that clients, the template and the state file share. They are named
// as AWS names them.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Types.html

// Tag is a key and a value.
type Tag struct {
	Key   string
	Value string
}

// Attribute is one of the settings of a load balancer or a target group.
type Attribute struct {
	Key   string
	Value string
}

// Action is what a listener does with a request: forward, fixed-response or
// redirect, by Type.
type Action struct {
	Type                string
	Order               *int           `json:",omitempty"`
	TargetGroupArn      string         `json:",omitempty" xml:",omitempty"`
	ForwardConfig       *ForwardConfig `json:",omitempty"`
	FixedResponseConfig *FixedResponse `json:",omitempty"`
	RedirectConfig      *Redirect      `json:",omitempty"`
}

// ForwardConfig shares requests among target groups by weight.
type ForwardConfig struct {
	TargetGroups                []WeightedGroup  `xml:"TargetGroups>member"`
	TargetGroupStickinessConfig *GroupStickiness `json:",omitempty"`
}

// WeightedGroup is a target group and its weight, 0 to 999.
type WeightedGroup struct {
	TargetGroupArn string
	Weight         *int `json:",omitempty"`
}

// GroupStickiness keeps a client at the target group it first got.
type GroupStickiness struct {
	Enabled         bool
	DurationSeconds *int `json:",omitempty"`
}

// FixedResponse answers without a target.
type FixedResponse struct {
	StatusCode  string
	ContentType string `json:",omitempty" xml:",omitempty"`
	MessageBody string `json:",omitempty" xml:",omitempty"`
}

// Redirect sends the client elsewhere; its members may hold #{protocol},
// #{host}, #{port}, #{path} and #{query}.
type Redirect struct {
	StatusCode string // HTTP_301 or HTTP_302
	Protocol   string `json:",omitempty" xml:",omitempty"`
	Host       string `json:",omitempty" xml:",omitempty"`
	Port       string `json:",omitempty" xml:",omitempty"`
	Path       string `json:",omitempty" xml:",omitempty"`
	Query      string `json:",omitempty" xml:",omitempty"`
}

// Condition is what a request must be like for a rule, by Field.
type Condition struct {
	Field                   string
	Values                  []string     `json:",omitempty" xml:"Values>member"`
	HostHeaderConfig        *Values      `json:",omitempty"`
	PathPatternConfig       *Values      `json:",omitempty"`
	HttpRequestMethodConfig *Values      `json:",omitempty"`
	SourceIpConfig          *Values      `json:",omitempty"`
	HttpHeaderConfig        *HeaderMatch `json:",omitempty"`
	QueryStringConfig       *QueryMatch  `json:",omitempty"`
}

// Values are alternatives.
type Values struct {
	Values []string `xml:"Values>member"`
}

// HeaderMatch wants one of Values in the header HttpHeaderName.
type HeaderMatch struct {
	HttpHeaderName string
	Values         []string `xml:"Values>member"`
}

// QueryMatch wants one of Values in the query string.
type QueryMatch struct {
	Values []QueryPair `xml:"Values>member"`
}

// QueryPair is a parameter's name and value; a missing name is any.
type QueryPair struct {
	Key   *string `json:",omitempty"`
	Value string
}

// Matcher says which HTTP codes are healthy: "200", "200,204" or "200-299".
type Matcher struct {
	HttpCode string
}

// none is the result of an operation that gives nothing.
type none struct{}
