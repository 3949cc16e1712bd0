package exchange

// Types of Gabion's own answers: the last part of the problem's type, see [URN].
const (
	BadRequest        = "bad-request"
	NoRoute           = "no-route"
	MethodNotAllowed  = "method-not-allowed"
	RequestTimeout    = "request-timeout"
	BodyTooLarge      = "body-too-large"
	ExpectationFailed = "expectation-failed"
	RateLimited       = "rate-limited"
	HeaderTooLarge    = "header-too-large"
	UpgradeRefused    = "upgrade-refused"
	InternalError     = "internal-error"
	UpstreamBroken    = "upstream-broken"
	NoEndpoint        = "no-endpoint"
	CircuitOpen       = "circuit-open"
	BulkheadFull      = "bulkhead-full"
	Overloaded        = "overloaded"
	Stopping          = "stopping"
	UpstreamTimeout   = "upstream-timeout"
	DeadlineExceeded  = "deadline-exceeded"
	Version           = "version-not-supported"
)

// URN is what stands before a type in the problem's "type" member: urn:gabion:problem:rate-limited. It names, it is not
// an address: nothing has to be reachable for a client to tell problems apart.
const URN = "urn:gabion:problem:"

// Kind describes one type of problem.
type Kind struct {
	// Type is the last part of the problem's type.
	Type string
	// Status is the status that goes with it.
	Status int
	// Title is the short, constant summary for people.
	Title string
	// Meaning says, for the documentation, when it is given and what the client can do.
	Meaning string
}

// Kinds are all problems that Gabion can answer with. docs/problems.md is held equal to this table by a test.
var Kinds = []Kind{
	{BadRequest, 400, "Bad request", "The request is malformed or ambiguous, or its path is not acceptable. Nothing was passed on. Do not repeat it as it is."},
	{NoRoute, 404, "No route", "No route matches the host, path and header of the request."},
	{MethodNotAllowed, 405, "Method not allowed", "A route matches, but not with this method. `Allow` lists those that do."},
	{RequestTimeout, 408, "Request timeout", "The request came too slowly."},
	{BodyTooLarge, 413, "Body too large", "The body is larger than `gateway.max_body`. Nothing, or not all of it, was passed on."},
	{ExpectationFailed, 417, "Expectation failed", "`Expect` asks for something other than `100-continue`."},
	{RateLimited, 429, "Rate limited", "A limit of the route is used up. A client that waits as long as `Retry-After` says succeeds."},
	{HeaderTooLarge, 431, "Header too large", "The head of the request is larger than `gateway.max_header`."},
	{UpgradeRefused, 400, "Upgrade refused", "The change of protocols that the client asks for is not possible here."},
	{InternalError, 500, "Internal error", "A fault in Gabion itself. The log has the details under the request id."},
	{UpstreamBroken, 502, "Upstream broken", "The service could not be reached, or its answer broke or made no sense."},
	{NoEndpoint, 503, "No endpoint", "The service has no endpoint to send the request to."},
	{CircuitOpen, 503, "Circuit open", "The service fails too often or is too slow, and is spared for a while."},
	{BulkheadFull, 503, "Bulkhead full", "The service has as many requests in flight as it may have, and the queue is full or the wait was too long."},
	{Overloaded, 503, "Overloaded", "The gateway sheds load."},
	{Stopping, 503, "Stopping", "This instance is going away. Repeat the request: another one takes it."},
	{UpstreamTimeout, 504, "Upstream timeout", "The service did not answer in time."},
	{DeadlineExceeded, 504, "Deadline exceeded", "The time for the whole request was used up, whatever it was spent on."},
	{Version, 505, "Version not supported", "The request's version of HTTP is not one that Gabion speaks."},
}

// kinds finds a kind by its type.
var kinds = func() map[string]*Kind {
	m := make(map[string]*Kind, len(Kinds))
	for i := range Kinds {
		m[Kinds[i].Type] = &Kinds[i]
	}
	return m
}()

// StatusOf is the status that goes with a type of problem; 500 for one that is not among [Kinds].
func StatusOf(problem string) int {
	if k := kinds[problem]; k != nil {
		return k.Status
	}
	return kinds[InternalError].Status
}
