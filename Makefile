# The commands of the project; `make` alone lists them. Needs Python 3.11 to 3.13, make and git.
#
#   make demo                      the synthetic images, end to end
#   make demo IMAGES="my images"   a folder of your own
#   make demo WEIGHTS=resnet50.safetensors
#   make review RUN=demo/run       a run in the browser
#   make test TESTS=tests/discovery/test_synthetic.py
#   make test-long SAMPLE=3 SEED=7     three of the long tests, drawn from a seed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo docs page review test test-long test-ray bench bench-large bench-gpu coverage test-lowest lint lock check-lock notebooks clean distclean
MAKEFLAGS += --no-print-directory

# Variables reach the recipes through the environment, so that blanks and quotes need no care.
export IMAGES LABELS WEIGHTS PARTS RUN PYTHON TESTS SAMPLE
export SEED ?= 0
JOBS ?= auto
VENV := .venv
VENV_PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed
BENCH_STAMP := .venv-bench/.installed
BENCH := PYTHONPATH="$$PWD:$$PWD/benchmarks" .venv-bench/bin/python -m bench
BENCH_OPTIONS := $${PARTS:+--parts "$$PARTS"} $${WEIGHTS:+--weights "$$WEIGHTS"} \
  $${IMAGES:+--images "$$IMAGES"} $${LABELS:+--labels "$$LABELS"}
