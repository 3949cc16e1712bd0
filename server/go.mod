module github.com/gabion-io/gabion/server

go 1.26

require github.com/gabion-io/gabion v0.1.0

require github.com/gabion-io/gabion/examples v0.1.0
