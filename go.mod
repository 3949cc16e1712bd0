module github.com/gabion-io/gabion

go 1.26.0
