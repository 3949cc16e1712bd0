// Package shop is a small shop made of three ordinary services, which use Gabion the way any service would: catalog,
// recommendations and checkout. The demo and the end-to-end tests put them behind the gateway and make them fail.
//
//	client ──▶ checkout ──needs──▶ catalog          without it: 503 with Retry-After
//	                  └──wants──▶ recommendations   without it: the best sellers
//
// The interesting file is dependency.go: a call to another service, and what protects it. Every service can be told
// to fail or to be slow, see [Fault].
package shop
