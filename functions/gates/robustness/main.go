// Command robustness judges how much the candidate loses when its inputs are disturbed.
package main

import "github.com/sluice-ml/sluice/functions/gates/internal/gates"

func main() { gates.Main(gates.Robustness()) }
