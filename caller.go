package gabion

import (
	"context"
	"fmt"
)

// Priority is how long a call is kept when not everything can be served. The zero value is [Normal].
type Priority int8

// The priorities, from the first to be given up to the last.
const (
	Sheddable Priority = iota - 1
	Normal
	Critical
)

var priorities = [...]string{"sheddable", "normal", "critical"}

// String returns the word that configurations use.
func (p Priority) String() string {
	if p < Sheddable || p > Critical {
		return fmt.Sprintf("priority(%d)", int8(p))
	}
	return priorities[p-Sheddable]
}

// MarshalText implements encoding.TextMarshaler.
func (p Priority) MarshalText() ([]byte, error) {
	if p < Sheddable || p > Critical {
		return nil, fmt.Errorf("%v is none: use critical, normal or sheddable", p)
	}
	return []byte(p.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Priority) UnmarshalText(text []byte) error {
	for i, name := range priorities {
		if string(text) == name {
			*p = Priority(i) + Sheddable
			return nil
		}
	}
	return fmt.Errorf("priority is %q, must be critical, normal or sheddable", text)
}

// Caller is what a context can be that knows by itself whose call it is. [PriorityOf] and [TenantOf] ask it, so that a server
// with a context of its own for every request needs no further ones.
type Caller interface {
	Caller() (priority Priority, tenant string)
}

type priorityKey struct{}

// WithPriority returns a context whose calls have this priority.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

// PriorityOf returns what [WithPriority] set, [Normal] when there is nothing.
func PriorityOf(ctx context.Context) Priority {
	if c, ok := ctx.(Caller); ok {
		p, _ := c.Caller()
		return p
	}
	p, _ := ctx.Value(priorityKey{}).(Priority)
	return p
}

type tenantKey struct{}

// WithTenant returns a context whose calls are made for this tenant, such as a customer or a user. Where calls wait, tenants
// take turns, so that one with many calls keeps no other waiting for long. Without it, calls are those of the tenant "".
func WithTenant(ctx context.Context, tenant string) context.Context {
	return context.WithValue(ctx, tenantKey{}, tenant)
}

// TenantOf returns what [WithTenant] set, "" when there is nothing.
func TenantOf(ctx context.Context) string {
	if c, ok := ctx.(Caller); ok {
		_, tenant := c.Caller()
		return tenant
	}
	tenant, _ := ctx.Value(tenantKey{}).(string)
	return tenant
}
