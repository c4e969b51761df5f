package endpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// longest is SageMaker's limit for every name used here.
const longest = 63

// modelName names a version's bits: the same version with the same artefact and
// image is the same SageMaker model, in every rollout.
func modelName(environment, model string, a rollout.Artifact) string {
	bits := hash(fmt.Sprintf("%q %q %q", a.URI, a.Digest, a.Image))
	return shorten(contract.EndpointName(environment, model), fmt.Sprintf("-v%d-%s", a.Version, bits))
}

var versioned = regexp.MustCompile(`-v([1-9][0-9]{0,8})-[0-9a-f]{8}$`)

// versionOf undoes modelName; 0 when the name is none of ours.
func versionOf(name string) int {
	m := versioned.FindStringSubmatch(name)
	if m == nil {
		return 0
	}
	version, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return version
}

// shorten joins base and suffix within the limit: a base that is too long is
// cut and gets a hash of the whole instead.
func shorten(base, suffix string) string {
	if len(base)+len(suffix) <= longest {
		return base + suffix
	}
	tail := "-" + hash(base) + suffix
	return strings.TrimRight(base[:longest-len(tail)], "-") + tail
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}
