# Streamweir. `make` alone explains itself.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := bash

PYTHON ?= python3
VENV := .venv/bin
INFRA := $(VENV)/python -m infra
PYTEST := $(VENV)/python -m pytest
# Takes what others leave of the machine.
PATIENT_PYTEST := nice -n 19 $(PYTEST)

# What `make demo` takes; an empty one keeps its default.
PIPELINE ?= ecommerce_fraud
DATASET ?=
MODEL ?=
THRESHOLD ?=
FRAUD_LABEL ?=
SCORING ?=
SPEED ?=
RATE ?=
BATCHES ?=
EVENT_TYPES ?=
START_TS ?=
SEED ?=
SERVICE ?=
# What `make drill` takes.
FAULT ?=
# Drills, or rounds of `make bench`.
N ?=
# What `make bench` takes: another version, and which share of the full size.
BASE ?=
SIZE ?=
# A variable as an option, quoted for the shell whatever characters its value holds.
quoted = '$(subst ','\'',$(value $1))'
option = $(if $(value $2),--$1 $(call quoted,$2))
DEMO = $(call option,pipeline,PIPELINE) $(call option,dataset,DATASET) $(call option,model,MODEL) \
	$(call option,threshold,THRESHOLD) $(call option,fraud-label,FRAUD_LABEL) \
	$(call option,scoring,SCORING) $(call option,speed,SPEED) $(call option,rate,RATE) $(call option,batches,BATCHES) \
	$(call option,event-types,EVENT_TYPES) $(call option,start-ts,START_TS)

.PHONY: help
help:
	@$(PYTHON) -m infra.bootstrap.help $(firstword $(MAKEFILE_LIST))

##@ Begin

.PHONY: setup
setup: ## install everything into .venv and the cache; does nothing when it is there
	@$(PYTHON) -m infra.bootstrap

.PHONY: demo
demo: setup ## replay a pipeline through Airflow, ends with a report: PIPELINE= DATASET= MODEL= THRESHOLD= FRAUD_LABEL= SCORING= SPEED= RATE= BATCHES= EVENT_TYPES= START_TS=
	@$(INFRA) demo $(DEMO)

.PHONY: data
data: setup ## write a generated dataset to look at: PIPELINE= SEED= BATCHES= into var/data
	@$(VENV)/python -m streamweir.datagen $(call option,pipeline,PIPELINE) --folder var/data/$(call quoted,PIPELINE) \
		$(call option,seed,SEED) $(call option,batches,BATCHES)

##@ The stack

.PHONY: up
up: setup ## start Kafka, MinIO, PostgreSQL and Airflow and wait until they are ready
	@$(INFRA) up

.PHONY: down
down: ## end every process of the stack; its data stays
	@test ! -x $(VENV)/python || $(INFRA) down

.PHONY: status
status: setup ## show each service and each stream's scorer, with port, memory and since when
	@$(INFRA) status

.PHONY: logs
logs: setup ## show the end of the logs: SERVICE=airflow-scheduler, or a stream's scorer: SERVICE=card_fraud.prod
	@$(INFRA) logs $(if $(value SERVICE),$(call quoted,SERVICE))

##@ Tests

# Tests with servers mostly wait for them: lint and the others run beside them, in what they leave of the machine.
.PHONY: test
test: setup ## lint and all tests; those with servers start a stack of their own
	@$(MAKE) --no-print-directory --jobs=2 test-servers test-beside

# Each folder's output comes in one piece when it is done, not in the middle of a line of the others.
.PHONY: test-beside
test-beside: ## the same as lint and test-quick, for a terminal that others write to as well
	@$(MAKE) --no-print-directory --output-sync=line lint test-quick

# One after the other, each in a process of its own: they differ in what they may import.
.PHONY: test-quick
test-quick: setup ## all tests without servers
	$(PATIENT_PYTEST) tests/unit/core
	$(PATIENT_PYTEST) tests/unit/spark
	$(PATIENT_PYTEST) tests/unit/quality
	$(PATIENT_PYTEST) tests/dags
	$(PATIENT_PYTEST) tests/golden
	$(PATIENT_PYTEST) tests/supervision

.PHONY: test-unit
test-unit: setup ## plain Python: no Java, no server
	$(PYTEST) tests/unit/core

.PHONY: test-spark
test-spark: setup ## Spark transforms on small frames
	$(PYTEST) tests/unit/spark

.PHONY: test-quality
test-quality: setup ## expectation suites
	$(PYTEST) tests/unit/quality

.PHONY: test-dags
test-dags: setup ## the DAGs' shape and their tasks
	$(PYTEST) tests/dags

.PHONY: test-golden
test-golden: setup ## what Airflow hands to Spark and what the docs quote, against recorded files
	$(PYTEST) tests/golden

.PHONY: test-supervision
test-supervision: setup ## the life of a stack, with small processes in place of the servers
	$(PYTEST) tests/supervision

.PHONY: test-integration
test-integration: setup ## single rooms on real servers
	$(PYTEST) tests/integration

.PHONY: test-e2e
test-e2e: setup ## the whole pipeline through Airflow, against an independent computation
	$(PYTEST) tests/e2e

# Integration, e2e and drills share one pytest call, so that their stack starts once.
.PHONY: test-servers
test-servers: setup ## integration, e2e and a few drills on one stack, then servers as they are elsewhere
	$(PYTEST) --durations=25 tests/integration tests/e2e tests/drills tests/servers_elsewhere

.PHONY: test-elsewhere
test-elsewhere: setup ## Kafka with SASL, TLS and rights, a store with https, a scorer between them
	$(PYTEST) tests/servers_elsewhere

.PHONY: test-store
test-store: setup ## a scorer on the object store that STREAMWEIR_STORE_... name; not in make test
	STREAMWEIR_TEST_STORE=1 $(PYTEST) tests/servers_elsewhere/test_scorer.py

.PHONY: test-cluster
test-cluster: setup ## a scorer on a standalone Spark cluster, one of its workers killed; not in make test
	$(PYTEST) tests/cluster

.PHONY: test-drills
test-drills: setup ## a few crash drills that harm nobody else
	$(PYTEST) tests/drills

.PHONY: drill
drill: setup ## crash drills on a stack of its own, compared with a run without a fault: FAULT= N= SEED= PIPELINE=
	@$(VENV)/python -m tests.drills $(call option,pipeline,PIPELINE) \
		$(call option,fault,FAULT) $(call option,n,N) $(call option,seed,SEED)

.PHONY: bench
bench: setup ## measure replay, scorer and latency on a stack of its own, a quarter of an hour; beside another version, as ratios: BASE= N= SIZE=
	@$(VENV)/python -m $(if $(value BASE),tests.bench.versions $(call option,base,BASE) $(call option,n,N) \
		$(call option,size,SIZE),tests.bench)

##@ The code

.PHONY: lint
lint: setup ## style, types and the laws between the rooms
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(VENV)/lint-imports

.PHONY: format
format: setup ## format the code
	$(VENV)/ruff check --fix-only --exit-zero .
	$(VENV)/ruff format .

.PHONY: lock
lock: setup ## pin all Python packages anew, after a change in pyproject.toml
	@$(VENV)/python -m infra.bootstrap.lock

.PHONY: clean
clean: down ## remove everything that was made here (.venv, var); the cache stays
	rm -rf .venv var .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
