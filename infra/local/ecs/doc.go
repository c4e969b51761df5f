// Package ecs is the local stack's Amazon ECS on Fargate: it runs services and
// tasks as processes of their images' own programs.
//
// The words are AWS's:
//
//   - a task definition says what to run: containers with images, ports,
//     environments and health checks. Its revisions are a family's, from 1 up,
//     and never change;
//   - a task is one running copy of a task definition. Each of its containers is
//     a process. It has an address of its own (10.0.x.y), as in awsvpc mode;
//   - a service keeps a desired count of tasks running, behind target groups
//     where it has load balancers;
//   - a deployment is a service's tasks of one task definition. The PRIMARY one
//     is what the service moves to, ACTIVE ones are being replaced.
//
// A task goes through
//
//	PROVISIONING → PENDING (containers start) → ACTIVATING (targets are registered) → RUNNING
//	→ DEACTIVATING (targets drain) → STOPPING (SIGTERM, then SIGKILL) → DEPROVISIONING → STOPPED
//
// A rolling deployment never has more than maximumPercent of the desired count
// running or pending, nor stops healthy tasks below minimumHealthyPercent. A task
// is healthy when its containers' health checks pass and its targets are healthy;
// one without checks when it has run for Options.SteadyAfter. plan decides that
// purely; reconcile acts.
//
// A container's process cannot have the container's port to itself, because all
// tasks share this machine. It is told a port in SAGEMAKER_BIND_TO_PORT, and in
// PORT unless the task definition sets that; Address says which one stands for an
// address and a container port. Nothing knows of a program that listens elsewhere.
//
// Everything is kept in files. After a kill, Recover ends the tasks that ran (they
// died with the stack) and the services start fresh ones, in the deployments that
// they had.
//
// Not built, and refused by name: EC2 and external launch types, the CODE_DEPLOY
// and EXTERNAL controllers, blue/green, canary and linear strategies, deployment
// alarms, daemons, volumes, secrets, Service Connect and service registries, ECS
// Exec, auto scaling, several ports in one container.
package ecs
