package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxManifest bounds a manifest, in bytes.
const maxManifest = 64 << 20

// Inventory is an S3 inventory: the files that list a bucket's objects.
type Inventory struct {
	Bucket  string   // where the files are
	Keys    []string // in order
	Columns []string // of the files, which have no header
}

// ReadInventory reads an inventory's manifest.json.
func ReadInventory(r io.Reader) (Inventory, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxManifest))
	if err != nil {
		return Inventory{}, err
	}
	var m struct {
		DestinationBucket string `json:"destinationBucket"`
		FileFormat        string `json:"fileFormat"`
		FileSchema        string `json:"fileSchema"`
		Files             []struct {
			Key string `json:"key"`
		} `json:"files"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return Inventory{}, fmt.Errorf("the manifest is not that of an S3 inventory: %w", err)
	}
	if m.FileFormat != "CSV" {
		return Inventory{}, fmt.Errorf("the local stack does not read inventories in the format %q: have S3 write CSV", m.FileFormat)
	}
	out := Inventory{Bucket: strings.TrimPrefix(m.DestinationBucket, "arn:aws:s3:::")}
	if out.Bucket == "" || strings.Contains(out.Bucket, ":") {
		return Inventory{}, fmt.Errorf("the inventory's destinationBucket %q is not a bucket's ARN", m.DestinationBucket)
	}
	for _, name := range strings.Split(m.FileSchema, ",") {
		out.Columns = append(out.Columns, strings.TrimSpace(name))
	}
	if m.FileSchema == "" {
		return Inventory{}, errors.New("the inventory's manifest has no fileSchema")
	}
	if err := CheckHeaders(out.Columns); err != nil {
		return Inventory{}, err
	}
	for i, f := range m.Files {
		if f.Key == "" {
			return Inventory{}, fmt.Errorf("the inventory's file %d has no key", i)
		}
		out.Keys = append(out.Keys, f.Key)
	}
	return out, nil
}

// Location is an object in S3.
type Location struct{ Bucket, Key string }

// ReadLocations reads an Athena manifest: a file with an s3:// address a line.
func ReadLocations(r io.Reader) ([]Location, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxManifest))
	if err != nil {
		return nil, err
	}
	var out []Location
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.Trim(strings.TrimSpace(line), `"`)
		if line == "" {
			continue
		}
		address, ok := strings.CutPrefix(line, "s3://")
		bucket, key, whole := strings.Cut(address, "/")
		if !ok || !whole || bucket == "" || key == "" {
			return nil, fmt.Errorf("line %d of the manifest is not the address of an object, s3://bucket/key: %q", number, line)
		}
		out = append(out, Location{bucket, key})
	}
	return out, nil
}
