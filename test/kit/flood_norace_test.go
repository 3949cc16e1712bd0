//go:build !race

package kit

const slower = 1
