# Sluice. `make help` lists what you can do.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export CGO_ENABLED := 0
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 18,19,20,21
export JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION := 1

ENVIRONMENT ?= production
PORT        ?= 4566
CACHE       := .sluice/cache
BUILD       := .sluice/build
BIN         := $(BUILD)/bin
SLUICE      := $(BIN)/sluice
XGBOOST_LIB := $(CACHE)/xgboost/lib/libxgboost.so
CFN_LINT    := $(CACHE)/python/bin/cfn-lint
GOLANGCI    := $(CACHE)/tools/golangci-lint
LOCAL       := .sluice/cdk.out
LOCAL_ECS   := .sluice/ecs.out
ARCH        := $(if $(filter arm64,$(shell go env GOARCH)),arm64,x86_64)

##@ Try it
run: $(LOCAL) xgboost ## tell the whole story on this machine, without AWS: five endings, asserted
	$(SLUICE) story --assembly $(LOCAL) --environment $(ENVIRONMENT) --port $(PORT)

up: $(LOCAL) xgboost ## start the stack and keep it running (Ctrl-C stops it)
	$(SLUICE) up --assembly $(LOCAL) --environment $(ENVIRONMENT) --port $(PORT)

invoke-%: $(LOCAL) xgboost ## run one function's real binary on its sample event, e.g. make invoke-ingest
	$(SLUICE) invoke $* --assembly $(LOCAL) --environment $(ENVIRONMENT) --port 0 --dir .sluice/story --event events/$*.json

doctor: ## say what this machine lacks, and how to get it
	scripts/doctor.sh

##@ Work on it
build: ## compile every function, image program and the sluice command
	scripts/build.sh $(BUILD)

synth: build ## synthesize the CDK app into cdk.out
	go run ./infra

# The same app for this machine, where nobody wants to wait half a minute for
# uploads to settle, or a minute for an alarm.
$(LOCAL): build FORCE
	CDK_OUTDIR=$(LOCAL) CDK_CONTEXT_JSON='{"quietSeconds": 2, "metricPeriodSeconds": 10, "architecture": "$(ARCH)"}' go run ./infra

# The same with the example's model on ECS.
$(LOCAL_ECS): build FORCE
	CDK_OUTDIR=$(LOCAL_ECS) CDK_CONTEXT_JSON='{"quietSeconds": 2, "metricPeriodSeconds": 10, "balancerPeriodSeconds": 10, "architecture": "$(ARCH)", "models": {"adult-income": {"backend": "ecs", "errorRate": 0.05, "latencyP99": "500ms", "accuracy": 0.75}}}' go run ./infra

test: $(LOCAL) $(LOCAL_ECS) synth xgboost lint-templates outside ## run every test (fetches what it needs)
	SLUICE_XGBOOST_LIB=$(abspath $(XGBOOST_LIB)) go test -timeout 20m ./...

bench: $(LOCAL) xgboost ## measure: orchestration overhead, rollback time, server latency, …
	SLUICE_XGBOOST_LIB=$(abspath $(XGBOOST_LIB)) scripts/bench.sh

bench-dvc: $(LOCAL) xgboost outside ## measure the same files through DVC and through sluice data (N=100000 files; long)
	SLUICE_XGBOOST_LIB=$(abspath $(XGBOOST_LIB)) scripts/bench.sh dvc

golden: ## rewrite the golden templates from what the app synthesizes now
	go test ./infra/stack -run Golden -update
	go test ./infra/stack -run Golden

lint: $(GOLANGCI) ## formatting, vet and static analysis
	test -z "$$(gofmt -l functions infra scripts shared | tee /dev/stderr)"
	go vet ./...
	$(GOLANGCI) run ./...

lint-templates: $(CFN_LINT) $(LOCAL_ECS) ## cfn-lint on the synthesized templates
	$(CFN_LINT) --ignore-checks W3005 -- cdk.out/*.template.json $(LOCAL_ECS)/*.template.json

##@ Deploy it
deploy: build ## put it into the AWS account of your credentials (ENVIRONMENT=staging|production)
	npx --yes aws-cdk@2 deploy Sluice-$(ENVIRONMENT) -c architecture=$(ARCH)

##@ What the targets above need
xgboost: $(XGBOOST_LIB) ## fetch the XGBoost library once into the cache
$(XGBOOST_LIB): scripts/fetch-xgboost.sh
	scripts/fetch-xgboost.sh
	touch $@

outside: ## fetch the outside programs (boto3, moto, Prometheus, DVC, delta-rs, MLflow, scikit-learn) that the tests compare with
	scripts/fetch-outside.sh
	scripts/fetch-mlflow.sh
	scripts/fetch-sklearn.sh

$(CFN_LINT):
	python3 -m venv $(CACHE)/python
	$(CACHE)/python/bin/pip install --quiet --disable-pip-version-check cfn-lint==1.51.0

$(GOLANGCI):
	GOBIN=$(abspath $(CACHE)/tools) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.5.0

clean: ## remove what was built (keeps the caches and the stack's data)
	rm -rf $(BUILD) cdk.out

help: ## this text
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z%-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run up doctor build synth test bench bench-dvc golden lint lint-templates deploy xgboost outside clean help FORCE
