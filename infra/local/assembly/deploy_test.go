package assembly

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// recorder is a Creator that keeps what it was given.
type recorder struct {
	order      []string
	properties map[string]map[string]any
}

func (r *recorder) create(_ context.Context, res Resource) (Created, error) {
	var properties map[string]any
	if err := json.Unmarshal(res.Properties, &properties); err != nil {
		return Created{}, err
	}
	r.order = append(r.order, res.LogicalID)
	r.properties[res.LogicalID] = properties
	return Created{Ref: "ref-" + res.LogicalID, Attributes: map[string]any{
		"Arn":     "arn:aws:test:::" + res.LogicalID,
		"List":    []any{"x", "y", "z"},
		"Outputs": map[string]any{"Deep": "down"},
	}}, nil
}

func deploy(t *testing.T, template string) (*recorder, *Deployment, error) {
	t.Helper()
	parsed, err := ParseTemplate([]byte(template))
	if err != nil {
		return nil, nil, err
	}
	parsed.Name = "Demo"
	r := &recorder{properties: map[string]map[string]any{}}
	d, err := Deploy(context.Background(), parsed, map[string]Creator{
		"AWS::Test::Thing": r.create, "AWS::S3::Bucket": r.create, "AWS::Lambda::Function": r.create})
	return r, d, err
}

// value deploys one resource "A" beside a ready "B" and gives A's property V.
func value(t *testing.T, expression, rest string) (any, error) {
	t.Helper()
	r, _, err := deploy(t, fmt.Sprintf(`{%s "Resources":{
		"A":{"Type":"AWS::Test::Thing","Properties":{"V":%s}},
		"B":{"Type":"AWS::Test::Thing"}}}`, rest, expression))
	if err != nil {
		return nil, err
	}
	return r.properties["A"]["V"], nil
}

const declarations = `
	"Parameters":{"Stage":{"Type":"String","Default":"staging"},"Size":{"Type":"Number","Default":3},
		"Names":{"Type":"CommaDelimitedList","Default":"a, b"},
		"BootstrapVersion":{"Type":"AWS::SSM::Parameter::Value<String>","Default":"/cdk-bootstrap/version"},
		"Bare":{"Type":"String"}},
	"Mappings":{"Regions":{"us-east-1":{"ami":"ami-1"}}},
	"Conditions":{"IsStaging":{"Fn::Equals":[{"Ref":"Stage"},"staging"]},
		"IsBig":{"Fn::Equals":[{"Ref":"Size"},9]},
		"Both":{"Fn::And":[{"Condition":"IsStaging"},{"Fn::Not":[{"Condition":"IsBig"}]}]},
		"Either":{"Fn::Or":[{"Condition":"IsBig"},{"Fn::Equals":["a","b"]}]},
		"Ring":{"Fn::Not":[{"Condition":"Ring"}]}},`

func TestIntrinsicsGiveValues(t *testing.T) {
	for expression, want := range map[string]any{
		`{"Ref":"B"}`:                         "ref-B",
		`{"Ref":"Stage"}`:                     "staging",
		`{"Ref":"Names"}`:                     []any{"a", "b"},
		`{"Ref":"AWS::AccountId"}`:            "000000000000",
		`{"Ref":"AWS::Region"}`:               "us-east-1",
		`{"Ref":"AWS::Partition"}`:            "aws",
		`{"Ref":"AWS::StackName"}`:            "Demo",
		`{"Ref":"AWS::URLSuffix"}`:            "amazonaws.com",
		`{"Fn::GetAtt":["B","Arn"]}`:          "arn:aws:test:::B",
		`{"Fn::GetAtt":"B.Arn"}`:              "arn:aws:test:::B",
		`{"Fn::GetAtt":["B","Outputs.Deep"]}`: "down",
		`{"Fn::Sub":"${B}/${B.Arn}/${!B}/${AWS::Region}/${Stage}"}`:       "ref-B/arn:aws:test:::B/${B}/us-east-1/staging",
		`{"Fn::Sub":["${x}-${Size}",{"x":{"Ref":"B"}}]}`:                  "ref-B-3",
		`{"Fn::Sub":"no variables, a $ and a }"}`:                         "no variables, a $ and a }",
		`{"Fn::Join":["-",["a",{"Ref":"B"},{"Ref":"AWS::NoValue"},7]]}`:   "a-ref-B-7",
		`{"Fn::Join":["",{"Fn::GetAtt":["B","List"]}]}`:                   "xyz",
		`{"Fn::Select":[1,{"Fn::GetAtt":["B","List"]}]}`:                  "y",
		`{"Fn::Select":["2",{"Fn::Split":["/",{"Ref":"AWS::StackId"}]}]}`: "3c1e5c1e-", // prefix checked below
		`{"Fn::Split":[",","p,q"]}`:                                       []any{"p", "q"},
		`{"Fn::If":["IsStaging","yes","no"]}`:                             "yes",
		`{"Fn::If":["IsBig","yes","no"]}`:                                 "no",
		`{"Fn::If":["Both","yes","no"]}`:                                  "yes",
		`{"Fn::If":["Either","yes","no"]}`:                                "no",
		`[1,{"Fn::If":["IsBig","x",{"Ref":"AWS::NoValue"}]},2]`:           []any{1.0, 2.0},
		`{"keep":1,"drop":{"Ref":"AWS::NoValue"}}`:                        map[string]any{"keep": 1.0},
		`{"Fn::FindInMap":["Regions",{"Ref":"AWS::Region"},"ami"]}`:       "ami-1",
		`{"Fn::GetAZs":""}`:                                               []any{"us-east-1a", "us-east-1b", "us-east-1c"},
		`{"Fn::Base64":{"Ref":"Stage"}}`:                                  "c3RhZ2luZw==",
		`{"Ref":"B","Other":1}`:                                           map[string]any{"Ref": "B", "Other": 1.0},
		`12345678901234567`:                                               12345678901234567.0,
	} {
		got, err := value(t, expression, declarations)
		require.NoError(t, err, expression)
		if strings.Contains(expression, "StackId") {
			require.Len(t, got, 36, expression)
			continue
		}
		require.Equal(t, want, got, expression)
	}
}

