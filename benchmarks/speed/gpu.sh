#!/usr/bin/env bash
# What one GPU does, in under ten minutes: no network, no root, from a copied checkout. Packages that the machine lacks
# are taken from the folder `wheels` beside the checkout's README, where somebody has put them; its own torch stays.
# OUT names the folder of gpu.json, PYTHON the interpreter; options go on to gpu.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
out="${OUT:-$PWD/runs}"
export PYTHONPATH="$PWD:$PWD/agents:$PWD/recommenders:$PWD/benchmarks:$PWD/runs/site${PYTHONPATH:+:$PYTHONPATH}"
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false PERSONAGYM_CACHE="${PERSONAGYM_CACHE:-$PWD/runs/cache}"
python="${PYTHON:-python3}"
"$python" -c 'import sys, torch; sys.exit(f"torch {torch.__version__} is older than 2.6" if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6) else 0)'
if ! "$python" -c 'import peft, transformers, gymnasium, cattrs, tyro' 2>/dev/null; then
  [ -d wheels ] || { echo "peft, transformers, gymnasium, cattrs or tyro is missing, and there is no folder wheels" >&2; exit 1; }
  "$python" -m pip install --quiet --no-index --no-deps --target runs/site wheels/*.whl
fi
exec timeout "${LIMIT:-580}" "$python" benchmarks/speed/gpu.py --output "$out/gpu.json" "$@"
