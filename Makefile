# The two set-up commands are in the README; they make the environment used here.
PYTHON ?= .venv/bin/python

.PHONY: help demo bench-embedding bench-training bench-heldout peers bench-memory bench-scaling bench-small bench-counts bench-spacetime bench-fields bench-draws bench-surrogates bench-campaigns bench-gpu reproduce docs test wheel-check lint format

help:
	@echo "make demo    county unemployment: four models' scores and a map, in two to three minutes"
	@echo "make bench-embedding  eigensolvers against peers: time, memory, accuracy; about 45 minutes"
	@echo "make bench-training  the paper's recipe and ours: time, accuracy, costs; about 75 minutes"
	@echo "make peers   environments of peers of bench-heldout, bench-spacetime and bench-fields, into build/peers; some minutes and 8 GB"
	@echo "make bench-heldout  what predicts best where nothing was observed, peers too; some hours"
	@echo "make bench-memory  long tables of nodes and times; about 15 minutes"
	@echo "make bench-scaling  growth to ten million nodes, a search on a cluster, SLEPc; about two hours and 20 GB"
	@echo "make bench-small  the default network on small tables, and what it is made of; about 20 minutes"
	@echo "make bench-counts  counts and classes on maps: deviance, coverage, log loss beside peers; about 40 minutes"
	@echo "make bench-spacetime  gaps in tables of nodes and times: accuracy, intervals, seconds beside peers; some hours"
	@echo "make bench-fields  signals never seen, from a few nodes and an archive or from other graphs, beside peers; about an hour"
	@echo "make bench-draws  many signals at once, deviations and draws of signals; about 5 minutes"
	@echo "make bench-campaigns  hostile files, interrupts, awkward graphs: none may be silently wrong; about 20 minutes"
	@echo "make bench-gpu  the network on a CUDA device: is it right, and how fast; under 10 minutes"
	@echo "make bench-surrogates  random maps as smooth as a given one, beside brainsmash's; about 40 minutes"
	@echo "make reproduce  every experiment of the paper, in full, into docs/reproduction.md; about six hours"
	@echo "make docs    the documentation, into build/docs, its links checked; about five minutes"
	@echo "make test    the test suite, in 10 to 25 minutes"
	@echo "make wheel-check  builds the wheel, and runs the README's first lines from it alone; two minutes"
	@echo "make lint    style, format and types"
	@echo "make format  apply style and format"

demo:
	$(PYTHON) examples/county_signals.py

bench-embedding:
	$(PYTHON) benchmarks/embedding.py

bench-training:
	$(PYTHON) benchmarks/training.py

bench-heldout:
	$(PYTHON) benchmarks/heldout.py

peers:
	$(PYTHON) benchmarks/_board_peers.py

bench-memory:
	$(PYTHON) benchmarks/memory.py

bench-scaling:
	$(PYTHON) benchmarks/scaling.py
	$(PYTHON) benchmarks/distributed_eigen.py

bench-small:
	$(PYTHON) benchmarks/small_tables.py

bench-counts:
	$(PYTHON) benchmarks/counts.py

bench-spacetime:
	$(PYTHON) benchmarks/spacetime.py

bench-fields:
	$(PYTHON) benchmarks/fields.py
	$(PYTHON) benchmarks/shared_corrector.py

bench-draws:
	$(PYTHON) benchmarks/draws.py

bench-campaigns:
	$(PYTHON) benchmarks/campaign_files.py
	$(PYTHON) benchmarks/campaign_interrupts.py
	$(PYTHON) benchmarks/campaign_graphs.py

bench-gpu:
	$(PYTHON) benchmarks/gpu.py

bench-surrogates:
	$(PYTHON) benchmarks/surrogates.py

reproduce:
	$(PYTHON) examples/reproduce.py

docs:
	$(PYTHON) -m sphinx -b html -W --keep-going -j auto docs build/docs
	$(PYTHON) docs/check_site.py build/docs

test:
	$(PYTHON) -m pytest -n 2

wheel-check:
	$(PYTHON) .ci/check_wheel.py

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .
