package gabion

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
)

func TestCallerTravelsInTheContext(t *testing.T) {
	ctx := t.Context()
	if PriorityOf(ctx) != Normal || TenantOf(ctx) != "" {
		t.Errorf("by default %v %q", PriorityOf(ctx), TenantOf(ctx))
	}
	ctx = WithTenant(WithPriority(ctx, Critical), "acme")
	if PriorityOf(ctx) != Critical || TenantOf(ctx) != "acme" {
		t.Errorf("%v %q", PriorityOf(ctx), TenantOf(ctx))
	}
}

func TestPriorityIsAWord(t *testing.T) {
	for p, word := range map[Priority]string{Sheddable: `"sheddable"`, Normal: `"normal"`, Critical: `"critical"`} {
		text, err := json.Marshal(p)
		if err != nil || string(text) != word {
			t.Errorf("%v is written as %s, %v", p, text, err)
		}
		back := Priority(99)
		if err := json.Unmarshal(text, &back); err != nil || back != p {
			t.Errorf("%s is read as %v, %v", text, back, err)
		}
	}
	if Sheddable >= Normal || Normal >= Critical {
		t.Error("priorities are not in order")
	}
	if _, err := json.Marshal(Priority(7)); err == nil {
		t.Error("priority(7) is written")
	}
	var p Priority
	if err := p.UnmarshalText([]byte("urgent")); err == nil || !strings.Contains(err.Error(), `"urgent"`) {
		t.Errorf("urgent: %v", err)
	}
}

type server struct{ context.Context }

func (server) Caller() (Priority, string) { return Sheddable, "acme" }

func TestContextKnowsItsCaller(t *testing.T) {
	ctx := server{WithPriority(t.Context(), Critical)}
	if PriorityOf(ctx) != Sheddable || TenantOf(ctx) != "acme" {
		t.Errorf("%v %q", PriorityOf(ctx), TenantOf(ctx))
	}
	if inner := WithPriority(ctx, Critical); PriorityOf(inner) != Critical {
		t.Errorf("what is said further in is %v", PriorityOf(inner))
	}
}
