// Package grpc puts gRPC calls and streams through the policies of a [gabion.Pipe], on both sides. Import it under a name
// of your own, such as gabiongrpc.
//
// # The client
//
//	client, err := gabiongrpc.NewClient(gabiongrpc.ClientConfig{}) // timeouts, retries and a breaker for each target
//	conn, err := grpc.NewClient(address, append(client.DialOptions(), grpc.WithTransportCredentials(…))...)
//
// What it takes care of, besides asking the policies:
//
//	codes     UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and DATA_LOSS are failures; INVALID_ARGUMENT, NOT_FOUND and
//	          the like are successes, because the service works, and so is RESOURCE_EXHAUSTED: who limits is not down.
//	          What the caller itself cancelled says nothing: see [Classify]
//	retries   of UNAVAILABLE, and of RESOURCE_EXHAUSTED that says when to come back; only when nothing of the call was sent,
//	          the server itself has answered so, or the method is one that may be carried out twice
//	pushback  grpc-retry-pushback-ms and google.rpc.RetryInfo are waited for; a negative pushback forbids another try
//	errors    every error has a status: DEADLINE_EXCEEDED for a timeout, RESOURCE_EXHAUSTED for a limit, UNAVAILABLE for any
//	          other refusal by a policy. errors.Is still finds what the policy said
//	next hop  is told which try it is (x-gabion-attempt). The deadline travels by gRPC itself
//
// A stream holds its permit from before it is opened until it has ended, however that comes: its last message, an error, its
// context, or the connection that is closed. Drivers, such as timeout and retry, do not act on it, and nothing is made again
// once a stream has been opened: only the opening is, see [ClientConfig].Reopen. Breakers judge a stream when it begins to
// answer, if they are wrapped in [Opening].
//
// Retries of a service configuration multiply with those of a pipe: switch them off with grpc.WithDisableRetry. What gRPC
// repeats transparently, because the server never saw it, remains. A pipe that hedges is refused: two answers cannot be
// decoded into one message.
//
// # The server
//
//	server, err := gabiongrpc.NewServer(gabiongrpc.ServerConfig{Pipe: pipe}) // a pipe of guards: ratelimit, shed, bulkhead
//	s := grpc.NewServer(server.ServerOptions()...)
//
// Refusals are RESOURCE_EXHAUSTED when a limit is used up and UNAVAILABLE otherwise. When it is known when to come back,
// they say so twice: to programs (grpc-retry-pushback-ms) and to people (google.rpc.RetryInfo). The number of the try, the
// priority and the tenant of a call are in its context, for the guards and for the calls that the handler makes. A handler
// whose own calls were retried in vain forbids its caller to retry: three layers with three tries each make three calls and
// not 27.
package grpc
