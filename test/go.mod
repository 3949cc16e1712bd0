module github.com/gabion-io/gabion/test

go 1.26

require github.com/gabion-io/gabion v0.1.0
