package story

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
)

// first: an upload becomes the first champion.
func (t *teller) first(ctx context.Context) error {
	if err := t.putConfig(ctx, t.config); err != nil {
		return err
	}
	err := t.play(ctx, ending{
		title: "A first upload becomes the first champion", status: "promoted", champion: 1,
	}, func(ctx context.Context) (string, error) { return t.uploadPart(ctx, "part-0.csv.gz") }, nil)
	if err != nil {
		return err
	}
	t.traffic.start(ctx)
	return nil
}

// second: more data, a canary under live traffic, a new champion.
func (t *teller) second(ctx context.Context) error {
	return t.play(ctx, ending{
		title: "A second upload is retrained, canaried under live traffic, and promoted", status: "promoted", champion: 2, calm: true,
	}, func(ctx context.Context) (string, error) { return t.uploadPart(ctx, "part-1.csv.gz") }, nil)
}

// corrupted: a broken export is stopped at validate.
func (t *teller) corrupted(ctx context.Context) error {
	return t.play(ctx, ending{
		title: "A corrupted upload is stopped before training", status: "invalid", champion: 2, calm: true,
		mentions: []string{"hours_per_week", "income"},
	}, func(ctx context.Context) (string, error) {
		rows, err := readTable(filepath.Join(t.Data, "part-1.csv.gz"))
		if err != nil {
			return "", err
		}
		bad, err := rows.corrupted("hours_per_week", "income", "<=50K")
		if err != nil {
			return "", err
		}
		var body bytes.Buffer
		if err := bad.write(&body); err != nil {
			return "", err
		}
		return t.upload(ctx, "part-2.csv.gz", body.Bytes())
	}, nil)
}

// weak: a model of one tree with one level is stopped at the gates.
func (t *teller) weak(ctx context.Context) error {
	weak := strings.NewReplacer("n_estimators: 400", "n_estimators: 1", "max_depth: 6", "max_depth: 1").Replace(t.config)
	if weak == t.config {
		return errors.New("train.yaml: found no n_estimators: 400 and max_depth: 6 to weaken")
	}
	if err := t.putConfig(ctx, weak); err != nil {
		return err
	}
	err := t.play(ctx, ending{
		title: "A weak model is stopped at the gates", status: "rejected", champion: 2, calm: true,
		mentions: []string{"auc_roc"},
	}, t.startByHand("weak"), nil)
	if err != nil {
		return err
	}
	return t.putConfig(ctx, t.config)
}

// badRelease: a model passes every gate and fails in production.
func (t *teller) badRelease(ctx context.Context) error {
	changed := strings.Replace(t.config, "learning_rate: 0.1", "learning_rate: 0.08", 1)
	if err := t.putConfig(ctx, changed); err != nil {
		return err
	}
	ended := t.play(ctx, ending{
		title: "A good model that fails in production is rolled back by its alarm", status: "rolled_back", champion: 2,
		mentions: []string{"alarm"},
	}, t.startByHand("bad-release"), t.breakCandidate)
	return errors.Join(ended, t.Stack.ClearFaults(context.WithoutCancel(ctx)))
}

// breakCandidate waits until the candidate takes traffic, then makes it slow
// and wrong; it clears the fault when the run is over.
func (t *teller) breakCandidate(ctx context.Context, _ string) error {
	champion, err := t.Client.ShowEndpoint(ctx, model)
	if err != nil {
		return err
	}
	slot := ""
	for _, s := range []string{contract.SlotBlue, contract.SlotGreen} {
		if champion.Share(s) == 1 {
			slot = contract.OtherSlot(s)
		}
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		endpoint, err := t.Client.ShowEndpoint(ctx, model)
		if err == nil && endpoint.Share(slot) > 0 {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	fmt.Fprintf(t.Out, "             (slot %s now answers 700 ms late and fails every second request)\n", slot)
	return t.Stack.SetFault(ctx, contract.EndpointName(t.Client.Environment, model), slot, 700*time.Millisecond, 0.5)
}

func (t *teller) putConfig(ctx context.Context, text string) error {
	_, err := t.Client.Objects.Put(ctx, t.Client.Store, contract.ConfigKey(model), []byte(text))
	return err
}

func (t *teller) uploadPart(ctx context.Context, name string) (string, error) {
	body, err := os.ReadFile(filepath.Join(t.Data, name))
	if err != nil {
		return "", err
	}
	return t.upload(ctx, name, body)
}

// upload puts a file and names the run that its event will start.
func (t *teller) upload(ctx context.Context, name string, body []byte) (string, error) {
	if _, err := t.Client.Objects.Put(ctx, t.Client.Lake, contract.RawPrefix(model)+name, body); err != nil {
		return "", err
	}
	return t.next(), nil
}

// next is the name of the run after those told so far: the story is alone on
// its stack, so the sequence is known.
func (t *teller) next() string { return fmt.Sprintf("%s-%d", model, len(t.chapters)+1) }

func (t *teller) startByHand(id string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		result, err := t.Client.StartRun(ctx, model, id)
		if err != nil {
			return "", err
		}
		if result.Run == "" {
			return "", fmt.Errorf("admit started no run: %s", result.Reason)
		}
		return result.Run, nil
	}
}

func readText(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the example: %w (run from the repository's top folder)", err)
	}
	return string(text), nil
}
