package config

import "fmt"

// OriginKind says what kind of place a value came from.
type OriginKind string

// The kinds of origins, in the order of who wins: a flag over the environment over the file over the default.
const (
	OriginFlag    OriginKind = "flag"
	OriginEnv     OriginKind = "env"
	OriginFile    OriginKind = "file"
	OriginDefault OriginKind = "default"
)

// Origin is where a value came from.
type Origin struct {
	Kind OriginKind `json:"kind"`
	// Name is the file, the variable or the flag; empty for a default.
	Name string `json:"name,omitempty"`
	// Line is the line in the file, counted from 1; 0 for other kinds.
	Line int `json:"line,omitempty"`
}

// String returns "file gabion.yaml:12", "env GABION_DATA", "flag --listen" or "default".
func (o Origin) String() string {
	switch o.Kind {
	case OriginFile:
		return fmt.Sprintf("file %s:%d", o.Name, o.Line)
	case OriginEnv, OriginFlag:
		return string(o.Kind) + " " + o.Name
	default:
		return string(OriginDefault)
	}
}

func (n *node) origin() Origin {
	o := Origin{Kind: n.at.src.kind, Name: n.at.src.name}
	switch o.Kind {
	case OriginFile:
		o.Line = n.where().line
	case OriginDefault:
		o.Name = ""
	}
	return o
}
