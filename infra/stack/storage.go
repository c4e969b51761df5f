package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/sluice-ml/sluice/shared/contract"
)

// addStorage makes the two buckets. Both keep every version: a commit pins
// versions, so no lifecycle rule here may ever expire one.
func (s *Sluice) addStorage() {
	s.lake = s.bucket("Lake", "lake")
	s.store = s.bucket("Store", "store")
	// The L1 property, because the L2 switch adds a custom resource (and a
	// Python function) that does the same thing.
	lake := s.lake.Node().DefaultChild().(awss3.CfnBucket)
	lake.AddPropertyOverride(jsii.String("NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled"), true)
	store := s.store.Node().DefaultChild().(awss3.CfnBucket)
	store.AddPropertyOverride(jsii.String("NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled"), true)
}

// bucket has a name that a person or the sluice command can work out from the
// environment, the account and the region.
func (s *Sluice) bucket(id, name string) awss3.Bucket {
	bucket := awss3.NewBucket(s.stack, jsii.String(id), &awss3.BucketProps{
		BucketName:        jsii.String(contract.BucketName(s.environment, name, *s.stack.Account(), *s.stack.Region())),
		Versioned:         jsii.Bool(true),
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		EnforceSSL:        jsii.Bool(true),
		MinimumTLSVersion: jsii.Number(1.2),
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		RemovalPolicy:     awscdk.RemovalPolicy_RETAIN,
		LifecycleRules: &[]*awss3.LifecycleRule{{
			Id:                                  jsii.String("abort-unfinished-uploads"),
			AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(7)),
		}},
	})
	fix(bucket, id)
	fix(bucket.Policy(), id+"Policy")
	return bucket
}

// addMessaging makes the topic for people, the queue for events that no
// function could take, and the key that signs decisions.
func (s *Sluice) addMessaging() {
	s.alerts = awssns.NewTopic(s.stack, jsii.String("Alerts"), &awssns.TopicProps{
		TopicName:  jsii.String(s.name("alerts")),
		EnforceSSL: jsii.Bool(true),
	})
	fix(s.alerts, "Alerts")
	// Adding a statement takes the topic's default policy away, so the account
	// is named again beside the services that publish.
	s.alerts.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("ServicesPublish"),
		Actions:    jsii.Strings("sns:Publish"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), nil), awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
		Resources:  &[]*string{s.alerts.TopicArn()},
		Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": s.stack.Account()}},
	}))
	if policy := s.alerts.Node().TryFindChild(jsii.String("Policy")); policy != nil {
		fix(policy, "AlertsPolicy")
	}
	if s.settings.AlertEmail != "" {
		s.alerts.AddSubscription(awssnssubscriptions.NewEmailSubscription(jsii.String(s.settings.AlertEmail), nil))
	}
	s.deadLetters = awssqs.NewQueue(s.stack, jsii.String("DeadLetters"), &awssqs.QueueProps{
		QueueName:       jsii.String(s.name("dead-letters")),
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:      jsii.Bool(true),
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)),
	})
	fix(s.deadLetters, "DeadLetters")
	s.deadLetters.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("EventsMayLeaveDeadLetters"),
		Actions:    jsii.Strings("sqs:SendMessage"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), nil)},
		Resources:  &[]*string{s.deadLetters.QueueArn()},
		Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": s.stack.Account()}},
	}))
	if policy := s.deadLetters.Node().TryFindChild(jsii.String("Policy")); policy != nil {
		fix(policy, "DeadLettersPolicy")
	}
	s.addSigningKey()
}

func (s *Sluice) addSigningKey() {
	root := awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("AccountAdministers"),
		Actions:    jsii.Strings("kms:*"),
		Resources:  jsii.Strings("*"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewAccountRootPrincipal()},
	})
	s.signingKey = awskms.NewCfnKey(s.stack, jsii.String("DecisionKey"), &awskms.CfnKeyProps{
		Description: jsii.String("Signs Sluice's decisions (" + s.environment + "): nothing ships without one"),
		KeySpec:     jsii.String("ECC_NIST_P256"),
		KeyUsage:    jsii.String("SIGN_VERIFY"),
		KeyPolicy:   awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &[]awsiam.PolicyStatement{root}}),
	})
	s.signingKey.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	awskms.NewCfnAlias(s.stack, jsii.String("DecisionKeyAlias"), &awskms.CfnAliasProps{
		AliasName:   jsii.String("alias/" + s.name("decisions")),
		TargetKeyId: s.signingKey.AttrArn(),
	})
}
