package hub

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys"
)

// RepoConfig says how repositories of tags are asked for and made. The defaults are Koji's.
type RepoConfig struct {
	// Lag is how much older than the last change of its tag a repository may be for those who name no event; AutoLag the same
	// for tags that are regenerated without being asked for. Both count in steps of Window, so that requests that come at
	// about the same time ask for the same.
	Lag, AutoLag, Window time.Duration
	// MaxTasks bounds the newRepo tasks of the queue at a time; Retries how often one that failed is made again.
	MaxTasks, Retries int
	// QueueUser owns these tasks, if there is such a user.
	QueueUser string
	// CleanAfter is how long a request that is over can still be asked about.
	CleanAfter time.Duration
	// NoNewRepo refuses the call newRepo, which goes past the queue.
	NoNewRepo bool
	// DebuginfoTags, SourceTags and SeparateSourceTags are globs of tags whose repositories hold debuginfo, sources, sources
	// in a repository of their own. A tag's extra setting repo.opts goes before them.
	DebuginfoTags, SourceTags, SeparateSourceTags []string
}

// DefaultRepoConfig is what holds where the configuration says nothing.
func DefaultRepoConfig() RepoConfig {
	return RepoConfig{Lag: time.Hour, AutoLag: 2 * time.Hour, Window: 10 * time.Minute, MaxTasks: 10, Retries: 3,
		QueueUser: "kojira", CleanAfter: 24 * time.Hour}
}

// repoConfig is the hub's, or the default.
func (h *Hub) repoConfig() RepoConfig {
	if h.cfg.Repos == nil {
		return DefaultRepoConfig()
	}
	return *h.cfg.Repos
}

// repoOptionNames are the options that a repository has, all of them yes or no.
var repoOptionNames = []string{"debuginfo", "maven", "separate_src", "src"}

// readRepoOpts reads options as clients or a tag's settings give them; None and an option that is None say nothing. What is
// no option is a fault of the client's, and is ignored in a setting.
func readRepoOpts(v any, strict bool) (map[string]any, error) {
	out := map[string]any{}
	if v == nil {
		return out, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		if strict {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "Repo opts must be a dictionary")
		}
		return out, nil
	}
	for k, v := range m {
		switch {
		case !slices.Contains(repoOptionNames, k):
			if strict {
				return nil, buildsys.Errorf(buildsys.FaultParameter, "Invalid repo option: %s", k)
			}
		case v != nil:
			out[k] = truth(v)
		}
	}
	return out, nil
}

// repoOptions are the options of a tag's repository with what overrides them, and of these the ones that differ from the
// tag's own.
func (h *Hub) repoOptions(tag string, extra map[string]any, override map[string]any) (opts, custom map[string]any, err error) {
	cfg := h.repoConfig()
	opts = map[string]any{
		"src": matchesAny(cfg.SourceTags, tag), "debuginfo": matchesAny(cfg.DebuginfoTags, tag),
		"separate_src": matchesAny(cfg.SeparateSourceTags, tag), "maven": false,
	}
	own, err := readRepoOpts(extra["repo.opts"], false)
	if err != nil {
		return nil, nil, err
	}
	if v, legacy := extra["with_debuginfo"]; legacy && extra["repo.opts"] == nil {
		own["debuginfo"] = truth(v)
	}
	for k, v := range own {
		opts[k] = v
	}
	opts["maven"] = false
	custom = map[string]any{}
	for k, v := range override {
		if opts[k] != v {
			opts[k], custom[k] = v, v
		}
	}
	return opts, custom, nil
}

func matchesAny(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(g string) bool {
		ok, err := path.Match(strings.ReplaceAll(g, `\`, `\\`), name)
		return err == nil && ok
	})
}

// looseArg is an integer, or the text of one.
func looseArg(a Args, name string) int64 {
	if s, ok := a.Any(name).(string); ok {
		if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil {
			return n
		}
	}
	return a.Int(name)
}
