// Package shared holds no code of its own; this test is a statement of policy
// about who may import whom.
package shared

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/sluice-ml/sluice/"

type pkg struct {
	ImportPath string
	Imports    []string
}

// list asks the go command for every package of the module and its imports.
func list(t *testing.T) []pkg {
	t.Helper()
	command := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	command.Dir = ".."
	stdout, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	decoder := json.NewDecoder(strings.NewReader(string(stdout)))
	for {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// rules: a package under from may not import one under any of not.
var rules = []struct {
	from, except string
	not          []string
	why          string
}{
	{"shared/", "shared/aws/", []string{"github.com/aws/", module + "shared/aws/", module + "functions/", module + "infra/", module + "scripts/"}, "the domain decides purely; adapters are at the edge"},
	{"shared/aws/", "", []string{module + "functions/", module + "infra/", module + "scripts/"}, "adapters know nothing of who uses them"},
	{"functions/", "", []string{module + "infra/", module + "scripts/", "github.com/aws/aws-cdk-go/"}, "functions do not know the word local"},
	{"infra/stack", "", []string{module + "functions/", module + "infra/local/", module + "scripts/"}, "the stack knows only the contract"},
	{"infra/local/", "", []string{module + "functions/", module + "infra/stack", "github.com/aws/aws-cdk-go/"}, "the local stack reads cdk.out, as an account would"},
}

// pure packages read no clock and do no I/O.
var pure = map[string][]string{
	"shared/gate":       {"os", "net/http", "os/exec"},
	"shared/rollout":    {"os", "net/http", "os/exec"},
	"shared/evaluation": {"os", "net/http", "os/exec"},
	"shared/sequential": {"os", "net/http", "os/exec"},
	"shared/simulation": {"os", "net/http", "os/exec"},
	"shared/contract":   {"os", "net/http", "os/exec"},
}

func TestImportDirection(t *testing.T) {
	packages := list(t)
	if len(packages) < 20 {
		t.Fatalf("go list found only %d packages: the check would check nothing", len(packages))
	}
	for _, p := range packages {
		path := strings.TrimPrefix(p.ImportPath, module)
		for _, rule := range rules {
			if !strings.HasPrefix(path, rule.from) || rule.except != "" && strings.HasPrefix(path, rule.except) {
				continue
			}
			for _, imported := range p.Imports {
				for _, forbidden := range rule.not {
					if strings.HasPrefix(imported, forbidden) {
						t.Errorf("%s imports %s: %s", path, imported, rule.why)
					}
				}
			}
		}
		for _, forbidden := range pure[path] {
			for _, imported := range p.Imports {
				if imported == forbidden {
					t.Errorf("%s imports %s: it must stay pure", path, imported)
				}
			}
		}
		if base := path[strings.LastIndexByte(path, '/')+1:]; base == "utils" || base == "common" || base == "helpers" {
			t.Errorf("%s: a package is named for what it provides", path)
		}
	}
}
