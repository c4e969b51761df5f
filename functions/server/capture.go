package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/capture"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/serving"
	"github.com/sluice-ml/sluice/shared/settings"
)

// closeTime is how long the last captures may take to be written: with
// serving.DrainTime it stays within the 60 s that a task has from SIGTERM to
// SIGKILL.
const closeTime = 20 * time.Second

// bucket is a capture.Sink.
type bucket struct {
	store *s3store.Store
	name  string
}

// Put implements capture.Sink.
func (b bucket) Put(ctx context.Context, key string, body []byte) error {
	_, err := b.store.Put(ctx, b.name, key, body)
	return err
}

// recorder is a capture.Recorder for a slot.
type recorder struct {
	*capture.Recorder
	slot string
}

// capturing is nil where nobody asks for captures: SageMaker makes its own.
func capturing(ctx context.Context, lookup func(string) (string, bool)) (*recorder, error) {
	env := settings.Env(lookup)
	folder := env.Optional(contract.EnvCapture, "")
	if folder == "" {
		return nil, nil
	}
	slot, every := env.Require(contract.EnvSlot), env.Seconds(contract.EnvCaptureEvery, time.Minute)
	if err := env.Err(); err != nil {
		return nil, err
	}
	name, key, _, err := s3store.ParseURI(strings.TrimSuffix(folder, "/") + "/" + slot)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read "+contract.EnvCapture, "%w", err).WithHint("set it to s3://BUCKET/%sENDPOINT", contract.CapturePrefix)
	}
	store, err := s3store.FromEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	made, err := capture.New(capture.Options{Sink: bucket{store, name}, Prefix: key + "/", Every: every, Now: time.Now,
		Lost: func(reason string, records int64) { lost(path.Base(path.Dir(key)), slot, reason, records) }})
	if err != nil {
		return nil, err
	}
	return &recorder{made, slot}, nil
}

// captured serves until ctx is done, and then writes the last captures.
func captured(ctx context.Context, r *recorder, server *serving.Server, listener net.Listener) error {
	running, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { r.Run(running) })
	served := server.Serve(ctx, listener, func(next http.Handler) http.Handler { return r.Wrap(next, r.slot) })
	stop()
	group.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	return errors.Join(served, r.Close(last))
}

// lost tells CloudWatch of predictions that were not captured, in its embedded
// metric format: a line of the log.
func lost(endpoint, slot, reason string, records int64) {
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"_aws": map[string]any{"Timestamp": time.Now().UnixMilli(), "CloudWatchMetrics": []any{map[string]any{
			"Namespace": contract.MetricNamespace, "Dimensions": []any{[]string{"EndpointName", "VariantName"}},
			"Metrics": []any{map[string]any{"Name": contract.MetricCapturesLost, "Unit": "Count"}}}}},
		"EndpointName": endpoint, "VariantName": slot, "Reason": reason, contract.MetricCapturesLost: records})
}
