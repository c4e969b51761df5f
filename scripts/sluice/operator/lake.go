package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/intake"
)

// SharedLake is the lake as all datasets of the store share it.
func (c *Client) SharedLake() *dataset.Lake {
	return dataset.NewLake(c.Objects.Refs(c.Store, contract.LakePrefix), c.Lake, c.datasets)
}

// LakeSweeper lists and deletes the lake's versions.
func (c *Client) LakeSweeper() dataset.LakeSweeper { return c.Objects.Sweeper(c.Lake, c.Locks) }

// datasets opens every dataset of the store, for reading.
func (c *Client) datasets(ctx context.Context) ([]*dataset.Repository, error) {
	names, err := c.Objects.Folders(ctx, c.Store, "datasets/")
	if err != nil {
		return nil, err
	}
	var all []*dataset.Repository
	for _, name := range names {
		if contract.CheckModel(name) == nil {
			all = append(all, dataset.New(c.Objects.Refs(c.Store, contract.DatasetPrefix(name))))
		}
	}
	return all, nil
}

// WaitingUploads are the object versions that are uploaded and in no commit yet:
// those that admit collects, and those of runs under way.
func (c *Client) WaitingUploads(ctx context.Context, runs bool) ([]contract.ObjectVersion, error) {
	intakes, err := c.Intakes(ctx)
	if err != nil {
		return nil, err
	}
	var waiting []contract.ObjectVersion
	for _, w := range intakes {
		waiting = append(waiting, w.Objects...)
	}
	if !runs {
		return waiting, nil
	}
	return waiting, c.eachRunning(ctx, func(model, run string) error {
		var request contract.Request
		err := c.RunFile(ctx, model, run, contract.FileRequest, &request)
		waiting = append(waiting, request.Objects...)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		return err
	})
}

// Intakes tells what waits of every model that something ever arrived for; of
// those alone that are named, if any are.
func (c *Client) Intakes(ctx context.Context, models ...string) ([]intake.Waiting, error) {
	if len(models) == 0 {
		names, err := c.Objects.Below(ctx, c.Store, "intake/")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			model := strings.TrimSuffix(strings.TrimSuffix(name, "/"), ".json")
			if contract.CheckModel(model) == nil && !slices.Contains(models, model) {
				models = append(models, model)
			}
		}
	}
	var all []intake.Waiting
	for _, model := range models {
		if err := contract.CheckModel(model); err != nil {
			return nil, fault.Wrap(fault.Invalid, "look at the intake", err)
		}
		w, err := intake.Look(ctx, c.Objects.Refs(c.Store, ""), c.Objects.Inbox(c.Store), model)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

// eachRunning visits the runs under way.
func (c *Client) eachRunning(ctx context.Context, visit func(model, run string) error) error {
	pages := sfn.NewListExecutionsPaginator(c.states, &sfn.ListExecutionsInput{StateMachineArn: aws.String(c.machineARN("lifecycle")),
		StatusFilter: types.ExecutionStatusRunning})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the runs under way: %w", err)
		}
		for _, e := range page.Executions {
			run := aws.ToString(e.Name)
			model, _ := ModelOfRun(run)
			if err := visit(model, run); err != nil {
				return err
			}
		}
	}
	return nil
}
