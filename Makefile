# Each target sets up what it needs; a set-up with nothing to do takes a moment.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test bench lint up down clean

# Where the demo runs: RUNTIME=docker, with IMAGE and POSTGRES where they are not to be built here.
place = $(if $(RUNTIME),--runtime '$(RUNTIME)' $(if $(IMAGE),--image '$(IMAGE)') $(if $(POSTGRES),--postgres '$(POSTGRES)'))

help: ## Say what can be done here.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 16

setup: ## Make .venv with the pinned dependencies, and see that there is a Pulumi CLI.
	@scripts/setup
	@$(if $(filter setup,$(MAKECMDGOALS)),echo 'next: . scripts/env')

demo: setup ## Take a real two-service system through good and bad releases, under load; RUNTIME=docker in containers.
	@scripts/demo $(place)

test: setup ## Run all tests once, with coverage.
	@scripts/test

bench: setup ## Measure, print a table and write bench/report.json.
	@. scripts/env && python bench/run.py

lint: setup ## Check style, format and types.
	@scripts/lint

up: setup ## Bring the demo stacks, staging and production, up.
	@scripts/up $(place)

down: setup ## Destroy the demo stacks.
	@scripts/down

clean: ## Remove what tests, checks and benchmarks left behind; .venv and the demo stay.
	@rm -rf build .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis bench/report.json
	@find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
