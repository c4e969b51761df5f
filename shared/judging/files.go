package judging

import "github.com/sluice-ml/sluice/shared/contract"

// Files are the files of a run that gates read, in order of name. The decision
// binds them; Judge refuses to read any other.
func Files() []string {
	return []string{contract.FileLatency, contract.FilePerturbed, contract.FilePredictions, contract.FileProfile, contract.FileValidation}
}
