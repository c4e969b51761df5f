// Package assembly reads what `cdk synth` leaves behind and deploys it into the
// local services.
//
// The words are CDK's and CloudFormation's. A cloud assembly is the folder
// cdk.out; its manifest lists artifacts, and an artifact that is a stack names a
// template and an asset manifest. A template declares resources by logical id.
// An intrinsic is a one-key object such as {"Ref": "Lake"} or
// {"Fn::GetAtt": ["Lake", "Arn"]} that is replaced by a value once the resource
// it names exists. An asset is a file or folder that the template refers to by
// its hash: a function's code, a state machine's definition, an image's context.
//
// Deploying resolves the intrinsics and hands every resource to the Creator of
// its type, each one after the resources it depends on. What the local stack
// does not implement is an error before the first resource is created, with
// every unsupported place listed at once.
package assembly
