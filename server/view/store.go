package view

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/gabion-io/gabion/server/status"
)

// store is one line about the process that keeps metrics and logs; nothing when there is none.
func (s Style) store(r status.Report) string {
	st := r.Store
	if st.State == "" || st.State == status.StoreOff {
		return ""
	}
	tones := map[string]tone{status.StoreUp: good, "down": bad, "stopped": bad}
	parts := []string{"store: " + s.paint(cmp.Or(tones[st.State], warn), clean(st.State)) + " since " + s.clock(st.Since, r.Now)}
	if st.Restarts > 0 {
		parts = append(parts, fmt.Sprintf("restarts: %d", st.Restarts))
	}
	if st.Disk == "low" || st.Disk == "full" {
		parts = append(parts, s.paint(bad, "its disk is "+st.Disk))
	}
	buffered, lost := 0, uint64(0)
	for _, f := range st.Feeds {
		buffered += f.Bytes
		lost += f.Dropped + f.Refused
	}
	if st.State != status.StoreUp && buffered > 0 {
		parts = append(parts, fmt.Sprintf("%.1f MiB wait for it", float64(buffered)/(1<<20)))
	}
	if lost > 0 {
		parts = append(parts, s.paint(warn, number(lost)+" items were lost"))
	}
	text := strings.Join(parts, ", ") + "\n"
	if st.State != status.StoreUp && st.Reason != "" {
		reason, _, _ := strings.Cut(st.Reason, "\n")
		text += "  " + clean(reason) + "\n"
	}
	return text
}
