// Package defaulttest holds a policy's Config to its documentation: what the tag `default` says is what New applies.
package defaulttest

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

// Check compares every field of applied, a zero Config to which the defaults were applied, with its tag. The tag
// holds the value as it is written in a file, "off", or the key of another field of the same struct.
func Check(t *testing.T, applied any) {
	t.Helper()
	checked := 0
	check(t, reflect.ValueOf(applied), &checked)
	if checked == 0 {
		t.Errorf("%T has no field with the tag default", applied)
	}
}

func check(t *testing.T, v reflect.Value, checked *int) {
	t.Helper()
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		text, ok := field.Tag.Lookup("default")
		switch {
		case key == "-":
		case field.Type.Kind() == reflect.Struct && !ok:
			check(t, value, checked)
		case ok:
			*checked++
			if want := parse(t, v, field, text); !value.Equal(want) {
				t.Errorf("%s: New applies %v, the tag says %s", field.Name, value, text)
			}
		case value.IsZero(): // no default
		default:
			t.Errorf("%s: New applies %v, but there is no tag default", field.Name, value)
		}
	}
}

func parse(t *testing.T, of reflect.Value, field reflect.StructField, text string) reflect.Value {
	t.Helper()
	for i := range of.NumField() {
		if of.Type().Field(i).Tag.Get("yaml") == text {
			return of.Field(i)
		}
	}
	want := reflect.New(field.Type)
	if text == "off" {
		if field.Tag.Get("off") != "true" {
			t.Errorf("%s: off by default, but without the tag off", field.Name)
		}
		text = strconv.Itoa(gabion.Off)
		if field.Type == reflect.TypeFor[time.Duration]() {
			text += "ns"
		}
		return number(t, want.Elem(), text)
	}
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](want); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			t.Fatalf("%s: %v", field.Name, err)
		}
		return want.Elem()
	}
	return number(t, want.Elem(), text)
}

func number(t *testing.T, v reflect.Value, text string) reflect.Value {
	t.Helper()
	var err error
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		var d time.Duration
		d, err = time.ParseDuration(text)
		v.SetInt(int64(d))
	case v.CanInt():
		var n int64
		n, err = strconv.ParseInt(text, 10, 64)
		v.SetInt(n)
	case v.CanFloat():
		var f float64
		f, err = strconv.ParseFloat(text, 64)
		v.SetFloat(f)
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		v.SetBool(text == "true")
	default:
		t.Fatalf("a default of type %v", v.Type())
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}
