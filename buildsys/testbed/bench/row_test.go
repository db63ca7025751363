package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// row is one comparison.
type row struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Ours   float64 `json:"ours"`
	Theirs float64 `json:"theirs,omitempty"` // 0: no peer
	Peer   string  `json:"peer,omitempty"`
	Ratio  float64 `json:"ratio,omitempty"`
	Goal   string  `json:"goal"`
	// Where is processor time in milliseconds for one package, by program.
	Where map[string]float64 `json:"cpu_ms_each,omitempty"`
	// Milliseconds are how long it took.
	Milliseconds map[string]float64 `json:"ms,omitempty"`
}

var rows []row

// record prints a row and keeps it for the file.
func record(r row) {
	theirs, ratio := "-", "-"
	if r.Theirs != 0 {
		r.Ratio = r.Ours / r.Theirs
		theirs, ratio = number(r.Theirs), number(r.Ratio)
	}
	fmt.Printf("bench %s ours=%s theirs=%s ratio=%s goal=%s\n", r.Name, number(r.Ours), theirs, ratio, r.Goal)
	if len(r.Where) > 0 {
		var parts []string
		for name, ms := range r.Where {
			parts = append(parts, fmt.Sprintf("%s %.2f", name, ms))
		}
		slices.Sort(parts)
		fmt.Printf("      processor milliseconds for each: %s\n", strings.Join(parts, ", "))
	}
	if len(r.Milliseconds) > 0 {
		var parts []string
		for name, ms := range r.Milliseconds {
			parts = append(parts, fmt.Sprintf("%s %.1f", name, ms))
		}
		slices.Sort(parts)
		fmt.Printf("      milliseconds: %s\n", strings.Join(parts, ", "))
	}
	rows = append(rows, r)
}

func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

func TestMain(m *testing.M) {
	if conf := os.Getenv(crowdEnv); conf != "" {
		if err := runCrowd(conf); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if theSite != nil {
		theSite.down()
	}
	if file := os.Getenv("BENCH_JSON"); file != "" && len(rows) > 0 {
		data, err := json.MarshalIndent(rows, "", "  ")
		if err == nil {
			err = os.WriteFile(file, append(data, '\n'), 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
