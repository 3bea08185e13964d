PYTHON ?= python3
BIN := .venv/bin
.DELETE_ON_ERROR:
# A testbed is a dozen processes: none should compile the package anew, or start a matrix library's threads.
export PYTHONDONTWRITEBYTECODE =
export OPENBLAS_NUM_THREADS = 1
.PHONY: demo test check soak clean

demo: .venv/.installed
	$(BIN)/bellringer run examples/bell_three_node.yaml chsh --dry-run --seed 1

test: .venv/.installed
	@# Loops and tests are compiled once here, and not by every process of the tests at the same time.
	@test -d tests/house/__pycache__ || $(BIN)/pytest --collect-only -qq > /dev/null & \
	$(BIN)/python -c 'from bellringer.orchestrator.correlator.warm import warm_up; warm_up(print)' && wait
	@# More than there are cores, usually: most of the time they wait for processes.
	$(BIN)/pytest -n 5 --dist worksteal

soak: .venv/.installed
	$(BIN)/pytest -m soak --timeout=3600 -o faulthandler_timeout=3500 -n 4 --dist worksteal

check: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p build/types && ln -sfn ../.. build/types/bellringer
	MYPYPATH=build/types $(BIN)/mypy $(foreach room,physics testbed drivers sim_backends analysis orchestrator sequences console,-p bellringer.$(room))
	$(BIN)/lint-imports

.venv/.installed: pyproject.toml setup.py
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[test,check]'
	touch $@

clean:
	rm -rf .venv build *.egg-info
