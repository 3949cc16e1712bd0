//go:build race

package kit

// slower is by how much the race detector makes what only repeats itself slower, and by how much it is shortened then.
const slower = 10
