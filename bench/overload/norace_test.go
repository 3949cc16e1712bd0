//go:build !race

package overload

const slowed = false
