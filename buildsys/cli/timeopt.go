package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// timeFlag is the value of an option that names a moment: seconds since 1970, or a date and a time in one of the forms
// people write, in local time unless it names its zone.
type timeFlag struct {
	set  bool
	secs float64
	text string
}

const timeHelp = "a timestamp, or a date and time such as \"2020-12-31 12:35\" or \"December 31st 12:35\""

func (f *timeFlag) String() string { return f.text }

// Type is what the help calls the value.
func (f *timeFlag) Type() string { return "TIME" }

// Set reads a value.
func (f *timeFlag) Set(s string) error {
	secs, err := parseMoment(s, time.Now())
	if err != nil {
		return err
	}
	f.set, f.secs, f.text = true, secs, s
	return nil
}

// momentDates and momentTimes are the forms of each part. What has no year is of this year, what has no date is today.
var (
	momentDates = []string{"2006-01-02", "2006/01/02", "20060102", "2006.01.02", "02.01.2006", "01/02/2006", "January 2 2006", "Jan 2 2006", "2 January 2006",
		"2 Jan 2006", "Mon Jan 2 2006", "Mon 2 Jan 2006", "January 2", "Jan 2", "2 January", "2 Jan", "2006-01"}
	momentTimes = []string{"", "15:04:05.999999", "15:04:05", "15:04", "3:04 PM", "3:04PM", "3PM", "3 PM"}
	momentZones = []string{"", "Z07:00", " Z07:00", "-0700", " -0700", " MST"}
)

// parseMoment reads a moment as seconds since 1970.
func parseMoment(s string, now time.Time) (float64, error) {
	if f, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil && len(strings.TrimSpace(s)) != 8 {
		return f, nil
	}
	words := strings.Fields(strings.NewReplacer(",", " ", "T", " T").Replace(s))
	for i, w := range words {
		if len(w) > 2 && w[0] >= '0' && w[0] <= '9' {
			for _, end := range []string{"st", "nd", "rd", "th"} {
				w = strings.TrimSuffix(w, end)
			}
		}
		if len(w) > 1 && w[0] == 'T' && w[1] >= '0' && w[1] <= '9' {
			w = w[1:]
		}
		words[i] = w
	}
	text := strings.Join(words, " ")
	text = strings.NewReplacer(" pm", " PM", " am", " AM", "0pm", "0PM", "0am", "0AM").Replace(text)
	if at, err := time.ParseInLocation("Mon Jan 2 15:04:05 2006", text, time.Local); err == nil {
		return float64(at.Unix()), nil
	}
	for _, d := range append(momentDates, "") {
		for _, t := range momentTimes {
			for _, z := range momentZones {
				if t == "" && (z != "" || d == "") {
					continue
				}
				layout := strings.TrimSpace(d + " " + t + z)
				at, err := time.ParseInLocation(layout, text, time.Local)
				if err != nil {
					continue
				}
				switch {
				case d == "":
					at = time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), at.Location())
				case !strings.Contains(d, "2006"):
					at = time.Date(now.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), at.Location())
				}
				return float64(at.UnixMicro()) / 1e6, nil
			}
		}
	}
	if f, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil {
		return f, nil
	}
	return 0, fmt.Errorf("invalid time specification: %s: give %s", pyString(s), timeHelp)
}