func TestIntrinsicsRefuse(t *testing.T) {
	for expression, want := range map[string]string{
		`{"Ref":"Nobody"}`:                                  `"Nobody" is neither a resource nor a parameter`,
		`{"Ref":7}`:                                         "want a name",
		`{"Ref":"Bare"}`:                                    "parameter Bare has no value",
		`{"Ref":"BootstrapVersion"}`:                        "read from SSM",
		`{"Fn::GetAtt":["B","Nope"]}`:                       `no attribute "Nope" in the local stack; it has [Arn List Outputs]`,
		`{"Fn::GetAtt":["B"]}`:                              "want [logical id, attribute]",
		`{"Fn::Sub":"${B"}`:                                 "without }",
		`{"Fn::Sub":["x"]}`:                                 "want a text or",
		`{"Fn::Sub":"${B.List}"}`:                           "want a string, number or boolean",
		`{"Fn::Join":[1,[]]}`:                               "the delimiter is 1",
		`{"Fn::Join":["",[["a"]]]}`:                         "want a string, number or boolean",
		`{"Fn::Select":[5,["a"]]}`:                          "outside the list of 1 items",
		`{"Fn::Select":[0,"a"]}`:                            "want a list",
		`{"Fn::If":["Nope","a","b"]}`:                       `no condition "Nope"`,
		`{"Fn::If":["Ring","a","b"]}`:                       "depends on itself",
		`{"Fn::FindInMap":["Regions","x","ami"]}`:           `no key "x"`,
		`{"Fn::ImportValue":"x"}`:                           "does not implement Fn::ImportValue",
		`{"Fn::Cidr":["10.0.0.0/16",6,8]}`:                  "does not implement Fn::Cidr",
		`{"Fn::Transform":{}}`:                              "does not implement Fn::Transform",
		`{"Fn::Sub":"a","More":1}`:                          "stands beside other keys",
		`"{{resolve:ssm:/x}}"`:                              "dynamic references",
		strings.Repeat("[", 200) + strings.Repeat("]", 200): "nested more than 100 deep",
	} {
		_, err := value(t, expression, declarations)
		require.ErrorContains(t, err, want, expression)
		require.ErrorContains(t, err, "resource A.V", expression)
	}
}

func TestResourcesAreCreatedAfterWhatTheyNeed(t *testing.T) {
	r, d, err := deploy(t, `{"Conditions":{"Never":{"Fn::Equals":["a","b"]}},"Resources":{
		"A":{"Type":"AWS::Test::Thing","DependsOn":"D"},
		"B":{"Type":"AWS::Test::Thing","Properties":{"x":{"Fn::Sub":"${C.Arn}"}}},
		"C":{"Type":"AWS::Test::Thing","DependsOn":["A"]},
		"D":{"Type":"AWS::Test::Thing","Properties":{"x":{"Fn::If":["Never",{"Ref":"B"},"free"]}}},
		"E":{"Type":"AWS::Nobody::Knows","Condition":"Never"},
		"CDKMetadata":{"Type":"AWS::CDK::Metadata","Properties":{"Analytics":"v2"}}},
		"Outputs":{"Here":{"Value":{"Fn::GetAtt":["C","Arn"]},"Export":{"Name":{"Fn::Sub":"${AWS::StackName}-c"}}},
			"Gone":{"Condition":"Never","Value":"x"},"List":{"Value":["a","b"]}}}`)
	require.NoError(t, err)
	require.Equal(t, []string{"D", "A", "C", "B"}, r.order)
	require.Equal(t, map[string]string{"Here": "arn:aws:test:::C", "List": "a,b"}, d.Outputs)
	require.Equal(t, map[string]string{"Demo-c": "arn:aws:test:::C"}, d.Exports)
	require.Len(t, d.Resources, 4)
}

