// Package service is a service's endpoints and the choice among them.
//
// A [Service] is asked for an endpoint for every attempt ([Service.Pick]) and told how the attempt ended
// ([Lease.Done]). From that, from regular checks and from name resolution it knows which endpoints can be used.
package service
