package gates

import "github.com/sluice-ml/sluice/shared/gate"

// Performance judges the metrics that have thresholds.
func Performance() Gate { return Gate{gate.NamePerformance} }

// Fairness judges the groups of the protected attributes.
func Fairness() Gate { return Gate{gate.NameFairness} }

// Champion compares with the version that serves.
func Champion() Gate { return Gate{gate.NameChampion} }

// Robustness judges what noise does to the predictions.
func Robustness() Gate { return Gate{gate.NameRobustness} }

// Latency judges how fast the server answered the evaluator.
func Latency() Gate { return Gate{gate.NameLatency} }

// DataQuality judges the data that the candidate learnt from.
func DataQuality() Gate { return Gate{gate.NameDataQuality} }
