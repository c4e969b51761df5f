// Package elb is the local stack's Elastic Load Balancing v2: Application Load
// Balancers that really balance HTTP.
//
// The words are AWS's. A load balancer has listeners, each on a port. A listener
// has rules, tried in the order of their priority, and a default action for what
// no rule matches. An action forwards to target groups (by weight), redirects,
// or answers with a fixed response. A target group has targets, each an IP
// address and a port, and checks their health.
//
// # Where it listens
//
// Every listener has a port of its own on 127.0.0.1: its own number where that
// is 1024 or more and free, otherwise one that is kept across restarts
// (Addresses tells). A load balancer's DNSName is <name>-<hash>.elb.localhost;
// requests for that host at the stack's own port reach it too (Host).
//
// # What a change does
//
// The API reads back a change at once; requests follow it after
// Config.PropagationDelay, as on AWS, where it takes seconds. Requests are routed
// by immutable snapshots, so a request sees the rules of before or of after.
//
// # Health
//
// A target of a group that a listener or rule forwards to is initial, then
// healthy after one good check or unhealthy after UnhealthyThresholdCount bad
// ones; from then on the thresholds count both ways. Only healthy targets get
// requests, unless fewer than the group's minimum are healthy: then all get
// them (the group fails open). A target that is deregistered drains: it gets no
// new requests, and what is in flight may end within the deregistration delay.
package elb
