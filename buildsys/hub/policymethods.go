package hub

import "github.com/privyseal/privyseal/buildsys"

// policyMethods are what asks for a policy by name.
func policyMethods() []Method {
	host := func(name, args, doc string, fn func(*Ctx, Args) (any, error)) Method {
		return hostMethod(ModeRead, name, args, doc, func(c *Ctx, _ *buildsys.Host, a Args) (any, error) { return fn(c, a) })
	}
	return []Method{
		{Name: "evalPolicy", Args: "name, data", Fn: evalPolicy,
			Doc: "The action that a policy of the hub gives for some data (a struct), None where no rule of it matches."},
		host("evalPolicy", "name, data", "The action that a policy gives for some data.", evalPolicy),
		host("checkPolicy", "name, data, default='deny', strict=False",
			"Whether a policy allows what the data say, and why: [bool, reason]. With strict a refusal is a fault.",
			func(c *Ctx, a Args) (any, error) {
				name, data, fallback := a.Str("name"), policyData(a.Map("data")), a.Str("default")
				ok, reason, rule, err := c.policyJudge(name, data, fallback, false)
				if err == nil && !ok && a.Bool("strict") {
					err = c.policyRefusal(name, reason, rule)
				}
				return []any{ok, reason}, err
			}),
		host("assertPolicy", "name, data, default='deny'", "Refuse with a fault what a policy does not allow.",
			func(c *Ctx, a Args) (any, error) {
				return nil, c.policyAssertElse(a.Str("name"), policyData(a.Map("data")), a.Str("default"), false)
			}),
	}
}

func evalPolicy(c *Ctx, a Args) (any, error) {
	action, err := c.policyEval(a.Str("name"), policyData(a.Map("data")))
	if err != nil || action == "" {
		return nil, err
	}
	return action, nil
}
