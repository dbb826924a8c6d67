# The verbs of this project. `make` alone lists them; CONTRIBUTING.md tells how they are meant.

PYTHON ?= python3
UV ?= uv

BIN := .venv/bin
# -W ignore: the pip of Debian 12 announces at length what newer ones do otherwise, which is no concern of ours.
PIP := $(BIN)/python -W ignore -m pip --disable-pip-version-check --quiet
# Wheels only, so that a machine for which there are none is told at once instead of compiling for an hour;
# srt is published as source alone, and built with what requirements/build.txt installs.
FROM_HASHES := --require-hashes --no-build-isolation --use-pep517 --only-binary :all: --no-binary srt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list these verbs
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

# ---- environment -----------------------------------------------------------------------------------------------------

.PHONY: venv
venv: .venv/.stamp-device ## make .venv: the packages of the device, by their hashes

.venv/.stamp-python:
	@"$(PYTHON)" -c 'import sys; sys.exit(not (sys.version_info >= (3, 11) and sys.maxsize > 2**32))' || { \
	    echo "make venv: '$(PYTHON)' is not a 64-bit Python 3.11 or newer; name one: make venv PYTHON=/usr/bin/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo "make venv: '$(PYTHON)' has no venv module; please type: sudo apt-get install -y python3-venv" >&2; exit 1; }
	@echo "venv: making .venv"
	@"$(PYTHON)" -m venv --clear .venv
	@touch $@

.venv/.stamp-device: .venv/.stamp-python requirements/build.txt requirements/device.txt requirements/device.in pyproject.toml
	@echo "venv: installing the packages of the device"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements/build.txt
	@$(PIP) install $(FROM_HASHES) -r requirements/device.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(PIP) check
	@touch $@

.venv/.stamp-dev: .venv/.stamp-device requirements/dev.txt
	@echo "venv: installing the packages for lint and tests"
	@$(PIP) install $(FROM_HASHES) -r requirements/dev.txt
	@$(PIP) check
	@touch $@

.PHONY: wyoming
wyoming: .venv/.stamp-device ## install what `appliance wyoming` needs: wake word, recognizer and voice for Home Assistant
	@$(PIP) install $(FROM_HASHES) -r requirements/wyoming.txt
	@$(PIP) check

.PHONY: gpio
gpio: .venv/.stamp-device ## install what an LED and a button on the pins of a Raspberry Pi need (with Debian's python3-lgpio)
	@$(PIP) install $(FROM_HASHES) -r requirements/gpio.txt
	@$(BIN)/python -c 'import lgpio' 2>/dev/null || ln -sf -t "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')" \
	    /usr/lib/python3/dist-packages/lgpio.py /usr/lib/python3/dist-packages/_lgpio*.so
	@$(BIN)/python -c 'import lgpio' 2>/dev/null || { \
	    echo "make gpio: there is no lgpio for this Python; please type: sudo apt-get install -y python3-lgpio" >&2; exit 1; }

# TensorFlow and the device's packages want different versions of numpy, so the tools have an environment of their own.
.PHONY: venv-tools
venv-tools: .venv-tools/.stamp ## make .venv-tools: what trains and quantizes wake words, by its hashes

.venv-tools/.stamp: requirements/tools.txt
	@echo "venv-tools: installing (TensorFlow alone has 300 MB)"
	@"$(PYTHON)" -m venv --clear .venv-tools
	@.venv-tools/bin/python -W ignore -m pip --disable-pip-version-check --quiet install \
	    --require-hashes --only-binary :all: -r requirements/tools.txt
	@touch $@

# The demo goes on without these where it can; what to type is printed.
.PHONY: system-packages
system-packages:
	@tools/system-packages libportaudio2 mosquitto || true

# PulseAudio is the live tests' own sound server; without it they are skipped, and say so.
.PHONY: live-packages
live-packages: system-packages
	@tools/system-packages pulseaudio pulseaudio-utils libasound2-plugins alsa-utils || true

.PHONY: models
models: .venv/.stamp-device ## install the default models into models/
	@$(BIN)/appliance models install

# ---- what one does with it -------------------------------------------------------------------------------------------

.PHONY: demo
demo: system-packages models ## install what is missing and show the main job at work (MIC=1: with you as the person)
	@$(BIN)/appliance demo $(if $(MIC),--mic)

.PHONY: bench
bench: models ## measure the processor time, memory and delays of every stage on this machine
	@$(BIN)/appliance bench

.PHONY: bench-live
bench-live: live-packages models ## talk with the live appliance for 10 minutes, then kill its sound server 100 times
	@$(BIN)/python -m tools.bench_live

.PHONY: bench-phrasings
bench-phrasings: models ## count how many everyday phrasings are understood, typed and by synthetic voices (ALL=1: all; LANGUAGE=ko)
	@$(BIN)/python -m tools.bench_phrasings $(if $(ALL),--all) $(if $(LANGUAGE),--language $(LANGUAGE))

.PHONY: fuzz
fuzz: models ## throw damaged files and payloads at everything that reads one (INPUTS=20000: for each reader)
	@$(BIN)/python -m tools.fuzz_files --inputs $(or $(INPUTS),20000)
	@$(BIN)/python -m tools.fuzz_commands --messages $(or $(INPUTS),20000)

.PHONY: soak
soak: system-packages models ## let it hear days in minutes, and see whether it grows or drifts (HOURS=24: of sound)
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tools.soak --hours $(or $(HOURS),24)

.PHONY: bench-outbox
bench-outbox: .venv/.stamp-device ## count the bytes that a day of events writes to the card
	@$(BIN)/python -m tools.bench_outbox

.PHONY: bench-fleet
bench-fleet: system-packages .venv/.stamp-dev ## connect 1,000 appliances to one broker, restart it, and count what that takes
	@$(BIN)/python -m tools.bench_fleet

# Recordings of real people are not part of the project; where there are none, it says so.
.PHONY: bench-commands
bench-commands: models ## count how many real people are woken for and understood, clean and in noise (ALL=1: all)
	@$(BIN)/python -m tools.bench_people "$${APPLIANCE_DATA_PACK:-../shared/data}" --turns-only
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	    $(BIN)/python -m tools.bench_commands "$${APPLIANCE_DATA_PACK:-../shared/data}" $(if $(ALL),--all)

# The tools' environment has the faster of the two TensorFlow Lite runtimes, which Python 3.11 has not on the device.
.PHONY: bench-wake
bench-wake: test-models ## our wake words beside other makers', on recordings of people
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tools.bench_wake "$${APPLIANCE_DATA_PACK:-../shared/data}" \
	    $(if $(wildcard .venv-tools/.stamp),--also .venv-tools/bin/python)

.PHONY: bench-barge-in
bench-barge-in: models ## count the people who are heard over the device's own voice, in simulated rooms; needs recordings
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tools.bench_barge_in "$${APPLIANCE_DATA_PACK:-../shared/data}"

.PHONY: bench-follow-up
bench-follow-up: models ## does it act on what others say after an answer, and on what is meant for it? needs recordings
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tools.bench_follow_up "$${APPLIANCE_DATA_PACK:-../shared/data}"

.PHONY: bench-own-voice
bench-own-voice: models ## does it wake or stop itself? 10 hours of its own words in simulated rooms (HOURS=1: one)
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tools.bench_own_voice --hours $(or $(HOURS),10)

# ---- on a device -----------------------------------------------------------------------------------------------------

PACKAGE := build/appliance_*.deb

# Of other machines: each release of Debian has its Python.
python-of-bookworm := 3.11
python-of-trixie := 3.13
FOR = $(if $(MACHINE),--machine $(MACHINE)) $(if $(RELEASE),--python $(or $(python-of-$(RELEASE)),$(error RELEASE=$(RELEASE): bookworm or trixie)))

.PHONY: deb
deb: models ## make the Debian package in build/, to be installed without a network (MACHINE=aarch64 RELEASE=trixie: for others)
	@rm -f $(PACKAGE)
	@$(BIN)/python -m tools.make_deb build $(FOR)

.PHONY: install
install: ## install it on this machine as a service, by a Debian package, and let the doctor look at it; needs root
	@[ "$$(id -u)" -eq 0 ] || { echo "make install: please type: sudo make install" >&2; exit 1; }
	@$(MAKE) --no-print-directory models
	@rm -f $(PACKAGE)
	@$(BIN)/python -m tools.make_deb build --compression none
	@apt-get -qq update || true
	@DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends --reinstall ./$(PACKAGE)
	@rm -f $(PACKAGE)

# ---- what must pass --------------------------------------------------------------------------------------------------

.PHONY: lint
lint: .venv/.stamp-dev ## format, lint, types, import arrows
	@$(BIN)/ruff format --check --quiet . || { echo "lint: please run .venv/bin/ruff format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python -m pytest -q tests/test_architecture.py
	@echo "lint: good"

TEST_MODELS := oww_alexa oww_hey_jarvis

.PHONY: test-models
test-models: models
	@echo "models: for the tests also openWakeWord's words ($(TEST_MODELS)); their licence is non-commercial, nothing uses them by default"
	@$(BIN)/appliance models install $(TEST_MODELS)

# What works at the speed of real time gets the machine for itself.
.PHONY: test-live
test-live: live-packages .venv/.stamp-dev test-models ## run the tests that hear and speak in real time, in a virtual room
	@$(BIN)/python -m pytest -q -m "live and not slow and not device" -n 0

# Two processes for two cores; a file stays in one process, because its tests share a broker or a loaded model.
# One thread for linear algebra each: more only get into each other's way.
.PHONY: test
test: test-live ## install what is missing and run all tests, those in real time first
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	    $(BIN)/python -m pytest -q -m "not live and not slow and not device" -n 2 --dist loadfile

# That nothing needs a network is seen where there is none. What is missing is installed before.
.PHONY: test-offline
test-offline: live-packages .venv/.stamp-dev test-models ## run all tests where there is no network but the loopback
	@tools/offline $(BIN)/python -m pytest -q -m "live and not slow and not device" -n 0
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 tools/offline \
	    $(BIN)/python -m pytest -q -m "not live and not slow and not device" -n 2 --dist loadfile

TENSORFLOW_TESTS := test_quantize_net test_quantize_run test_quantize_train test_quantize_verifier test_quantize_voice test_bench_measured

# What needs TensorFlow: a word from its text to its model, in miniature, and the tests of what it is made of.
.PHONY: test-tools
test-tools: .venv-tools/.stamp test-models ## train, quantize and measure a word in miniature
	@tools/system-packages espeak-ng flite || true
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	    .venv-tools/bin/python -m pytest -q -m "not data" $(TENSORFLOW_TESTS:%=tests/%.py)

# Home Assistant wants other versions of the same packages, and knows no newer Python than 3.12.
.venv-ha/.stamp: requirements/ha.txt
	@echo "check-ha: installing Home Assistant (0.6 GB)"
	@"$(PYTHON)" -m venv --clear .venv-ha
	@.venv-ha/bin/python -W ignore -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/ha.txt
	@touch $@

.PHONY: check-ha
check-ha: system-packages .venv/.stamp-dev ## ask a real Home Assistant whether it takes the appliance in
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' || { \
	    echo "make check-ha: skipped: this Home Assistant runs on Python 3.11 or 3.12; name one: make check-ha PYTHON=python3.11"; exit 0; } && \
	    $(MAKE) --no-print-directory .venv-ha/.stamp && $(BIN)/python -m tools.check_ha .venv-ha/bin/hass

# The Hermes classes want an older paho.
.venv-hermes/.stamp: requirements/hermes.txt
	@echo "check-hermes: installing rhasspy-hermes"
	@"$(PYTHON)" -m venv --clear .venv-hermes
	@.venv-hermes/bin/python -W ignore -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/hermes.txt
	@touch $@

.PHONY: check-hermes
check-hermes: .venv/.stamp-dev .venv-hermes/.stamp ## hold our Hermes messages against the classes of rhasspy-hermes
	@$(BIN)/python -m tools.check_hermes .venv-hermes/bin/python

build/node-red/.stamp: requirements/node-red/package.json requirements/node-red/package-lock.json
	@echo "check-nodered: installing Node-RED (0.1 GB)"
	@mkdir -p build/node-red && cp requirements/node-red/*.json build/node-red
	@cd build/node-red && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

.PHONY: check-nodered
check-nodered: system-packages .venv/.stamp-dev ## ask a real Node-RED whether the example flow works
	@command -v npm >/dev/null || { echo "make check-nodered: skipped: npm is not installed (apt-get install npm)"; exit 0; } && \
	    $(MAKE) --no-print-directory build/node-red/.stamp && $(BIN)/python -m tools.check_nodered build/node-red/node_modules/.bin/node-red

.PHONY: check-systemd
check-systemd: RELEASE ?= bookworm
check-systemd: models ## boot a real systemd in a container, and see whether the service does as promised (RELEASE=trixie: there)
	@tools/system-packages systemd-container mmdebstrap || true
	@rm -f $(PACKAGE)
	@$(BIN)/python -m tools.make_deb build --compression none $(FOR)
	@$(BIN)/python -m tools.check_systemd $(PACKAGE) --release $(RELEASE)

.PHONY: check-aarch64
check-aarch64: models ## install the package for 64-bit ARM in an emulated Debian, and replay a sentence there; slow
	@tools/system-packages qemu-user-static mmdebstrap || true
	@rm -f $(PACKAGE)
	@$(BIN)/python -m tools.make_deb build --compression none --machine aarch64 --python 3.11
	@$(BIN)/python -m tools.check_aarch64 $(PACKAGE)

# ---- the workshop ----------------------------------------------------------------------------------------------------

.PHONY: lock
lock: ## resolve requirements/*.in again (needs uv; UPGRADE=1 takes the newest versions)
	@command -v "$(UV)" >/dev/null || { \
	    echo "make lock: needs uv, a package resolver; install it with pip into an environment of its own, or name it: make lock UV=PATH" >&2; exit 1; }
	@cd requirements && for name in device wyoming gpio dev build tools ha hermes; do \
	    "$(UV)" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	        --no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade) $$name.in -o $$name.txt || exit 1; done
	@echo "lock: requirements/*.txt are resolved"

.PHONY: clean
clean: ## remove .venv, caches and build results; models stay
	@rm -rf .venv .venv-tools .venv-ha .venv-hermes build dist out demo-answers.wav *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find appliance tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
