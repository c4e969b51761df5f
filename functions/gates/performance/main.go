// Command performance judges the candidate's metrics against the thresholds of train.yaml.
package main

import "github.com/sluice-ml/sluice/functions/gates/internal/gates"

func main() { gates.Main(gates.Performance()) }