func TestRingsAreNamed(t *testing.T) {
	r, _, err := deploy(t, `{"Resources":{
		"A":{"Type":"AWS::Test::Thing","Properties":{"x":{"Ref":"B"}}},
		"B":{"Type":"AWS::Test::Thing","Properties":{"x":{"Fn::GetAtt":["C","Arn"]}}},
		"C":{"Type":"AWS::Test::Thing","DependsOn":"A"}}}`)
	require.ErrorContains(t, err, "A -> B -> C -> A")
	require.Empty(t, r.order)
}

func TestEveryUnsupportedTypeIsReportedBeforeAnythingIsMade(t *testing.T) {
	r, _, err := deploy(t, `{"Resources":{
		"Lake":{"Type":"AWS::S3::Bucket"},
		"Fn":{"Type":"AWS::Lambda::Functions"},
		"Table":{"Type":"AWS::DynamoDB::Table"}}}`)
	require.ErrorContains(t, err, "Fn: AWS::Lambda::Functions (the nearest supported type is AWS::Lambda::Function)")
	require.ErrorContains(t, err, "Table: AWS::DynamoDB::Table (the nearest supported type is AWS::")
	require.Empty(t, r.order)
}

func TestTemplatesThatAreRefused(t *testing.T) {
	for template, want := range map[string]string{
		`{`:                "unexpected EOF",
		`{"Resources":{}}`: "no resources",
		`{"Transform":"AWS::Serverless-2016-10-31","Resources":{"A":{"Type":"AWS::Test::Thing"}}}`:                                                                `"Transform"`,
		`{"Resources":{"A":{"Properties":{}}}}`:                                                                                                                   "A has no Type",
		`{"Resources":{"A":{"Type":"AWS::Test::Thing","UpdatePolicy":{}}}}`:                                                                                       `resource A: json: unknown field "UpdatePolicy"`,
		`{"Resources":{"A":{"Type":"AWS::Test::Thing","Conditions":"x"}}}`:                                                                                        `unknown field "Conditions"; the nearest member here is Condition`,
		`{"Resources":{"A":{"Type":"AWS::Test::Thing","DependsOn":7}}}`:                                                                                           "DependsOn is 7",
		`{"Resources":{"A":{"Type":"AWS::Test::Thing","DependsOn":"Z"}}}`:                                                                                         `"Z", which the template does not declare`,
		`{"Resources":{"A":{"Type":"AWS::Test::Thing","Condition":"Z"}}}`:                                                                                         `no condition "Z"`,
		`{"Resources":{"A":{"Type":"AWS::Test::Thing"}},"Outputs":{"O":{"Value":{"Ref":"Z"}}}}`:                                                                   "output O",
		`{"Parameters":{"P":{"Type":"String","Default":"x","AllowedValues":["y"]}},"Resources":{"A":{"Type":"AWS::Test::Thing","Properties":{"p":{"Ref":"P"}}}}}`: `want one of ["y"]`,
	} {
		_, _, err := deploy(t, template)
		require.ErrorContains(t, err, want, template)
	}
}

func TestPhysicalNamesAreStableAndBounded(t *testing.T) {
	name := PhysicalName("Sluice-staging", strings.Repeat("Long", 30), 63)
	require.Len(t, name, 63)
	require.Equal(t, name, PhysicalName("Sluice-staging", strings.Repeat("Long", 30), 63))
	require.NotEqual(t, name, PhysicalName("Sluice-staging", strings.Repeat("Long", 29), 63))
}

// FuzzDeploy: no template makes the resolver panic or hang, and each resource
// is created at most once.
func FuzzDeploy(f *testing.F) {
	f.Add(`{"Ref":"B"}`)
	f.Add(`{"Fn::Sub":["${x}",{"x":{"Fn::Select":[0,{"Fn::Split":[",","a,b"]}]}}]}`)
	f.Add(`{"Fn::If":["Both",{"Fn::Join":["-",["a"]]},{"Ref":"AWS::NoValue"}]}`)
	f.Add(`{"Fn::FindInMap":["Regions",{"Ref":"AWS::Region"},"ami"]}`)
	f.Add(`{"Fn::GetAtt":["A","Arn"]}`)
	f.Fuzz(func(t *testing.T, expression string) {
		r, _, err := deploy(t, `{`+declarations+`"Resources":{
			"A":{"Type":"AWS::Test::Thing","Properties":{"V":`+expression+`}},"B":{"Type":"AWS::Test::Thing"}}}`)
		if err != nil {
			return
		}
		slices.Sort(r.order)
		if len(slices.Compact(slices.Clone(r.order))) != len(r.order) {
			t.Fatalf("created twice: %v", r.order)
		}
	})
}

func TestAnUnknownPropertyIsRefusedWithTheNearest(t *testing.T) {
	r := Resource{LogicalID: "Q", Type: "AWS::SQS::Queue", Properties: json.RawMessage(`{"QueueNames":"x"}`)}
	var into struct{ QueueName string }
	require.EqualError(t, r.Decode(&into), `resource Q (AWS::SQS::Queue): the local stack cannot honour its properties: json: unknown field "QueueNames"; the nearest member here is QueueName`)
}
