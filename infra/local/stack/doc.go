// Package stack brings up a synthesized CDK stack on one machine: it opens the
// local services, deploys the template into them, and serves all of them on one
// port.
//
// The front door is that port. Clients reach it through AWS_ENDPOINT_URL; a
// request goes to the service that its signature was made for. /_sluice/ is the
// admin API: health, resources, usage and faults.
//
// Everything the services keep lies under one directory, which belongs to one
// running stack at a time. A stack that is killed loses nothing that it had
// confirmed: Up on the same directory carries on with it.
package stack
