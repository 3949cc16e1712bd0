package config

import (
	"reflect"
	"slices"
)

// planned are keys that later versions will have. They are refused with words of their own, so that nobody believes
// to be protected by what is not there.
var planned = map[reflect.Type][]string{
	reflect.TypeFor[File]():       {"slos", "checks", "expect"},
	reflect.TypeFor[Service]():    {"cache"},
	reflect.TypeFor[Route]():      {"async", "idempotency"},
	reflect.TypeFor[Drills]():     {"env"},
	reflect.TypeFor[Alerts]():     {"general", "rules"},
	reflect.TypeFor[Receiver]():   {"slack", "email", "pagerduty"},
	reflect.TypeFor[AlertRoute](): {"routes"},
}

// isPlanned says whether a key of a section is one of a later version.
func isPlanned(section reflect.Type, key string) bool {
	return slices.Contains(planned[section], key)
}
