package profile

// Report is validate's report, validation.json under a run.
type Report struct {
	Model   string   `json:"model"`
	Run     string   `json:"run"`
	Commit  string   `json:"commit"`
	Base    string   `json:"base,omitempty"` // the commit before; "" for the first
	Verdict string   `json:"verdict"`        // "pass" or "fail"
	Reasons []string `json:"reasons"`
	Rows    int64    `json:"rows"`
	Objects int      `json:"objects"`
	// Added are the keys that the run added or changed.
	Added []string `json:"added"`
	// Findings are every measure of the whole and of what was added, and those
	// of single objects that fail.
	Findings []Finding `json:"findings"`
}
