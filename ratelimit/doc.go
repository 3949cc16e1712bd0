// Package ratelimit bounds how many requests each user makes and how much of a server's time each user takes.
package ratelimit
