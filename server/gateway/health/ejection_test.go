package health

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/script"
)

// Commands: new, ok, fail, ignored (n=, stamp=NAME of a trial, late: with the stamp of the first period), try NAME,
// eject (same: not longer), hasten, release, wait for=, off, state.
func TestEjectionScripts(t *testing.T) {
	script.Run(t, "testdata/*.txt", func(t *testing.T) func(script.Command) string {
		var e Ejection
		now := time.Hour
		stamps := map[string]uint64{}
		results := func(c script.Command, outcome gabion.Outcome) string {
			n := 1
			if c.Keys["n"] != "" {
				n, _ = strconv.Atoi(c.Keys["n"])
			}
			stamp := e.Period()
			if name := c.Keys["stamp"]; name != "" {
				stamp = stamps[name]
			}
			verdict := Nothing
			for range n {
				verdict = e.Result(stamp, now, outcome, func() string { return "status 500" })
			}
			if verdict == Guilty {
				return "guilty: " + e.why
			}
			return verdict.String()
		}
		return func(c script.Command) string {
			switch c.Name {
			case "new":
				rate, _ := strconv.ParseFloat(c.Keys["rate"], 64)
				consecutive, _ := strconv.Atoi(c.Keys["consecutive"])
				e = NewEjection(Rules{Consecutive: consecutive, Rate: rate, EjectFor: c.Duration(t, "for")})
				stamps["first"] = e.Period()
			case "ok":
				return results(c, gabion.Success)
			case "fail":
				return results(c, gabion.Failure)
			case "ignored":
				return results(c, gabion.Ignored)
			case "try":
				stamp, ok := e.Try(now)
				if ok && len(c.Args) > 0 {
					stamps[c.Args[0]] = stamp
				}
				if !ok && e.Due(now) > now {
					return fmt.Sprintf("no, in %v", e.Due(now)-now)
				}
				return map[bool]string{true: "yes", false: "no"}[ok]
			case "eject":
				e.Eject(now, len(c.Args) == 0)
				return fmt.Sprintf("for %v", e.until-now)
			case "hasten":
				e.Hasten(now)
			case "release":
				e.Release(now)
			case "off":
				e.Update(Rules{Off: true}, now)
			case "wait":
				now += c.Duration(t, "for")
			case "state":
				return strings.TrimSpace(fmt.Sprintf("%v, %d times %s", e.State(), e.Count(), e.Why()))
			default:
				t.Fatalf("line %d: unknown command %s", c.Line, c.Name)
			}
			return e.State().String()
		}
	})
}
