package config

import (
	"fmt"
	"io"
	"strings"
)

// Reference writes the page docs/configuration.md: every key, from the same comments and tags as [Explain].
func Reference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, k := range AllKeys() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", k.Name, sentence(k.Doc))
		if k.Keys == nil {
			fmt.Fprintf(&b, "%s. Default: `%s`.\n", sentence(k.Type), k.Default)
			continue
		}
		b.WriteString("| key | takes | default | meaning |\n|---|---|---|---|\n")
		for _, inner := range Flatten(k.Keys) {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", strings.TrimPrefix(inner.Path, k.Path+"."), cell(inner.takes()), cell(inner.markedDefault()), cell(inner.Doc))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const referenceHead = `# The file gabion.yaml

<!-- Made from the comments in the source by ` + "`make generate`" + `. Do not edit. -->

` + "`gabion init`" + ` writes a commented file to start from, ` + "`gabion validate`" + ` finds everything that is wrong with one,
` + "`gabion explain KEY`" + ` says what is on this page about a key, with an example, ` + "`gabion config`" + ` shows the values in
effect and where each came from, and ` + "`gabion schema`" + ` writes a JSON Schema for editors.

- A value is taken from a flag (` + "`--set gateway.drain=5s`" + `), else from the environment (` + "`GABION_GATEWAY_DRAIN=5s`" + `), else
  from the file, else it is the default. Flags and the environment set every key that is not
  within a list or below a name of your own.
- A policy that is left out has its defaults, and they protect. What can be ` + "`off`" + ` is switched off with that word, never
  with 0.
- Durations have a unit (` + "`300ms`, `10s`, `2m`, `15d`, `5y`" + `; a year has 365 days), sizes too (` + "`64KiB`, `10MiB`" + `), shares are percentages (` + "`20%`" + `), and rates name
  their time (` + "`100/s`, `60/m`, `2s/10s`" + `).
- Secrets are references, ` + "`{env: NAME}` or `{file: PATH}`" + `, never values.
- Keys at the top that begin with ` + "`x-`" + ` are ignored: a place for YAML anchors.
- ` + "`*`" + ` stands for a name of your own, or for each item of a list.
`

// sentence begins a text with a capital.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (k *Key) takes() string {
	if len(k.Allowed) > 0 {
		return "`" + strings.Join(k.Allowed, "`, `") + "`"
	}
	return k.Type
}

// markedDefault is the default, marked as code where it is what one would write.
func (k *Key) markedDefault() string {
	switch {
	case k.Required:
		return "required"
	case k.Default == "" || k.inWords:
		return k.Default
	default:
		return "`" + k.Default + "`"
	}
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
