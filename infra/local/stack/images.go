package stack

import (
	"fmt"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/image"
)

// images finds the programs of container images among the stack's assets.
type images struct {
	assets      *assembly.Assets
	libraryPath string
}

func (o *opening) images() images { return images{o.template.Assets, o.LibraryPath} }

// find reads the Dockerfile behind an image's URI.
func (i images) find(uri string) (*image.Image, error) {
	asset, err := i.assets.Image(uri)
	if err != nil {
		return nil, err
	}
	if asset.Dockerfile != "Dockerfile" || asset.Target != "" || len(asset.BuildArgs) > 0 {
		return nil, fmt.Errorf("image %s: the local stack reads a file named Dockerfile, without target and build arguments", uri)
	}
	return image.Resolve(asset.Dir)
}

// server finds a model server: SageMaker gives its own command, serve.
func (i images) server(uri string) (program string, args, env []string, err error) {
	found, err := i.find(uri)
	if err != nil {
		return "", nil, nil, err
	}
	program, args, err = found.Program([]string{})
	env = found.Env
	if i.libraryPath != "" {
		env = append(env, "LD_LIBRARY_PATH="+i.libraryPath)
	}
	return program, args, env, err
}
