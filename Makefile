# docmill: `make demo` shows it working, `make test` proves it.

# By its real path, which the unprivileged children can follow when the checkout is under /root.
BIN = $(shell readlink -f .local)/venv/bin
LOCAL = $(BIN)/python -m deploy.local
# Runs its command with PostgreSQL, RabbitMQ and S3 up and their addresses in the environment.
WITH_SERVERS = $(BIN)/python -m deploy.local.run_tests
PYTEST = $(BIN)/pytest $(ARGS)
# `test-unit` begins a measurement, `test-fast` adds to it, `gate` judges it.
MEASURED = --cov --cov-report=
CORES := $(shell nproc)

.DEFAULT_GOAL := help
.PHONY: help setup installed demo up down status logs clean test test-unit test-fast test-contract \
	test-integration test-migrations test-deploy test-guards test-e2e test-alerts test-k8s test-chaos chaos recovery soak compare ocrmypdf bench bench-quality fairness cancelling coverage gate \
	check lint types imports fmt verify generate images requirements release upgrade

##@ See it work
demo: setup ## Start everything, send documents through, stay up until Ctrl-C; ARGS="a.pdf b.png" takes yours
	@$(LOCAL) demo $(ARGS)

up: setup ## Start everything in the background
	@$(LOCAL) up

down: ## Stop everything
	@[ ! -x $(BIN)/python ] || $(LOCAL) down

status: installed ## Show what runs, where, and whether it is ready
	@$(LOCAL) status

logs: installed ## Follow the services' logs
	@$(LOCAL) logs

installed:
	@[ -x $(BIN)/python ] || { echo "nothing is installed yet: \`make up\` installs and starts everything" >&2; exit 1; }

clean: down ## Stop everything and delete the local stack's data and logs
	@[ ! -x $(BIN)/python ] || $(LOCAL) clean

##@ Prove it
test: check ## Fast first: all but test-alerts, test-k8s and the slower half of chaos
	@$(WITH_SERVERS) $(MAKE) --no-print-directory test-fast gate test-guards test-e2e test-chaos

check: lint types imports verify test-unit ## What needs no server: style, types, import contracts, generated files, unit tests

test-unit: setup ## Rules of the domain, in seconds
	$(PYTEST) -n $(CORES) $(MEASURED) tests/unit

test-fast: setup ## Contract, integration, migration and deploy tests on real servers
	$(WITH_SERVERS) $(PYTEST) -n $(CORES) --dist loadgroup $(MEASURED) --cov-append tests/contract tests/integration tests/migrations tests/deploy

test-integration: ## One folder of tests on real servers; also test-contract, test-migrations, test-deploy
test-contract test-integration test-migrations test-deploy: test-%: setup
	$(WITH_SERVERS) $(PYTEST) tests/$*

test-guards: setup ## Each guard of the ledger taken away once: a test must turn red
	$(WITH_SERVERS) $(PYTEST) -n $(CORES) tests/guards

test-e2e: setup ## Documents through every service
	$(WITH_SERVERS) $(PYTEST) tests/e2e

test-alerts: setup ## The shipped rules and dashboards on a running stack: faults fire their alerts, panels answer
	$(WITH_SERVERS) $(PYTEST) tests/alerts

test-chaos: setup ## Documents through every service while things break: the quickest scenarios
	$(WITH_SERVERS) $(PYTEST) -m smoke tests/chaos

chaos: setup ## Every fault there is, with a table at the end; ARGS="--rounds 10" for more trials
	$(WITH_SERVERS) $(PYTEST) tests/chaos

recovery: setup ## Recovery after a kill, after an outage, and dispatch at rest, beside their bounds
	$(BIN)/python -m loadtests.recovery $(ARGS)

test-k8s: setup ## The chart on a real node: install, upgrade under load, roll back, scale, drain; as root, slow
	$(PYTEST) -p no:randomly tests/k8s

soak: setup ## Producers and a seeded schedule of faults; ARGS="--minutes 30 --seed 7", 24 h by default
	$(BIN)/python -m loadtests.soak $(ARGS)

compare: setup ## The same tasks and faults through stock Dramatiq and through docmill
	$(BIN)/python -m loadtests.comparison $(ARGS)

ocrmypdf: setup ## OCRmyPDF with ghostscript and unpaper, which the two benches compare with once it is there
	@deploy/local/setup.sh ocrmypdf

bench: setup ## Everything against its bare baseline; ARGS="--quick stack ledger" for less, --publish to write the docs
	$(BIN)/python -m loadtests.bench $(ARGS)

fairness: setup ## What fairness promises, in figures: floods, shares, rates, the cost of a tick
	$(WITH_SERVERS) $(BIN)/python -m loadtests.fairness $(ARGS)

bench-quality: setup ## How well pages are read, beside tesseract and OCRmyPDF; ARGS="--each 2" is quicker
	$(BIN)/python -m loadtests.quality $(ARGS)

cancelling: setup ## From the call that cancels to the dead child; ARGS="--rounds 60"
	$(BIN)/python -m loadtests.cancelling $(ARGS)

coverage: test-unit test-fast gate ## Branch coverage of the rules, the worker runtime and the use cases

gate: setup ## Fail when the last tests took too few branches of a group
	$(BIN)/coverage report --fail-under=90
	$(BIN)/coverage json -q -o .local/coverage/report.json
	$(BIN)/python -m deploy.scripts.branches .local/coverage/report.json

##@ Change it
fmt: setup ## Format, and mend what ruff can mend
	$(BIN)/ruff check --fix --quiet; $(BIN)/ruff format

lint: setup ## Style
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: setup ## mypy --strict, tests included
	$(BIN)/mypy

imports: setup ## Who may import whom
	$(BIN)/lint-imports

generate: setup ## Write the generated files again
	@$(BIN)/python -m deploy.local.generated write

verify: setup ## Fail when a generated file is stale
	@$(BIN)/python -m deploy.local.generated check

##@ Deploy it
images: ## Build every image with docker or podman; ARGS="ocr", LANGUAGES="eng deu", TAG, PREFIX, BASE
	@deploy/docker/build.sh $(ARGS)

##@ Keep it
setup: ## Install what is missing; nothing happens when nothing is
	@deploy/local/setup.sh

requirements: setup ## Lock what the pyproject files ask for, keeping the present versions
	@deploy/local/lock.sh

release: check ## One version everywhere, changelog, wheels in dist/, commit and tag; VERSION=1.2.0; pushes nothing
	@$(BIN)/python -m deploy.scripts.release $(VERSION)

upgrade: setup ## Lock again with the newest versions
	@deploy/local/lock.sh --upgrade

help: ## Show this
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
