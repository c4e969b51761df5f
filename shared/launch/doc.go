// Package launch runs a program of somebody's own as the trainer. What the
// program sees is the trainer contract: files and environment variables, exit
// codes and signals, and nothing of AWS.
//
// A launch has a folder of its own. Before the program starts, the folder holds
// the job (job.json), the training rows and the validation rows as CSV, and what
// an earlier attempt left in the folder of checkpoints. The program is called
// with the argument "train". Afterwards its folder of the model becomes
// model.tar.gz, together with the schema that says what the features are.
//
// The names of the variables are those that SageMaker's containers know; the job
// itself is Sluice's (SLUICE_JOB).
package launch

import (
	"encoding/json"

	"github.com/sluice-ml/sluice/shared/model"
)

// Environment variables of the trainer contract. Each is an absolute path.
const (
	EnvJob         = "SLUICE_JOB"            // the file job.json
	EnvTrain       = "SM_CHANNEL_TRAIN"      // folder of train.csv
	EnvValidation  = "SM_CHANNEL_VALIDATION" // folder of validation.csv; not set without validation rows
	EnvModel       = "SM_MODEL_DIR"          // empty folder for the model's files
	EnvOutput      = "SM_OUTPUT_DATA_DIR"    // empty folder for metrics.json and environment.json
	EnvCheckpoints = "SM_CHECKPOINT_DIR"     // folder that the next attempt finds as this one left it
)

// Names of files of the contract.
const (
	FileTrain       = "train.csv"
	FileValidation  = "validation.csv"
	FileMetrics     = "metrics.json"
	FileEnvironment = "environment.json"
)

// Argument is what the trainer is called with, after its own arguments.
const Argument = "train"

// JobFormat is the version of job.json.
const JobFormat = 1

// Job is job.json: what to learn. Unknown members may be added; a change of what
// one means raises Format.
type Job struct {
	Format         int             `json:"format"`
	Model          string          `json:"model"`
	Run            string          `json:"run"`
	Attempt        int             `json:"attempt"`  // from 1; of the same run
	Seed           int64           `json:"seed"`     // all randomness follows from it
	CPUs           int             `json:"cpus"`     // threads to use
	Target         string          `json:"target"`   // the column to learn
	Positive       string          `json:"positive"` // the target's value whose probability is the score
	Features       []model.Feature `json:"features"` // the columns to learn from, in the order in which the server gets them
	TrainRows      int             `json:"train_rows"`
	ValidationRows int             `json:"validation_rows"`
	Params         map[string]any  `json:"params"` // model.params of train.yaml
	Commit         string          `json:"commit"`
	PlanHash       string          `json:"plan_hash"`
	ConfigHash     string          `json:"config_hash"`
	Config         json.RawMessage `json:"config"` // the whole train.yaml as JSON, every default written out
}
