package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

// TestListHistory prints what the real hub answered as the real client printed it.
func TestListHistory(t *testing.T) {
	raw, err := os.ReadFile("testdata/history.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Argv   []string
		Rows   map[string][]any
		Stdout string
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&cases); err != nil {
		t.Fatal(err)
	}
	for _, x := range cases {
		var out strings.Builder
		a := &App{term: &terminal{}, stdout: bufio.NewWriter(&out)}
		var o historyOptions
		cmd := &cobra.Command{}
		o.register(cmd)
		if err := cmd.ParseFlags(append(x.Argv, "--utc")); err != nil {
			t.Fatal(err)
		}
		rows := map[string][]api.HistoryRow{}
		for table, list := range x.Rows {
			for _, r := range list {
				rows[table] = append(rows[table], unmark(r).(map[string]any))
			}
		}
		a.printHistory(&o, rows)
		a.flush()
		if diff := cmp.Diff(x.Stdout, out.String()); diff != "" {
			t.Errorf("%v: Koji (-) and ours (+):\n%s", x.Argv, diff)
		}
	}
}

func TestHistoryQuery(t *testing.T) {
	for args, want := range map[string]string{
		"--tag f40 --active":                         `{"active":true,"tables":null,"tag":"f40"}`,
		"--by joe --revoked --utc":                   `{"active":false,"editor":"joe","tables":null,"utc":true}`,
		"--erepo x -s a,b --show c":                  `{"external_repo":"x","tables":["a","b","c"]}`,
		"--target t --after 5 --after-event 7":       `{"after":5,"afterEvent":7,"build_target":"t","tables":null}`,
		"--all":                                      `{"tables":null}`,
		"--before 2020-12-31T12:35Z --tag x":         `{"before":1609418100,"tables":null,"tag":"x"}`,
		"--cg c --group g --host h --channel ch":     `{"cg":"c","channel":"ch","group":"g","host":"h","tables":null}`,
		"--xkey k --permission p --user u --build b": `{"build":"b","permission":"p","tables":null,"user":"u","xkey":"k"}`,
	} {
		var o historyOptions
		cmd := &cobra.Command{}
		o.register(cmd)
		if err := cmd.ParseFlags(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		q, limited := o.query(cmd)
		got, err := json.Marshal(q)
		if err != nil || string(got) != want || limited != (args != "--all") {
			t.Errorf("%s: %s, %v, limited %v; want %s", args, got, err, limited, want)
		}
	}
}

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 11, 25, 3, 0, 0, 0, time.Local)
	local := func(y int, m time.Month, d, h, min, s int) float64 {
		return float64(time.Date(y, m, d, h, min, s, 0, time.Local).Unix())
	}
	for in, want := range map[string]float64{
		"1600000000.5":              1600000000.5,
		"7":                         7,
		"2020-12-31":                local(2020, 12, 31, 0, 0, 0),
		"20201231":                  local(2020, 12, 31, 0, 0, 0),
		"2020-12-31 12:35":          local(2020, 12, 31, 12, 35, 0),
		"2020-12-31T12:35:07":       local(2020, 12, 31, 12, 35, 7),
		"December 31st 12:35":       local(2026, 12, 31, 12, 35, 0),
		"Dec 31, 2020 5:10 pm":      local(2020, 12, 31, 17, 10, 0),
		"31 Dec 2020":               local(2020, 12, 31, 0, 0, 0),
		"Thu Dec 31 12:35:07 2020":  local(2020, 12, 31, 12, 35, 7),
		"12:35":                     local(2026, 11, 25, 12, 35, 0),
		"2020-12-31 12:35:07+00:00": 1609418107,
	} {
		if got, err := parseMoment(in, now); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "soon", "2020-13-01", "2020-12-31 25:00", "now please"} {
		if got, err := parseMoment(in, now); err == nil || !strings.Contains(err.Error(), "invalid time specification") {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}
