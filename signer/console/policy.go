package console

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer/decide"
)

const maxPolicy = 1 << 20

func (c *Console) policyShow(_ context.Context, args []string) error {
	f := c.form()
	out := f.out("out", "`file` to write")
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	if state.Policy() == "" {
		fmt.Fprintln(c.Out, "# no policy is set: nothing is signed")
	}
	return c.give(*out, []byte(state.Policy()))
}

func (c *Console) policySet(ctx context.Context, args []string) error {
	words, err := c.form().parse(args, nil, "FILE")
	if err != nil {
		return err
	}
	text, err := readPolicy(words[0])
	if err != nil {
		return err
	}
	return c.setPolicy(ctx, text)
}

func (c *Console) setPolicy(ctx context.Context, text string) error {
	state, err := c.state()
	if err != nil {
		return err
	}
	policy, err := decide.Load(text)
	if err != nil {
		return err
	}
	c.warnOf(policy, state)
	return c.change(ctx, func(s *vault.State) (*vault.Change, error) {
		if s.Policy() == text {
			return nil, fmt.Errorf("this is the policy that is set: nothing was changed")
		}
		return s.SetPolicy(c.author(), text)
	})
}

// warnOf prints what a policy says that is hardly meant.
func (c *Console) warnOf(policy *decide.Decider, state *vault.State) {
	var users, names []string
	for _, u := range state.Users() {
		users = append(users, u.Name)
	}
	for _, k := range state.Keys("") {
		names = append(names, k.Name)
	}
	for _, w := range policy.Warnings(users, names) {
		fmt.Fprintf(c.Out, "warning: %s\n", w)
	}
}

// readPolicy reads a policy and refuses one that says what can never be meant.
func readPolicy(file string) (string, error) {
	data, err := readFile(file, maxPolicy)
	if err != nil {
		return "", err
	}
	if _, err := decide.Load(string(data)); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return string(data), nil
}

// policyTest tries a policy before it is set: on one request, or on a file of cases.
func (c *Console) policyTest(_ context.Context, args []string) error {
	f := c.form()
	cases := f.in("cases", "`file` of cases: lines that begin with allow or deny and go on with the options of a request")
	asked := f.request()
	words, err := f.parse(args, nil, "FILE")
	if err != nil {
		return err
	}
	text, err := readPolicy(words[0])
	if err != nil {
		return err
	}
	policy, err := decide.Load(text)
	if err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	c.warnOf(policy, state)
	if *cases == "" && !asked.given() {
		fmt.Fprintf(c.Out, "%s can be set: policy set %s\n", words[0], words[0])
		return nil
	}
	if *cases != "" {
		if err := c.policyCases(policy, state, *cases); err != nil {
			return err
		}
	}
	if !asked.given() {
		return nil
	}
	return c.explain(policy, state, asked)
}

// policyExplain says what the policy that is set decides about a request, and which rule does.
func (c *Console) policyExplain(_ context.Context, args []string) error {
	f := c.form()
	asked := f.request()
	if _, err := f.parse(args, []string{"user", "key", "op"}); err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	policy, err := decide.Load(state.Policy())
	if err != nil {
		return err
	}
	return c.explain(policy, state, asked)
}

func (c *Console) explain(policy *decide.Decider, state *vault.State, asked *request) error {
	facts, err := asked.facts(state)
	if err != nil {
		return err
	}
	// A policy takes away from what a grant gives: without one there is nothing to take.
	if err := state.May(facts.User, facts.Key); err != nil {
		fmt.Fprintf(c.Out, "before the policy is asked: %v\n", err)
	}
	_, err = fmt.Fprint(c.Out, policy.Explain(facts).Text())
	return err
}

// policyCases runs a table of cases, and fails when one of them is not decided as it says.
func (c *Console) policyCases(policy *decide.Decider, state *vault.State, file string) error {
	data, err := readFile(file, maxBatch)
	if err != nil {
		return err
	}
	number, tried, wrong := 0, 0, 0
	for line := range bytes.Lines(data) {
		number++
		words, err := splitLine(string(bytes.TrimRight(line, "\r\n")))
		if err != nil {
			return fmt.Errorf("%s:%d: %w", file, number, err)
		}
		if len(words) == 0 {
			continue
		}
		if words[0] != "allow" && words[0] != "deny" {
			return daemon.Usagef("%s:%d: a case begins with allow or deny, not %.40q", file, number, words[0])
		}
		f := (&Console{Terminal: c.Terminal, verb: c.verb}).form()
		asked := f.request()
		if _, err := f.parse(words[1:], []string{"user", "key", "op"}); err != nil {
			return fmt.Errorf("%s:%d: %w", file, number, err)
		}
		facts, err := asked.facts(state)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", file, number, err)
		}
		tried++
		if said := policy.Explain(facts); said.Allow != (words[0] == "allow") {
			wrong++
			fmt.Fprintf(c.Out, "%s:%d: %s\n", file, number, strings.TrimSpace(string(line)))
			for l := range strings.Lines(said.Text()) {
				fmt.Fprint(c.Out, "    ", l)
			}
		}
	}
	fmt.Fprintf(c.Out, "%d cases, %d of them decided otherwise than they say\n", tried, wrong)
	if wrong > 0 {
		return fmt.Errorf("%s: the policy does not decide %d of %d cases as they say", file, wrong, tried)
	}
	return nil
}
