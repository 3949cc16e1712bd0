package logql

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"text/template/parse"
)

// MaxOutput is the most that a template may give, in bytes, in the end and on the way.
const MaxOutput = 256 << 10

// maxTemplateNodes bounds how much a template does for a line.
const maxTemplateNodes = 1000

var errOutput = fmt.Errorf("more than %d bytes", MaxOutput)

// format is a compiled template.
type format struct {
	template *template.Template
	current  *record // the line that __line__ and __timestamp__ speak of
	out      bounded
}

// bounded is a writer that refuses what is too much.
type bounded struct{ strings.Builder }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > MaxOutput {
		return 0, errOutput
	}
	return b.Builder.Write(p)
}

func compileTemplate(text string) (*format, error) {
	f := &format{}
	t, err := template.New("").Option("missingkey=zero").Funcs(functions).Funcs(f.lineFunctions()).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the template: %s", strings.TrimPrefix(err.Error(), "template: "))
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("the template: define and block are not known here")
	}
	nodes := 0
	if t.Tree != nil {
		if err := checkNode(t.Root, &nodes); err != nil {
			return nil, fmt.Errorf("the template: %w", err)
		}
	}
	f.template = t
	return f, nil
}

// checkNode refuses what could go on for long: loops and templates that call each other.
func checkNode(n parse.Node, nodes *int) error {
	if *nodes++; *nodes > maxTemplateNodes {
		return fmt.Errorf("more than %d parts", maxTemplateNodes)
	}
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, inner := range n.Nodes {
			if err := checkNode(inner, nodes); err != nil {
				return err
			}
		}
		return nil
	case *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		return checkNode(n.Pipe, nodes)
	case *parse.IfNode:
		return checkBranch(&n.BranchNode, nodes)
	case *parse.WithNode:
		return checkBranch(&n.BranchNode, nodes)
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			for _, arg := range c.Args {
				if err := checkNode(arg, nodes); err != nil {
					return err
				}
			}
		}
		return nil
	case *parse.IdentifierNode:
		switch n.Ident {
		case "call", "html", "js", "slice", "print", "println":
			return fmt.Errorf("the function %s is not known here", n.Ident)
		}
		return nil
	case *parse.RangeNode, *parse.TemplateNode, *parse.BreakNode, *parse.ContinueNode:
		return errors.New("range, break, continue and template are not known here, so that it always ends")
	}
	return nil
}

func checkBranch(n *parse.BranchNode, nodes *int) error {
	for _, inner := range []parse.Node{n.Pipe, n.List, n.ElseList} {
		if err := checkNode(inner, nodes); err != nil {
			return err
		}
	}
	return nil
}

// run gives what the template makes of a line.
func (f *format) run(r *record) (string, error) {
	r.fill()
	if r.scratch == nil {
		r.scratch = map[string]string{}
	}
	clear(r.scratch)
	for _, x := range r.fields {
		r.scratch[x.name] = x.value
	}
	for alias, name := range aliases {
		if _, ok := r.scratch[alias]; !ok {
			r.scratch[alias] = r.scratch[name]
		}
	}
	r.scratch[errorLabel], r.scratch[detailLabel] = r.problem, r.detail
	f.current = r
	f.out.Reset()
	if err := f.template.Execute(&f.out, r.scratch); err != nil {
		return "", err
	}
	return f.out.String(), nil
}

func (s *LineFormat) compile() (step, error) {
	f, err := compileTemplate(s.Template)
	if err != nil {
		return nil, err
	}
	return func(r *record) bool {
		text, err := f.run(r)
		if err != nil {
			return r.fail("TemplateFormatErr", err.Error())
		}
		r.text = text
		return true
	}, nil
}

func (s *LabelFormat) compile() (step, error) {
	formats := make([]*format, len(s.Assign))
	for i, a := range s.Assign {
		for _, other := range s.Assign[:i] {
			if other.Label == a.Label {
				return nil, fmt.Errorf("label_format sets %s twice", a.Label)
			}
		}
		if a.From != "" {
			continue
		}
		f, err := compileTemplate(a.Template)
		if err != nil {
			return nil, err
		}
		formats[i] = f
	}
	return func(r *record) bool {
		for i, a := range s.Assign {
			if a.From != "" {
				if value, ok := r.get(a.From); ok && a.From != a.Label {
					r.remove(a.From)
					r.put(a.Label, value, ofParser)
				}
				continue
			}
			value, err := formats[i].run(r)
			if err != nil {
				return r.fail("TemplateFormatErr", err.Error())
			}
			r.put(a.Label, value, ofParser)
		}
		return true
	}, nil
}
