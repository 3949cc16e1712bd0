//go:build race

package overload

// slowed says that the race detector makes runs fifteen times slower, so the tests play fewer of them. A run has one goroutine.
const slowed = true
