#!/usr/bin/env bash
# Makes .venv hold exactly what requirements.lock pins (hashes checked), and this repository itself, editable.
# `make env` runs it when the lock or pyproject.toml changed. Environment: PYTHON, the interpreter to build from.
set -euo pipefail
cd "$(dirname "$0")/.."

UV_VERSION=0.13.9
fail() { echo "make env: $*" >&2; exit 1; }

python="${PYTHON:-}"
if [ -z "$python" ]; then
  for candidate in python3.11 python3; do
    if command -v "$candidate" >/dev/null; then python="$candidate"; break; fi
  done
fi
[ -n "$python" ] || fail "Python 3.11 is needed and no python3 is on PATH"
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
  fail "Python 3.11 is needed, $python is $("$python" -V 2>&1); name another with PYTHON=…"

[ -x .venv/bin/python ] || "$python" -m venv .venv || fail "could not create .venv (on Debian: apt install python3.11-venv)"
[ -x .venv/bin/uv ] && [ "$(.venv/bin/uv --version | cut -d' ' -f2)" = "$UV_VERSION" ] ||
  .venv/bin/python -m pip install --quiet "uv==$UV_VERSION"

# uv doesn't read pip's configuration, where a machine names its mirror: hand that one on.
index="$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)"
if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then export UV_DEFAULT_INDEX="$index"; fi

echo "make env: installing what requirements.lock pins into .venv" >&2
if .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements.lock; then
  .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps -e .
else
  echo "make env: uv could not; trying pip, which knows this machine's own indexes (slower)" >&2
  .venv/bin/python -m pip install --quiet --require-hashes -r requirements.lock
  .venv/bin/python -m pip install --quiet --no-deps -e .
fi
touch .venv/.complete
