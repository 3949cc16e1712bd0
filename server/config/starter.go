package config

import _ "embed" // for the file to start from

// Starter is the commented file that `gabion init` writes.
//
//go:embed starter.yaml
var Starter []byte