SYNTHETIC := $(wildcard discovery/synthetic/*.py)

# One thread a test process: the processes are what fills the cores.
test test-long coverage: export OMP_NUM_THREADS ?= 1
test test-long coverage: export OPENBLAS_NUM_THREADS ?= 1
PYTEST := $(VENV_PYTHON) -m pytest
IN_PARALLEL := -n $(JOBS) --maxprocesses 8 --dist loadfile

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(STAMP)  ## find the defect types of the synthetic images, or of IMAGES=folder
	@if [ -z "$$IMAGES" ]; then $(MAKE) demo/truth.csv; fi
	@mkdir -p demo
	@images="$${IMAGES:-demo/images}"; \
	if [ -f demo/run.source ] && [ -e demo/run ] && [ "$$images" != "$$(cat demo/run.source)" ]; then \
	  n=1; while [ -e "demo/run.$$n" ]; do n=$$((n + 1)); done; \
	  mv demo/run "demo/run.$$n"; \
	  echo "demo/run was made from $$(cat demo/run.source): kept as demo/run.$$n" >&2; \
	fi; \
	printf '%s\n' "$$images" > demo/run.source; \
	set -- "$$images" --out demo/run; \
	if [ -n "$$WEIGHTS" ]; then set -- "$$@" --weights "$$WEIGHTS"; fi; \
	if [ -z "$$IMAGES" ]; then set -- "$$@" --metadata demo/metadata.csv; fi; \
	$(VENV_PYTHON) -m discovery.cluster "$$@"
	@if [ -z "$$IMAGES" ]; then \
	  $(VENV_PYTHON) -m discovery.evaluate demo/run demo/truth.csv --out demo/run/metrics.json; \
	fi
	@echo "$(CURDIR)/demo/run/report.html"

demo/truth.csv: $(SYNTHETIC) | $(STAMP)
	@$(VENV_PYTHON) -m discovery.synthetic demo

review: $(STAMP)  ## review the demo's run in the browser, or RUN=folder
	@$(VENV_PYTHON) -m discovery.review "$${RUN:-demo/run}"

page: $(STAMP)  ## build the review page, with Node or a Node installed into .venv
	@$(VENV_PYTHON) -m discovery.review.server.build --install-node

test: $(STAMP)  ## run the tests, or TESTS=path, in JOBS=auto processes
	@$(VENV_PYTHON) -m discovery.review.server.build --if-possible >/dev/null
	@if [ -n "$$TESTS" ]; then $(PYTEST) "$$TESTS"; else $(PYTEST) -q $(IN_PARALLEL) --durations 10; fi

test-long: $(STAMP)  ## run the long tests, those of TESTS=path, or SAMPLE=n of them from SEED
	@$(VENV_PYTHON) -m discovery.review.server.build --if-possible >/dev/null
	@$(PYTEST) $${TESTS:-tests} -m long $(IN_PARALLEL) --dist worksteal --timeout 1800 -rA --seed "$$SEED" \
	  $${SAMPLE:+--sample "$$SAMPLE"}

# Ours and the peers' in turns; PARTS=a,b some of it, WEIGHTS=file for the ARI of ResNet-50, and
# IMAGES=folder LABELS=table.csv for images of your own. It writes docs/benchmarks.md.
bench: $(BENCH_STAMP)  ## measure speed, memory and ARI beside the peers', in 40 minutes on two cores
	@$(BENCH) --plan bench $(BENCH_OPTIONS)

bench-large: $(BENCH_STAMP)  ## the same of 5,000 images and up to 1,000,000 vectors: hours, 12 GB
	@$(BENCH) --plan large $(BENCH_OPTIONS)

# The peers lie beside .venv, which stays as it is.
$(BENCH_STAMP): requirements-bench.lock | $(STAMP)
	@test -x .venv-bench/bin/python || $(VENV_PYTHON) -m venv .venv-bench
	@$(VENV_PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > "$$(.venv-bench/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/venv.pth"
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  -r requirements-bench.lock
	@touch $(BENCH_STAMP)

# Random weights and made-up pictures: nothing is downloaded. It writes docs/benchmarks-gpu.md.
bench-gpu: $(STAMP)  ## measure what this machine's GPU gives, in nine minutes
	@PYTHONPATH="$$PWD" $(VENV_PYTHON) benchmarks/gpu.py

# Ray is 240 MB, which few need: it lies beside .venv, which stays as it is.
test-ray: $(STAMP)  ## install Ray into .venv-ray and test a cluster of three workers on this machine
	@test -x .venv-ray/bin/python || $(VENV_PYTHON) -m venv .venv-ray
	@$(VENV_PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > "$$(.venv-ray/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/venv.pth"
	@.venv-ray/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  -r requirements-ray.lock
	@OMP_NUM_THREADS=1 PYTHONPATH="$$PWD" .venv-ray/bin/python -m pytest -q tests/cluster --timeout 600

coverage: $(STAMP)  ## run every quick test and tell which lines none of them reached
	@$(VENV_PYTHON) -m discovery.review.server.build --if-possible >/dev/null
	@$(PYTEST) -q $(IN_PARALLEL) --cov --cov-report term:skip-covered --cov-fail-under 80

test-lowest:  ## run the tests with every dependency at its lower bound, in .venv-lowest
	@python=$$(sh .ci/find-python) || exit 1; \
	"$$python" -m venv --clear .venv-lowest
	@"$$PWD/.venv-lowest/bin/python" .ci/lowest-bounds > .venv-lowest/constraints.txt
	@.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint .venv-lowest/constraints.txt --editable '.[docs,notebook,test]'
	@.venv-lowest/bin/python -m discovery.review.server.build --if-possible >/dev/null
	@.venv-lowest/bin/python -m pytest -q -n $(JOBS) --maxprocesses 8 --dist loadfile

lint: $(STAMP)  ## check style, types, who imports whom, and what lets strangers in
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .
	@$(VENV_PYTHON) -m mypy
	@$(VENV)/bin/lint-imports --no-logo
	@$(VENV)/bin/bandit --configfile pyproject.toml --quiet --recursive .
	@$(VENV_PYTHON) tools/lock.py

lock: $(STAMP)  ## resolve requirements.lock anew, with the sha256 that the index tells
	@$(VENV_PYTHON) tools/lock.py --write

check-lock: $(STAMP)  ## compare requirements.lock with pyproject.toml and what is installed
	@$(VENV_PYTHON) tools/lock.py --installed

docs: $(STAMP)  ## build the documentation into build/docs
	@$(VENV_PYTHON) -m sphinx --quiet --fail-on-warning --keep-going --builder html docs build/docs
	@echo "$(CURDIR)/build/docs/index.html"

notebooks: $(STAMP)  ## open the notebooks
	@$(VENV_PYTHON) -m jupyterlab notebooks

clean:  ## remove caches and build files
	@rm -rf discovery/review/page discovery/review/frontend/node_modules docs/reference
	@rm -rf build dist *.egg-info .coverage .coverage.* htmlcov
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find discovery embeddings tests notebooks benchmarks -name __pycache__ -prune -exec rm -rf {} +

distclean: clean  ## remove the environment and the demo too, decisions of demo/run included
	@rm -rf $(VENV) .venv-lowest .venv-ray .venv-bench demo

# Made again when pyproject.toml changes; a half-made one has no stamp and is made again too.
$(STAMP): pyproject.toml
	@$(VENV_PYTHON) -c 'import pip' 2>/dev/null || \
	{ python=$$(sh .ci/find-python) && "$$python" -m venv --clear $(VENV); }
	@echo "installing into $(VENV): some minutes the first time, torch is large" >&2
	@$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[docs,notebook,test]'
	@$(VENV_PYTHON) -c 'from discovery.graph.compiled import compile_all; compile_all()'
	@touch $(STAMP)
