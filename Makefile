# make demo    two real servers: kill one, watch the service come back      (root)
# make test    everything: format, lint, types, unit, simulation, cluster   (root)
# make machines  nvkeep on real NVMe, SCSI and DRBD, in emulated machines  (root)
# make fuzz MINUTES=10   mutated input for everything that reads what comes from outside
# make generate  write the man page, the completions and docs/keys.md from the code
# make bench   nvkeep beside a script that checks nothing, at rest and under load; writes docs/performance.md  (root, two hours)
# make bench-takeover  how long a power cut and a move take the service away, beside a script that checks nothing  (root)
# make bench-rest  what nvkeep costs while nothing happens, and a command that finds nothing to do  (root)
# make bench-hour  whether anything moves while the cores, the disk and the network are under load  (root, an hour)
# make check   the part that runs in seconds and needs no root
# make lock    renew packaging/requirements.txt: the libraries that are installed, by their hashes
# make deb     the Debian package, in dist/
# make rpm     the package for RHEL, Alma and Rocky, in dist/
# make dist    sdist, wheel, deb, rpm, SBOM and their checksums, in dist/; the same commit gives the same bytes
# make install DESTDIR=/    put nvkeep on this machine without a package manager
PY := .venv/bin/python
unexport PYTHONDONTWRITEBYTECODE # or hundreds of small processes would compile the same modules again
APT_LAB := debootstrap systemd-container fuse3 libfuse2 iproute2 e2fsprogs util-linux mount procps btrfs-progs xfsprogs rpm
APT_MACHINES := qemu-system-x86 qemu-utils
.DEFAULT_GOAL := help

.PHONY: help demo test fuzz check format lint types unit simulation cluster machines bench bench-takeover bench-rest bench-hour generate lock deb rpm dist install clean apt-lab apt-machines

help:
	@sed -n 's/^# //p' Makefile

.venv/ready: pyproject.toml
	@echo "* Preparing .venv (first time: about a minute)"
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { apt-get -qq update && apt-get -qq install -y python3-venv >/dev/null; }
	@python3 -m venv .venv
	@.venv/bin/pip install -qq --disable-pip-version-check --no-compile -e '.[dev,lab]'
	@touch $@

apt-lab:
	@./packaging/apt-lab $(APT_LAB)

apt-machines:
	@./packaging/apt-lab $(APT_LAB) $(APT_MACHINES)

demo: .venv/ready apt-lab
	@$(PY) -m lab.demo

check: lint types unit

format: .venv/ready
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

lint: .venv/ready
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/lint-imports

types: .venv/ready
	@.venv/bin/mypy

unit: .venv/ready
	@$(PY) -m pytest -q tests/unit tests/golden

simulation: .venv/ready
	@$(PY) -m pytest -q tests/simulation

cluster: .venv/ready apt-lab
	@$(PY) -m pytest -q tests/cluster

machines: .venv/ready apt-machines
	@$(PY) -m pytest -q tests/machines

test: .venv/ready apt-lab
	@./packaging/test-all

fuzz: .venv/ready
	@$(PY) -m tests.fuzz $(MINUTES)

bench: .venv/ready apt-lab
	@$(PY) bench/run.py $(WITH)

bench-takeover: .venv/ready apt-lab
	@$(PY) bench/takeover.py $(WITH)

bench-rest: .venv/ready apt-lab
	@$(PY) bench/rest.py $(WITH)

bench-hour: .venv/ready apt-lab
	@$(PY) bench/hour.py $(WITH)

generate: .venv/ready
	@$(PY) packaging/generate.py

lock: .venv/ready
	@.venv/bin/pip install -qq --disable-pip-version-check uv
	@.venv/bin/uv pip compile pyproject.toml -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--upgrade --output-file packaging/requirements.txt

deb:
	@python3 packaging/build.py deb

rpm:
	@./packaging/apt-lab rpm && python3 packaging/build.py rpm

dist: .venv/ready deb rpm
	@./packaging/apt-lab lintian rpmlint
	@./packaging/dist

install:
	@./packaging/install "$(DESTDIR)"

clean: .venv/ready
	@$(PY) -m lab clean
