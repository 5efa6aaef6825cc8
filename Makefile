# The commands for working on the portal. They need Python 3.11 to 3.13 with venv, and make.

HOST ?= 127.0.0.1
PORT ?= 8000
MODE ?= development
TEST_DATABASE_URL ?= postgres://postgres@127.0.0.1/test

PY := .venv/bin/python
DEMO := DATA_DIR=var/demo AFTERWORD_MODE=demo

.DEFAULT_GOAL := help
.PHONY: help demo demo-reset run test test-quick test-long test-newest test-postgres check guide fix bench bench-large lock messages migrations screens

help:
	@echo "make demo           run a demo library; with HOST=0.0.0.0 a phone can open it, and PORT=8080 sets the port"
	@echo "make demo-reset     delete the demo library and run a new one"
	@echo "make test           run the tests, on SQLite and on the PostgreSQL at TEST_DATABASE_URL"
	@echo "make test-quick     run the tests that fit into a minute, on SQLite and without browsers"
	@echo "make test-long      run what takes long: axe on every page, more rounds of races and of random searches"
	@echo "make test-postgres  run every test on PostgreSQL, also those that say the same on SQLite"
	@echo "make test-newest    run the tests on the newest Django; needs Python 3.12 or 3.13"
	@echo "make check          check format, lint, types, imports, migrations, settings, templates, documents and translations"
	@echo "make guide          install the portal on a clean clone with the commands of the README and of docs/operations.md"
	@echo "make fix            format the code, and fix what can be fixed automatically"
	@echo "make run            run the web server and the worker on the data in var/ (AFTERWORD_MODE=$(MODE))"
	@echo "make bench          compare the CPU time of each page with a minimal page, on both databases, in ten minutes"
	@echo "make bench-large    the same in large databases, which the first run builds; PART=catalog, conversations or figures"
	@echo "make screens        take a screenshot of every page, in var/screens/"
	@echo "make messages       collect the texts to translate, and compile the translations"
	@echo "make migrations     write the migrations for changed models"
	@echo "make lock           update the pinned dependencies; UPGRADE=--upgrade takes the newest of each"

# The virtual environment is built once, and again when the requirements change.
.venv/running: requirements.txt
	@./.ci/venv requirements.txt
	@touch $@

.venv/developing: requirements-dev.txt
	@./.ci/venv requirements-dev.txt
	@touch $@ .venv/running

.venv-newest/developing: requirements-newest.txt
	@./.ci/venv requirements-newest.txt .venv-newest
	@touch $@

# Compressing the static files is the slowest part of the start, so it runs only when they change.
var/demo/staticfiles.json: .venv/running $(shell find static -type f)
	@$(DEMO) $(PY) manage.py collectstatic --noinput --verbosity 0
	@touch $@

demo: .venv/running var/demo/staticfiles.json
	@$(DEMO) $(PY) manage.py migrate --verbosity 0
	@$(DEMO) $(PY) manage.py createcachetable --verbosity 0
	@$(DEMO) $(PY) manage.py build_demo
	@$(DEMO) $(PY) manage.py run --host $(HOST) --port $(PORT)

demo-reset:
	@rm -rf var/demo
	@$(MAKE) --no-print-directory demo

run: .venv/running
	@AFTERWORD_MODE=$(MODE) $(PY) manage.py migrate --verbosity 0
	@AFTERWORD_MODE=$(MODE) $(PY) manage.py createcachetable --verbosity 0
	@AFTERWORD_MODE=$(MODE) $(PY) manage.py run --host $(HOST) --port $(PORT)

test: .venv/developing
	@TEST_DATABASE_URL=$(TEST_DATABASE_URL) ./.ci/test

test-quick: .venv/developing
	@./.ci/test quick

test-long: .venv/developing
	@TEST_DATABASE_URL=$(TEST_DATABASE_URL) ./.ci/test long

test-postgres: .venv/developing
	@TEST_DATABASE_URL=$(TEST_DATABASE_URL) ./.ci/test postgres

test-newest: .venv-newest/developing
	@./.ci/test newest

check: .venv/developing
	@./.ci/check

guide:
	@python3 .ci/guide.py

fix: .venv/developing
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .
	@find templates -name '*.html' -print0 | xargs -0 .venv/bin/djade --target-version 5.2 || true

bench: .venv/developing
	@TEST_DATABASE_URL=$(TEST_DATABASE_URL) $(PY) -m bench

bench-large: .venv/developing
	@TEST_DATABASE_URL=$(TEST_DATABASE_URL) $(PY) -m bench large $(PART)

screens: .venv/developing
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && DATA_DIR=$$scratch .venv/bin/pytest -q tests/browser/screens.py

messages: .venv/developing
	@AFTERWORD_MODE=development $(PY) manage.py messages

migrations: .venv/developing
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
		AFTERWORD_MODE=development DATA_DIR=$$scratch $(PY) manage.py makemigrations

# requirements.txt and requirements-dev.txt pin the supported Django. requirements-newest.txt is only for `make test-newest`.
# It begins as a copy of requirements-dev.txt, so that the two differ only in Django and django-allauth.
LOCK := .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url $(UPGRADE) \
	pyproject.toml

lock: .venv/developing
	@$(LOCK) --python-version 3.11 -c .ci/constraints/supported.txt -o requirements.txt
	@$(LOCK) --python-version 3.11 -c .ci/constraints/supported.txt --group dev -o requirements-dev.txt
	@cp requirements-dev.txt requirements-newest.txt
	@$(LOCK) --python-version 3.12 -c .ci/constraints/newest.txt --group dev -o requirements-newest.txt \
		--upgrade-package django --upgrade-package django-allauth
