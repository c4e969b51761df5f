// Command dataquality judges the data that the candidate learnt from.
package main

import "github.com/sluice-ml/sluice/functions/gates/internal/gates"

func main() { gates.Main(gates.DataQuality()) }
