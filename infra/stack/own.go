package stack

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"

	"github.com/sluice-ml/sluice/shared/contract"
)

// OwnImages are the folders, each with a Dockerfile, of a model that brings its
// own trainer and server. An image that lies in a registry is one line of such a
// Dockerfile: FROM its URI with its digest.
type OwnImages struct {
	Trainer string `json:"trainer"`
	Server  string `json:"server"`
}

// maxOwnModels is how many of them fit into a Lambda's 4 KB of environment.
const maxOwnModels = 4

// addOwnImages builds the images of models that bring theirs, and their jobs. The
// trainer's image gets the launcher as its entry point, which calls the image's
// own; the evaluator's is the server's image with the evaluator in front, so that
// a model is judged by what will serve it; the server's image stays as it is.
func (s *Sluice) addOwnImages(logs awslogs.LogGroup) {
	s.own = map[string]contract.Images{}
	for _, model := range s.settings.ModelNames() {
		folders := s.settings.Models[model].Images
		if folders == nil {
			continue
		}
		s.layOut(model, *folders)
		id := pascal(model)
		trainer, server := s.image(id+"TrainerImage", model+".trainer"), s.image(id+"ServerImage", model+".server")
		evaluator := s.image(id+"EvaluatorImage", model+".evaluator")
		name := contract.AWSName(model)
		trains := s.job(id+"TrainerJob", "trainer-"+name, trainer, logs)
		judges := s.job(id+"EvaluatorJob", "evaluator-"+name, evaluator, logs)
		s.training.ownJobs = append(s.training.ownJobs, *trains.Ref(), *judges.Ref())
		s.own[model] = contract.Images{Trainer: *trainer.ImageUri(), Server: *server.ImageUri(),
			TrainerJob: *trains.Ref(), EvaluatorJob: *judges.Ref()}
	}
}

// layOut writes the build contexts. It panics, as the other steps of a synthesis
// do, with what is wrong; checkOwn has found the common mistakes before.
func (s *Sluice) layOut(model string, folders OwnImages) {
	build := s.settings.BuildDirectory
	for _, c := range []struct {
		name, folder, program string
		with                  []string
	}{
		{model + ".trainer", folders.Trainer, "launcher", []string{"launcher"}},
		{model + ".server", folders.Server, "", nil},
		{model + ".evaluator", folders.Server, "evaluator", []string{"evaluator", "server"}},
	} {
		if err := layOut(build, filepath.Join(build, "images", c.name), c.folder, c.program, c.with); err != nil {
			panic(fmt.Sprintf("images of model %s: %v", model, err))
		}
	}
}

// layOut copies a folder to a build context and puts our programs into it;
// program, unless "", becomes the entry point in front of the image's own.
func layOut(build, context, folder, program string, with []string) error {
	if err := os.RemoveAll(context); err != nil {
		return err
	}
	if err := copyFolder(context, folder); err != nil {
		return err
	}
	for _, name := range with {
		target := filepath.Join(context, prefix+name)
		if _, err := os.Lstat(target); err == nil {
			return fmt.Errorf("%s has a file named %s: that name is Sluice's", folder, prefix+name)
		}
		if err := copyFile(target, filepath.Join(build, "bin", name)); err != nil {
			return fmt.Errorf("%w (run: make build)", err)
		}
	}
	if program == "" {
		return nil
	}
	path := filepath.Join(context, "Dockerfile")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	changed, err := inFront(string(text), program, with)
	if err != nil {
		return fmt.Errorf("%s/Dockerfile: %w", folder, err)
	}
	return os.WriteFile(path, []byte(changed), 0o644)
}

// prefix of the files that are put into a context.
const prefix = "sluice-"

// inFront adds our programs to a Dockerfile, one of them as the entry point with
// the old one as its arguments.
func inFront(dockerfile, program string, with []string) (string, error) {
	entry, err := entryPoint(dockerfile)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(strings.TrimRight(dockerfile, "\n"))
	b.WriteString("\n# What follows was added by Sluice.\n")
	for _, name := range with {
		fmt.Fprintf(&b, "COPY %s%s /usr/local/bin/%s\n", prefix, name, name)
	}
	text, err := json.Marshal(append([]string{"/usr/local/bin/" + program}, entry...))
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "ENTRYPOINT %s\n", unescapeAngles(text))
	return b.String(), nil
}

// entryPoint is the last ENTRYPOINT of the final stage, in its list form.
func entryPoint(dockerfile string) ([]string, error) {
	var entry []string
	for i, line := range strings.Split(dockerfile, "\n") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch strings.ToUpper(word) {
		case "FROM":
			entry = nil
		case "CMD":
			return nil, fmt.Errorf("line %d: CMD: the argument is given by who starts the image (train or serve); put the program into ENTRYPOINT", i+1)
		case "ENTRYPOINT":
			entry = nil
			if err := json.Unmarshal([]byte(rest), &entry); err != nil || len(entry) == 0 {
				return nil, fmt.Errorf(`line %d: ENTRYPOINT %s: want a list on one line, e.g. ENTRYPOINT ["python", "/opt/program/train.py"]`, i+1, rest)
			}
		}
	}
	if entry == nil {
		return nil, fmt.Errorf(`the final stage has no ENTRYPOINT: name the program, e.g. ENTRYPOINT ["python", "/opt/program/train.py"]`)
	}
	return entry, nil
}

func copyFolder(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch target := filepath.Join(to, name); {
		case entry.IsDir() && entry.Name() == "__pycache__":
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case !entry.Type().IsRegular():
			return fmt.Errorf("%s is a %v: want files and folders", path, entry.Type())
		default:
			return copyFile(target, path)
		}
	})
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, info.Mode().Perm())
}

// checkOwn says what cannot be of the models that bring their own images.
func (s Settings) checkOwn() error {
	count := 0
	for _, model := range s.ModelNames() {
		images := s.Models[model].Images
		if images == nil {
			continue
		}
		if count++; count > maxOwnModels {
			return fmt.Errorf("%d models or more bring their own images: at most %d fit into a function's environment; use another stack for the others", count, maxOwnModels)
		}
		if s.Models[model].Backend == backendECS {
			return fmt.Errorf("model %s: images with the backend ecs: nobody unpacks the model for a server of its own there; use sagemaker", model)
		}
		for name, folder := range map[string]string{"trainer": images.Trainer, "server": images.Server} {
			text, err := os.ReadFile(filepath.Join(folder, "Dockerfile"))
			if folder == "" || err != nil {
				return fmt.Errorf("model %s: images.%s is %q: want a folder with a Dockerfile, from the repository's top (an image of a registry is a Dockerfile that says FROM it): %w", model, name, folder, err)
			}
			if _, err := entryPoint(string(text)); err != nil {
				return fmt.Errorf("model %s: images.%s: %s/Dockerfile: %w", model, name, folder, err)
			}
		}
	}
	return nil
}

// ownEnvironment is what the function plan is told of them; nil when there are
// none.
func (s *Sluice) ownEnvironment() *string {
	if len(s.own) == 0 {
		return nil
	}
	loose := map[string]any{}
	for model, i := range s.own {
		loose[model] = map[string]any{"trainer": i.Trainer, "server": i.Server, "trainer_job": i.TrainerJob, "evaluator_job": i.EvaluatorJob}
	}
	return s.stack.ToJsonString(loose, nil)
}
