// Package canonical gives a value one spelling in JSON, so that its hash can
// name it: object keys sorted by their UTF-8 bytes, no white space, no HTML
// escapes, numbers as encoding/json writes them.
package canonical

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/sluice-ml/sluice/shared/fault"
)

// JSON is v's canonical spelling. It fails, with an Internal fault, only on
// values that JSON cannot hold.
func JSON(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fault.New(fault.Internal, "spell canonical JSON", "%w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return nil, fault.New(fault.Internal, "spell canonical JSON", "%w", err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(tree); err != nil {
		return nil, fault.New(fault.Internal, "spell canonical JSON", "%w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// Hash is the SHA-256, in hex, of v's canonical spelling.
func Hash(v any) (string, error) {
	body, err := JSON(v)
	if err != nil {
		return "", err
	}
	return Sum(body), nil
}

// Sum is the SHA-256 of body in hex.
func Sum(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
