// Command champion judges that the candidate is not worse than the version that serves.
package main

import "github.com/sluice-ml/sluice/functions/gates/internal/gates"

func main() { gates.Main(gates.Champion()) }
