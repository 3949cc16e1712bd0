module github.com/gabion-io/gabion/examples

go 1.26.0

require github.com/gabion-io/gabion v0.1.0
