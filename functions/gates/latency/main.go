// Command latency judges how fast the candidate's server answered the evaluator.
package main

import "github.com/sluice-ml/sluice/functions/gates/internal/gates"

func main() { gates.Main(gates.Latency()) }
