package command

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func modelCommand(s *settings) *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List the models, their champions and what serves", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			return listModels(c, s, client)
		},
	}
	show := &cobra.Command{
		Use: "show MODEL", Short: "Show a model's versions and its endpoint", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			return showModel(c, s, client, args[0])
		},
	}
	return group("model", "Read models and versions", list, show)
}

type modelView struct {
	Model    string             `json:"model"`
	Champion int                `json:"champion"` // 0 is none yet
	Versions []contract.Version `json:"versions"`
	Endpoint *operator.Endpoint `json:"endpoint,omitempty"`
}

func viewModel(c *cobra.Command, client *operator.Client, model string) (modelView, error) {
	view := modelView{Model: model}
	var err error
	if view.Versions, err = client.Versions(c.Context(), model); err != nil {
		return view, err
	}
	if len(view.Versions) == 0 {
		return view, nil
	}
	if champion, err := client.Champion(c.Context(), model); err == nil {
		view.Champion = champion.Version
	}
	if endpoint, err := client.ShowEndpoint(c.Context(), model); err == nil {
		view.Endpoint = &endpoint
	}
	return view, nil
}

func listModels(c *cobra.Command, s *settings, client *operator.Client) error {
	models, err := client.Models(c.Context())
	if err != nil {
		return err
	}
	views := []modelView{}
	for _, model := range models {
		view, err := viewModel(c, client, model)
		if err != nil {
			return err
		}
		views = append(views, view)
	}
	return s.print(c, views, func(w io.Writer) {
		fmt.Fprintln(w, "MODEL\tCHAMPION\tVERSIONS\tENDPOINT")
		for _, v := range views {
			status := "none yet"
			if v.Endpoint != nil {
				status = v.Endpoint.Status
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", v.Model, v.Champion, len(v.Versions), status)
		}
	})
}

func showModel(c *cobra.Command, s *settings, client *operator.Client, model string) error {
	view, err := viewModel(c, client, model)
	if err != nil {
		return err
	}
	if len(view.Versions) == 0 { // then it must have a configuration at least
		if _, _, err := client.Config(c.Context(), model); err != nil {
			return err
		}
	}
	return s.print(c, view, func(w io.Writer) {
		fmt.Fprintln(w, "VERSION\tALIAS\tRUN\tCREATED\tDIGEST")
		for _, v := range view.Versions {
			alias := ""
			if v.Version == view.Champion {
				alias = "champion"
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%.19s\n", v.Version, alias, v.Run, v.Created.UTC().Format(time.DateTime), v.Digest)
		}
		if view.Endpoint != nil {
			fmt.Fprintf(w, "\nendpoint %s: %s\n", view.Endpoint.Name, view.Endpoint.Status)
			for _, v := range view.Endpoint.Variants {
				fmt.Fprintf(w, "  slot %s\tweight %g\tinstances %d\n", v.Slot, v.Weight, v.Instances)
			}
		}
	})
}

// mirrored refuses a shadow where what serves the model cannot copy requests, as its
// rollout would.
func mirrored(c *cobra.Command, s *settings, config *trainconfig.Config, file, model string) error {
	p := config.Deployment
	if model == "" || p.Shadow.Duration == 0 {
		return nil
	}
	client, err := s.connect(c.Context())
	if err != nil {
		return err
	}
	field := "deployment.shadow"
	if p.Strategy == "shadow" {
		field = "deployment.strategy: shadow"
	}
	return fault.Wrap(fault.Invalid, "read "+file+": "+field, client.Mirrors(c.Context(), model))
}

func configCommand(s *settings) *cobra.Command {
	model := ""
	check := &cobra.Command{
		Use: "check FILE", Short: "Read a train.yaml as the pipeline will; exit 1 and name every problem", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := readFile(args[0])
			if err != nil {
				return err
			}
			config, err := trainconfig.Parse(args[0], text)
			if err != nil {
				return err
			}
			if err := mirrored(c, s, config, args[0], model); err != nil {
				return err
			}
			return s.print(c, config, func(w io.Writer) { fmt.Fprintf(w, "%s is good: %s\n", args[0], config.Hash()) })
		},
	}
	check.Flags().StringVar(&model, "model", "", "ask the deployment who serves this model, and refuse what that cannot do")
	show := &cobra.Command{
		Use: "show MODEL", Short: "Print the configuration in force (with --json: every default filled in)", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			text, changed, err := client.Config(c.Context(), args[0])
			if err != nil {
				return err
			}
			config, err := trainconfig.Parse("train.yaml", text)
			if err != nil {
				return err
			}
			return s.print(c, config, func(w io.Writer) {
				fmt.Fprintf(w, "# %s, since %s\n%s", config.Hash(), changed.UTC().Format(time.DateTime), text)
			})
		},
	}
	return group("config", "Check and read configurations", check, show)
}
