package assembly

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Assets finds a stack's files and image contexts by what the template calls
// them.
type Assets struct {
	files  map[string]string // object key → absolute path of a file or folder
	images map[string]Image  // image tag → context
}

// Image is the build context of a container image asset.
type Image struct {
	Dir        string // absolute folder
	Dockerfile string // file name within Dir
	BuildArgs  map[string]string
	Target     string
}

func newAssets() *Assets { return &Assets{files: map[string]string{}, images: map[string]Image{}} }

type assetManifest struct {
	Files map[string]struct {
		Source struct {
			Path       string   `json:"path"`
			Executable []string `json:"executable"`
		} `json:"source"`
		Destinations map[string]struct {
			ObjectKey string `json:"objectKey"`
		} `json:"destinations"`
	} `json:"files"`
	DockerImages map[string]struct {
		Source struct {
			Directory  string            `json:"directory"`
			Dockerfile string            `json:"dockerFile"`
			BuildArgs  map[string]string `json:"dockerBuildArgs"`
			Target     string            `json:"dockerBuildTarget"`
		} `json:"source"`
		Destinations map[string]struct {
			ImageTag string `json:"imageTag"`
		} `json:"destinations"`
	} `json:"dockerImages"`
}

// read adds the assets of one <Stack>.assets.json.
func (a *Assets) read(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the asset manifest: %w", err)
	}
	var manifest assetManifest
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return fmt.Errorf("asset manifest %s: %w", path, err)
	}
	base := filepath.Dir(path)
	for hash, file := range manifest.Files {
		source := resolvePath(base, file.Source.Path)
		a.files[hash] = source
		for _, destination := range file.Destinations {
			a.files[destination.ObjectKey] = source
		}
	}
	for hash, image := range manifest.DockerImages {
		context := Image{Dir: resolvePath(base, image.Source.Directory), Dockerfile: image.Source.Dockerfile,
			BuildArgs: image.Source.BuildArgs, Target: image.Source.Target}
		if context.Dockerfile == "" {
			context.Dockerfile = "Dockerfile"
		}
		a.images[hash] = context
		for _, destination := range image.Destinations {
			a.images[destination.ImageTag] = context
		}
	}
	return nil
}

func resolvePath(base, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

// File gives the file or folder that an S3Key of the template stands for.
func (a *Assets) File(key string) (string, error) {
	path, ok := a.files[key]
	if !ok {
		hash, _, _ := strings.Cut(filepath.Base(key), ".")
		path, ok = a.files[hash]
	}
	if !ok {
		return "", fmt.Errorf("asset %q: not in the stack's asset manifest, which has %v", key, slices.Sorted(maps.Keys(a.files)))
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("asset %q: %w; synthesize the CDK app again", key, err)
	}
	return path, nil
}

// Folder gives the folder of a file asset; a zip is unpacked under cache, once.
func (a *Assets) Folder(key, cache string) (string, error) {
	path, err := a.File(key)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("asset %q: %w", key, err)
	}
	if info.IsDir() {
		return path, nil
	}
	return unzip(path, cache)
}

// Image gives the context of the container image with the URI
// <registry>/<repository>:<tag>.
func (a *Assets) Image(uri string) (Image, error) {
	tag := uri[strings.LastIndexByte(uri, '/')+1:]
	if _, after, ok := strings.Cut(tag, "@"); ok {
		tag = strings.TrimPrefix(after, "sha256:")
	} else if _, after, ok := strings.Cut(tag, ":"); ok {
		tag = after
	}
	image, ok := a.images[tag]
	if !ok {
		return Image{}, fmt.Errorf("image %q: not a container asset of the stack, which has the tags %v; the local stack pulls no images",
			uri, slices.Sorted(maps.Keys(a.images)))
	}
	return image, nil
}

// Images lists the tags of the stack's container assets.
func (a *Assets) Images() []string { return slices.Sorted(maps.Keys(a.images)) }
