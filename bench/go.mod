module github.com/gabion-io/gabion/bench

go 1.26.0
