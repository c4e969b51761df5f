// Command fairness judges how differently the candidate ranks the groups of protected attributes.
package main

import "github.com/sluice-ml/sluice/functions/gates/internal/gates"

func main() { gates.Main(gates.Fairness()) }
