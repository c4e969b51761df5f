package operator

import (
	"context"
	"fmt"
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
	objects, err := c.Objects.List(ctx, c.Store, "intake/")
	if err != nil {
		return nil, err
	}
	var waiting []contract.ObjectVersion
	for _, o := range objects {
		model := strings.TrimSuffix(strings.TrimPrefix(o.Key, "intake/"), ".json")
		if contract.CheckModel(model) != nil || o.Key != contract.IntakeKey(model) {
			continue
		}
		state, err := intake.Read(ctx, c.Objects.Refs(c.Store, ""), model)
		if err != nil {
			return nil, err
		}
		waiting = append(append(waiting, state.Pending...), state.Carried...)
		if state.Run != nil {
			waiting = append(waiting, state.Run.Objects...)
		}
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
