package cli

import (
	"regexp"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

var keywordArg = regexp.MustCompile(`(?s)^([^\W0-9]\w*)=(.*)$`)

func callCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMisc, "call [options] <name> [<arg> ...]", "Execute an arbitrary XML-RPC call")
	cmd.Long = "Calls a method of the hub and prints its answer.\n\n" +
		"Arguments of the form NAME=VALUE are keyword arguments. The global option --noauth makes the\n" +
		"call without a login."
	fs := cmd.Flags()
	python := fs.BoolP("python", "p", false, "read arguments as Python literals")
	kwargs := fs.String("kwargs", "", "keyword arguments as a dictionary (implies --python, or goes with --json-input)")
	asJSON := fs.BoolP("json", "j", false, "JSON for input and output")
	jsonIn := fs.Bool("json-input", false, "read arguments as JSON")
	jsonOut := fs.Bool("json-output", false, "print the answer as JSON")
	bare := fs.BoolP("bare-strings", "b", false, "take what is no JSON or Python value as a string")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "Please specify the name of the XML-RPC method")
		}
		if *asJSON {
			*jsonIn, *jsonOut = true, true
		}
		if *python && *jsonIn {
			return usagef(cmd, "The --python option conflicts with using --json-input")
		}
		parse := func(s string) (any, error) {
			var v any
			var err error
			switch {
			case *python || *kwargs != "" && !*jsonIn:
				v, err = pyLiteral(s)
			case *jsonIn:
				v, err = jsonValue(s)
			default:
				return argValue(s), nil
			}
			if err != nil && *bare {
				return s, nil
			}
			if err != nil {
				return nil, usagef(cmd, "Invalid value: %s", pyString(s))
			}
			return v, nil
		}
		kw := xmlrpc.Kwargs{}
		if *kwargs != "" {
			v, err := parse(*kwargs)
			if err != nil {
				return err
			}
			m, ok := v.(map[string]any)
			if !ok {
				return usagef(cmd, "--kwargs: give a dictionary")
			}
			kw = m
		}
		var params []any
		for _, arg := range args[1:] {
			word, key := arg, ""
			if m := keywordArg.FindStringSubmatch(arg); m != nil {
				key, word = m[1], m[2]
			}
			v, err := parse(word)
			if err != nil {
				return err
			}
			if key != "" {
				kw[key] = v
			} else {
				params = append(params, v)
			}
		}
		if len(kw) > 0 {
			params = append(params, kw)
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		answer, err := s.api.Caller.Call(ctx, args[0], params...)
		if err != nil {
			return err
		}
		if *jsonOut || a.opts.json {
			return a.printJSON(answer)
		}
		a.println(pformat(answer))
		return nil
	}
	return cmd
}
