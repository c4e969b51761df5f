package model

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/gbdt"
	"github.com/sluice-ml/sluice/shared/goal"
)

// Names of the archive's files.
const (
	FileSchema = "schema.json"
	FileUBJSON = "model.ubj"
	FileJSON   = "model.json"
)

// maxFile bounds each file of an archive, in bytes.
const maxFile = 1 << 30

// Artifact is a model that is ready to predict.
type Artifact struct {
	Schema *Schema
	Trees  *gbdt.Model
}

// Pack makes model.tar.gz of a schema and the trees that XGBoost saved as
// UBJSON: the same bytes for the same model.
func Pack(schema *Schema, trees []byte) ([]byte, error) {
	described, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return nil, fault.New(fault.Internal, "pack the model", "%w", err)
	}
	if _, err := assemble(described, trees); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for _, file := range []struct {
		name string
		data []byte
	}{{FileSchema, append(described, '\n')}, {FileUBJSON, trees}} {
		err = errors.Join(err, archive.WriteHeader(&tar.Header{Name: file.name, Mode: 0o644,
			Size: int64(len(file.data)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}))
		_, writeErr := archive.Write(file.data)
		err = errors.Join(err, writeErr)
	}
	if err = errors.Join(err, archive.Close(), zipped.Close()); err != nil {
		return nil, fault.New(fault.Internal, "pack the model", "%w", err)
	}
	return out.Bytes(), nil
}

// Unpack reads model.tar.gz. The error is of kind Invalid.
func Unpack(archive []byte) (*Artifact, error) {
	files, err := read(archive)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read model.tar.gz", "%w", err)
	}
	return fromFiles(files)
}

// Trees gives the trees of model.tar.gz as XGBoost saved them. The error is of
// kind Invalid.
func Trees(archive []byte) ([]byte, error) {
	files, err := read(archive)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read model.tar.gz", "%w", err)
	}
	if trees, ok := files[FileUBJSON]; ok {
		return trees, nil
	}
	if trees, ok := files[FileJSON]; ok {
		return trees, nil
	}
	return nil, fault.New(fault.Invalid, "read model.tar.gz", "it has neither %s nor %s", FileUBJSON, FileJSON)
}

// Extract writes the files of model.tar.gz into a folder, as SageMaker does at
// /opt/ml/model, and checks them first. The error is of kind Invalid when the
// archive is wrong, and Internal when the folder cannot be written.
func Extract(archive []byte, folder string) error {
	if schema, err := SchemaOf(archive); err == nil && schema.Program == ProgramImage {
		return UnpackFolder(archive, folder)
	}
	files, err := read(archive)
	if err != nil {
		return fault.New(fault.Invalid, "read model.tar.gz", "%w", err)
	}
	if _, err := fromFiles(files); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
			return fault.New(fault.Internal, "unpack the model", "%w", err)
		}
	}
	return nil
}

// read gives the archive's files that have a meaning; others are passed over.
func read(archive []byte) (map[string][]byte, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	entries := tar.NewReader(unzipped)
	files := map[string][]byte{}
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		name := filepath.Base(header.Name)
		if header.Typeflag != tar.TypeReg || (name != FileSchema && name != FileUBJSON && name != FileJSON) {
			continue
		}
		if header.Size > maxFile {
			return nil, fmt.Errorf("%s has %d bytes: want at most %d", name, header.Size, maxFile)
		}
		if files[name], err = io.ReadAll(entries); err != nil {
			return nil, err
		}
	}
}

// Open reads a model from a folder that holds schema.json and model.ubj or
// model.json. The error is of kind NotFound when a file is not there, and
// Invalid when one is wrong.
func Open(folder string) (*Artifact, error) {
	files := map[string][]byte{}
	for _, name := range []string{FileSchema, FileUBJSON, FileJSON} {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fault.New(fault.Internal, "read the model", "%w", err)
		}
		files[name] = data
	}
	if len(files) == 0 {
		return nil, fault.New(fault.NotFound, "read the model", "folder %s has none of %s, %s and %s",
			folder, FileSchema, FileUBJSON, FileJSON).WithHint("unpack model.tar.gz there, or set SM_MODEL_DIR")
	}
	return fromFiles(files)
}

func fromFiles(files map[string][]byte) (*Artifact, error) {
	schema, ok := files[FileSchema]
	if !ok {
		return nil, fault.New(fault.NotFound, "read the model", "it has no %s", FileSchema)
	}
	trees, ok := files[FileUBJSON]
	if !ok {
		trees, ok = files[FileJSON]
	}
	if s, err := ParseSchema(schema); !ok && err == nil && s.Program == ProgramImage {
		return nil, fault.New(fault.Invalid, "read the model", "an image of its own serves model %s: its files mean nothing here", s.Model)
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "read the model", "it has neither %s nor %s", FileUBJSON, FileJSON)
	}
	return assemble(schema, trees)
}

// assemble checks that schema and trees belong together.
func assemble(described, saved []byte) (*Artifact, error) {
	schema, err := ParseSchema(described)
	if err != nil {
		return nil, err
	}
	trees, err := gbdt.Load(saved)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read the model", "%w", err)
	}
	if trees.Features() != len(schema.Features) {
		return nil, fault.New(fault.Invalid, "read the model", "the trees take %d features and the schema has %d",
			trees.Features(), len(schema.Features))
	}
	if trees.Outputs() != schema.Outputs() {
		return nil, fault.New(fault.Invalid, "read the model", "it gives %d predictions a row, and the schema has the objective %q and the classes %q",
			trees.Outputs(), schema.Objective, schema.Classes)
	}
	if of := goal.OfObjective(trees.Objective()); of != schema.Goal() {
		return nil, fault.New(fault.Invalid, "read the model", "the trees are of %s (%s) and the schema of %s (%s)",
			of, trees.Objective(), schema.Goal(), schema.Objective)
	}
	return &Artifact{Schema: schema, Trees: trees}, nil
}
