package trainconfig

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Canonical is the configuration as JSON with sorted keys, every default
// written out and no white space: equal configurations have equal bytes,
// however they were written. Parse reads it back to an equal value.
func (c *Config) Canonical() []byte {
	first, err := json.Marshal(c)
	if err != nil {
		panic("trainconfig: a configuration that Parse made must marshal: " + err.Error())
	}
	var loose any
	dec := json.NewDecoder(bytes.NewReader(first))
	dec.UseNumber()
	if err := dec.Decode(&loose); err != nil {
		panic("trainconfig: " + err.Error())
	}
	out, err := json.Marshal(loose)
	if err != nil {
		panic("trainconfig: " + err.Error())
	}
	return out
}

// Hash is "sha256:" and the hexadecimal SHA-256 of Canonical.
func (c *Config) Hash() string {
	sum := sha256.Sum256(c.Canonical())
	return "sha256:" + hex.EncodeToString(sum[:])
}
