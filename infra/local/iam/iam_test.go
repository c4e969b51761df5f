package iam

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

const trust = `"AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

func create(s *Service, id, kind, properties string) (assembly.Created, error) {
	return s.Creators()[kind](context.Background(), assembly.Resource{LogicalID: id, Type: kind, Properties: json.RawMessage(properties)})
}

func TestRolesAndPoliciesHaveARNs(t *testing.T) {
	s := New("000000000000", "Demo")
	role, err := create(s, "Exec", "AWS::IAM::Role", `{`+trust+`,"RoleName":"exec"}`)
	require.NoError(t, err)
	require.Equal(t, "exec", role.Ref)
	require.Equal(t, "arn:aws:iam::000000000000:role/exec", role.Attributes["Arn"])
	unnamed, err := create(s, "Other", "AWS::IAM::Role", `{`+trust+`}`)
	require.NoError(t, err)
	require.Regexp(t, `^Demo-Other-[0-9A-F]{12}$`, unnamed.Ref)
	require.Regexp(t, `^AROA[0-9A-F]{12}$`, unnamed.Attributes["RoleId"])
	managed, err := create(s, "M", "AWS::IAM::ManagedPolicy", `{"ManagedPolicyName":"m","PolicyDocument":{"Statement":[{"Effect":"Allow"}]}}`)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:iam::000000000000:policy/m", managed.Ref)
	_, err = create(s, "P", "AWS::IAM::Policy", `{"PolicyName":"p","Roles":["exec"],"PolicyDocument":{"Statement":[{"Effect":"Allow"}]}}`)
	require.NoError(t, err)
	profile, err := create(s, "I", "AWS::IAM::InstanceProfile", `{"Roles":["exec"]}`)
	require.NoError(t, err)
	require.Contains(t, profile.Attributes["Arn"], ":instance-profile/")
	require.Len(t, s.Records(), 5)
}

func TestWhatIsRefused(t *testing.T) {
	s := New("000000000000", "Demo")
	for properties, want := range map[string]string{
		`{}`:                              "nobody can take the role",
		`{` + trust + `,"Surprise":true}`: `"Surprise"`,
	} {
		_, err := create(s, "R", "AWS::IAM::Role", properties)
		require.ErrorContains(t, err, want)
	}
	_, err := create(s, "P", "AWS::IAM::Policy", `{"PolicyName":"p","PolicyDocument":{}}`)
	require.ErrorContains(t, err, "no Statement")
}
